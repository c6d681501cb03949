# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The video frames that the testbed's camera sends."""

from __future__ import annotations

from testbed.camera import seen_frames


def test_a_fast_camera_sees_every_frame_in_its_order() -> None:
    assert seen_frames(5, 1.0) == [0, 1, 2, 3, 4]
    assert seen_frames(5, 0.5) == [0, 1, 2, 3, 4], "frames are not doubled"


def test_a_slow_camera_keeps_the_pace_and_begins_later_each_time() -> None:
    assert seen_frames(10, 2.5) == [0, 2, 5, 7, 1, 3, 6, 8]


def test_four_a_second_see_most_of_the_shipped_video_and_odd_frames_as_often_as_even_ones() -> None:
    seen = seen_frames(250, 25.0 / 4.0)
    assert len(seen) == len(set(seen)) == 240
    assert sum(number % 2 for number in seen) == 120
