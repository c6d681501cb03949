# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Key frames: frames that differ much from the one before (paper section 3.4).

Whether a frame is one is asked of every frame, so it has to cost little. SSIM is the mean over all places of a window;
the mean over the windows that lie side by side is within about a hundredth of it, and takes a fraction of the time.
Only where that is too close to the threshold to tell, all places are taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.learning.checks import in_range

#: Similarity is measured on images of at most this width: what a larger one shows besides is mostly noise.
WIDTH = 640
#: Side of the window, 7 in the paper's tool (structural_similarity of scikit-image), and so the least side of an image.
WINDOW = 7
#: Distance of the coarse similarity from the threshold below which all places are taken. On 435 pairs of frames of a
#: street video the two were never further apart than 0.0101; `benchmarks/key_frames.py` prints it.
UNSURE = 0.015

# Of SSIM, for values in [0, 255].
_C1 = (0.01 * 255.0) ** 2
_C2 = (0.03 * 255.0) ** 2
# From the variance of a window to the estimate of what it was drawn from.
_UNBIASED = WINDOW**2 / (WINDOW**2 - 1.0)


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
        self.threshold = threshold
        self._previous: NDArray[np.float32] | None = None
        self._previous_shape: tuple[int, ...] = ()

    @property
    def threshold(self) -> float:
        """SSIM below which a frame is a key frame; setting it holds from the next frame on, from any thread."""
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self._threshold = in_range("threshold", threshold, -1.0, 1.0)

    def score(self, image: NDArray[np.uint8]) -> KeyFrame:
        """
        Score the next accepted frame. The first one, and one of another resolution, is a key frame.

        :param image: grey (h, w) or (h, w, 1), or colour (h, w, 3 or 4) in any channel order; uint8, not empty.
        :raises ValueError: if it is not such an image.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
            raise ValueError(f"a frame has shape {image.shape} and type {image.dtype}, but must be a uint8 image")
        grey = _grey(image)
        previous, same_size = self._previous, image.shape[:2] == self._previous_shape
        self._previous, self._previous_shape = grey, image.shape[:2]
        if previous is None or not same_size:
            return KeyFrame(similarity=0.0, key=True)
        similarity, threshold = coarse_ssim(previous, grey), self.threshold
        if abs(similarity - threshold) < UNSURE:
            similarity = ssim(previous, grey)
        return KeyFrame(similarity=similarity, key=similarity < threshold)


def ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """
    Structural similarity: the mean over every place of a square window that lies within the image.

    :param a: grey image of values in [0, 255], shape (h, w), each side at least :data:`WINDOW`.
    :param b: likewise, of the same shape.
    :returns: in [-1, 1]; what scikit-image says to within 1e-5.
    """
    edge = WINDOW // 2
    inner = (slice(edge, a.shape[0] - edge), slice(edge, a.shape[1] - edge))

    def means(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, cv2.CV_32F, (WINDOW, WINDOW))[inner], dtype=np.float32)

    return _similarity(means(a), means(b), means(a * a), means(b * b), means(a * b))


def coarse_ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """
    Structural similarity over windows that lie side by side, from the upper left corner; see :func:`ssim`.

    Rows and columns that are left over at the right and below count for nothing.
    """
    rows, columns = a.shape[0] // WINDOW, a.shape[1] // WINDOW
    whole = (slice(0, rows * WINDOW), slice(0, columns * WINDOW))
    a, b = a[whole], b[whole]

    def means(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)

    return _similarity(means(a), means(b), means(a * a), means(b * b), means(a * b))


def _similarity(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    aa: NDArray[np.float32],
    bb: NDArray[np.float32],
    ab: NDArray[np.float32],
) -> float:
    """Compute the means over each window of two images, their squares and their product."""
    a_a, b_b, a_b = a * a, b * b, a * b
    variances = _UNBIASED * (aa - a_a + bb - b_b)
    covariance = _UNBIASED * (ab - a_b)
    similarity = ((2.0 * a_b + _C1) * (2.0 * covariance + _C2)) / ((a_a + b_b + _C1) * (variances + _C2))
    return float(np.clip(np.mean(similarity, dtype=np.float64), -1.0, 1.0))


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Make a grey image of at most :data:`WIDTH` pixels in width, each side at least :data:`WINDOW`."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = (max(WINDOW, round(width * scale)), max(WINDOW, round(height * scale)))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if small.ndim == 3 and small.shape[2] > 1:
        # Red and blue may stand either way: the weights differ, a change of the scene shows in both.
        code = cv2.COLOR_BGRA2GRAY if small.shape[2] == 4 else cv2.COLOR_BGR2GRAY
        small = np.asarray(cv2.cvtColor(small, code), dtype=np.uint8)
    return small.reshape(size[::-1]).astype(np.float32)
