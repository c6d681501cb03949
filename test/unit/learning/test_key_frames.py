# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Key frames by SSIM with the previous accepted frame."""

from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.learning.key_frames import KeyFrameDetector


def scene(seed: int, height: int = 272, width: int = 640) -> np.ndarray:
    """Return smooth blobs, similar to a camera's image. Each seed gives another scene."""
    coarse = np.random.default_rng(seed).integers(0, 256, size=(8, 12, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((height // 8, width // 12 + 1, 1), dtype=np.uint8))[:height, :width]


def test_first_frame_is_a_key_frame() -> None:
    found = KeyFrameDetector().score(scene(1))
    assert found.key
    assert found.similarity == 0.0


def test_same_scene_with_sensor_noise_is_none() -> None:
    detector = KeyFrameDetector()
    detector.score(scene(1))
    noise = np.random.default_rng(0).integers(0, 4, size=scene(1).shape, dtype=np.uint8)
    found = detector.score(np.maximum(scene(1), noise))
    assert not found.key
    assert found.similarity > 0.9


def test_each_frame_is_compared_with_the_one_before_it() -> None:
    detector = KeyFrameDetector()
    keys = [detector.score(scene(seed)).key for seed in (1, 2, 2, 1, 1)]
    assert keys == [True, True, False, True, False]


def test_threshold_decides() -> None:
    strict, lax = KeyFrameDetector(threshold=1.0), KeyFrameDetector(threshold=-1.0)
    for detector in (strict, lax):
        detector.score(scene(1))
    assert strict.score(scene(2)).key
    assert not lax.score(scene(2)).key


def test_change_of_resolution_is_a_key_frame() -> None:
    detector = KeyFrameDetector()
    detector.score(scene(1))
    found = detector.score(scene(1, height=136, width=320))
    assert found.key
    assert found.similarity == 0.0


@pytest.mark.parametrize("shape", [(272, 640), (272, 640, 1), (272, 640, 3), (272, 640, 4), (2, 1), (9, 4000, 3)])
def test_takes_grey_and_colour_of_any_size(shape: tuple[int, ...]) -> None:
    detector = KeyFrameDetector()
    image = np.random.default_rng(3).integers(0, 256, size=shape, dtype=np.uint8)
    detector.score(image)
    assert detector.score(image).similarity == pytest.approx(1.0)


def test_keeps_no_reference_to_the_callers_image() -> None:
    detector = KeyFrameDetector()
    image = np.random.default_rng(3).integers(0, 256, size=(60, 80), dtype=np.uint8)
    detector.score(image)
    image[:] = 0
    assert detector.score(image).key


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be a uint8 image"):
        KeyFrameDetector().score(image)


def test_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold is 1\.5"):
        KeyFrameDetector(threshold=1.5)
