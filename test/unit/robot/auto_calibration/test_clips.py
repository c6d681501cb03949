# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips of successive frames, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.online.clip import CLIP_BYTES, CLIP_FRAMES, frames_of, has_changed, outline
from neurosurgeon_ros.robot.auto_calibration.clips import Clips


def image(number: int = 0, shape: tuple[int, int, int] = (24, 32, 3)) -> NDArray[np.uint8]:
    return np.full(shape, number % 256, dtype=np.uint8)


def show(clips: Clips, count: int, begin: int = 0, period_s: float = 0.1) -> None:
    for number in range(begin, begin + count):
        clips.see(image(number), number * period_s)


def test_a_clip_has_successive_frames_and_the_next_one_begins_when_it_is_taken() -> None:
    clips = Clips(seen=5)
    show(clips, 3 * CLIP_FRAMES)
    clip = clips.take()
    assert clip is not None
    assert [int(one[0, 0, 0]) for one in clip.images] == list(range(CLIP_FRAMES))
    assert clip.period_s == pytest.approx(0.1)
    assert clip.judged == (1, 3, 5, 7)
    show(clips, CLIP_FRAMES, begin=100)
    following = clips.take()
    assert following is not None
    assert int(following.images[0][0, 0, 0]) == 100
    assert clips.seen == 5 + 4 * CLIP_FRAMES


def test_a_pause_of_the_camera_and_another_size_begin_a_clip_again() -> None:
    clips = Clips()
    show(clips, CLIP_FRAMES - 1)
    show(clips, CLIP_FRAMES, begin=CLIP_FRAMES + 20)
    clip = clips.take()
    assert clip is not None
    assert int(clip.images[0][0, 0, 0]) == CLIP_FRAMES + 20
    show(clips, CLIP_FRAMES - 1, begin=200)
    for number in range(CLIP_FRAMES):
        clips.see(image(7, (48, 64, 3)), 21.0 + number)
    clip = clips.take()
    assert clip is not None
    assert {one.shape for one in clip.images} == {(48, 64, 3)}


def test_memory_is_bounded_whatever_the_size_of_the_images() -> None:
    assert frames_of(640 * 480 * 3) == CLIP_FRAMES
    for pixels in (1920 * 1080, 3840 * 2160):
        assert frames_of(3 * pixels) * 3 * pixels <= max(CLIP_BYTES, 2 * 3 * pixels)
    assert frames_of(10**9) == 2


def test_nothing_is_held_while_nothing_is_wanted_and_closing_ends_the_wait() -> None:
    clips = Clips()
    show(clips, 4)
    clips.skip()
    show(clips, 3 * CLIP_FRAMES, begin=4)
    clips.go_on()
    show(clips, CLIP_FRAMES, begin=100)
    clip = clips.take()
    assert clip is not None
    assert int(clip.images[0][0, 0, 0]) == 100
    clips.close()
    assert clips.take() is None
    show(clips, CLIP_FRAMES)
    assert clips.take() is None


def test_noise_is_no_change_of_the_scene_and_a_small_object_is() -> None:
    random = np.random.default_rng(0)
    still = random.integers(0, 200, (480, 640, 3)).astype(np.uint8)
    noisy = np.clip(still + random.normal(0.0, 5.0, still.shape), 0, 255).astype(np.uint8)
    assert not has_changed(outline(noisy), outline(still))
    moved = still.copy()
    moved[100:140, 200:230] = 255
    assert has_changed(outline(moved), outline(still))
    assert has_changed(outline(still), None)
