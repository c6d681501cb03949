# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The key frames of the shipped video are those that scikit-image's full-size SSIM gives."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from neurosurgeon_ros.learning.key_frames import UNSURE, KeyFrameDetector, coarse_ssim, ssim
from neurosurgeon_ros.models.files import find

THRESHOLD = 0.8


@pytest.fixture(scope="module")
def video() -> list[np.ndarray]:
    """Return every second of the first 120 frames. With the default threshold about half of them are key frames."""
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    frames = [capture.read()[1] for _ in range(120)]
    capture.release()
    return frames[::2]


@pytest.fixture(scope="module")
def judged(video: list[np.ndarray]) -> np.ndarray:
    """Return scikit-image's decision for each frame except the first."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in video]
    return np.array([structural_similarity(a, b, data_range=255) for a, b in pairwise(grey)])


def as_floats(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)


def test_key_frames_agree(video: list[np.ndarray], judged: np.ndarray) -> None:
    detector = KeyFrameDetector(THRESHOLD)
    keys = np.array([detector.score(frame).key for frame in video][1:])
    expected = judged < THRESHOLD
    assert 0.1 < expected.mean() < 0.9
    chance = keys.mean() * expected.mean() + (1 - keys.mean()) * (1 - expected.mean())
    assert (np.mean(keys == expected) - chance) / (1 - chance) >= 0.9


def test_coarse_similarity_is_nearer_than_the_margin(video: list[np.ndarray], judged: np.ndarray) -> None:
    coarse = [coarse_ssim(as_floats(a), as_floats(b)) for a, b in pairwise(video)]
    assert np.abs(np.array(coarse) - judged).max() < UNSURE


def test_near_the_threshold_similarity_is_ssim_itself(video: list[np.ndarray], judged: np.ndarray) -> None:
    for index in range(5):
        detector = KeyFrameDetector(threshold=float(judged[index]))
        detector.score(video[index])
        assert detector.score(video[index + 1]).similarity == pytest.approx(judged[index], abs=1e-5)


def test_ssim_is_that_of_scikit_image(video: list[np.ndarray], judged: np.ndarray) -> None:
    assert ssim(as_floats(video[0]), as_floats(video[1])) == pytest.approx(judged[0], abs=1e-5)
