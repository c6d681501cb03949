# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Image, detections and decision of a frame are matched by their header."""

from __future__ import annotations

import itertools

import pytest

from neurosurgeon_ros.cli.demo import matching
from neurosurgeon_ros.cli.demo.matching import FrameMatcher

from .seen import decision, detections, header, image


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_order_of_arrival_does_not_matter_once_the_image_is_there(order: tuple[int, ...]) -> None:
    parts = [image(1), detections(1, "car"), decision(1)]
    matcher = FrameMatcher()
    frames = [frame for index in order for frame in matcher.take(parts[index])]

    assert [frame.decision.sequence for frame in frames] == [1]
    assert frames[0].detections.names == ("car",)
    assert (matcher.published, matcher.matched, matcher.waiting) == (1, 1, 0)


def test_dropped_images_are_let_go_and_each_frame_gets_its_own() -> None:
    matcher = FrameMatcher()
    for number in range(1, 6):
        matcher.take(image(number))
    matcher.take(detections(2))
    (second,) = matcher.take(decision(2))
    matcher.take(detections(4))
    (fourth,) = matcher.take(decision(4))

    assert second.image is not None
    assert fourth.image is not None
    assert (second.image[0, 0, 0], fourth.image[0, 0, 0]) == (20, 40)
    assert matcher.last_image == header(5)


def test_frames_come_in_the_order_of_their_decisions() -> None:
    matcher = FrameMatcher()
    assert matcher.take(decision(1)) == []
    assert matcher.take(decision(2)) == []
    assert matcher.take(detections(2)) == []
    assert matcher.waiting == 2
    assert [frame.decision.sequence for frame in matcher.take(detections(1))] == [1, 2]


def test_detections_without_an_image_are_counted_but_not_matched() -> None:
    matcher = FrameMatcher()
    matcher.take(decision(1))
    (frame,) = matcher.take(detections(1))

    assert frame.image is None
    assert (matcher.published, matcher.matched) == (1, 0)


def test_images_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "IMAGES_BYTES", 3 * image(1).image.nbytes)
    matcher = FrameMatcher()
    for number in range(1, 10):
        matcher.take(image(number))
    frames = []
    for number in (6, 7):
        matcher.take(detections(number))
        frames += matcher.take(decision(number))

    assert [frame.image is not None for frame in frames] == [False, True]
    assert matcher.matched == 2
