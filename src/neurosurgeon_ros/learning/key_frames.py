# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Key frames: frames that differ much from the one before (paper section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from neurosurgeon_ros.learning.checks import in_range

#: Similarity is measured on images of at most this width; scene changes show there, sensor noise does not.
WIDTH = 160
#: Side of the window of structural_similarity, and so the least side of an image.
WINDOW = 7


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """
    What was found about one frame.

    :param similarity: SSIM with the frame before, in [-1, 1]; 0 where there is none to compare with.
    :param key: whether it is a key frame.
    """

    similarity: float
    key: bool


class KeyFrameDetector:
    """
    Compares each accepted frame with the accepted frame before it.

    :param threshold: SSIM below which a frame is a key frame, in [-1, 1]; 0.8 in the reference code.
    :raises ValueError: if the threshold lies outside.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self._threshold = in_range("threshold", threshold, -1.0, 1.0)
        self._previous: NDArray[np.uint8] | None = None
        self._previous_shape: tuple[int, ...] = ()

    def score(self, image: NDArray[np.uint8]) -> KeyFrame:
        """
        Score the next accepted frame. The first one, and one of another resolution, is a key frame.

        :param image: grey (h, w) or (h, w, 1), or colour (h, w, 3 or 4) in any channel order; uint8, not empty.
        :raises ValueError: if it is not such an image.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
            raise ValueError(f"a frame has shape {image.shape} and type {image.dtype}, but must be a uint8 image")
        small = _reduce(image)
        previous, same_size = self._previous, image.shape[:2] == self._previous_shape
        self._previous, self._previous_shape = small, image.shape[:2]
        if previous is None or not same_size:
            return KeyFrame(similarity=0.0, key=True)
        ssim: Any = structural_similarity
        similarity = float(ssim(previous, small, win_size=WINDOW, data_range=255))
        return KeyFrame(similarity=similarity, key=similarity < self._threshold)


def _reduce(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a grey image of at most :data:`WIDTH` pixels in width, each side at least :data:`WINDOW`."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = (max(WINDOW, round(width * scale)), max(WINDOW, round(height * scale)))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    channels = small.shape[2] if small.ndim == 3 else 1
    if channels == 1:
        return np.array(small.reshape(size[::-1]), dtype=np.uint8)
    # Red and blue may stand either way: the weights differ, a change of the scene shows in both.
    return np.asarray(cv2.cvtColor(small[:, :, :3], cv2.COLOR_BGR2GRAY), dtype=np.uint8)
