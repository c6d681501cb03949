# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Key frames: frames that differ much from the previous frame (paper section 3.4).

Every frame is checked, so the check must be fast. SSIM is the mean over all positions of a window. The mean over
adjacent windows without overlap differs from it by at most about 0.01, and takes a fraction of the time. All positions
are used only if the mean over adjacent windows is too close to the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.learning.checks import in_range

#: Similarity is measured on images of at most this width; the additional detail of a larger image is mostly noise.
WIDTH = 640
#: Side of the window, 7 as in the paper's tool (structural_similarity of scikit-image); also the smallest side of an
#: image.
WINDOW = 7
#: All positions are used if the coarse similarity is closer to the threshold than this. On 435 pairs of frames of a
#: street video, the two similarities differed by at most 0.0101; `benchmarks/key_frames.py` prints the difference.
UNSURE = 0.015

# Constants of SSIM, for values in [0, 255].
_C1 = (0.01 * 255.0) ** 2
_C2 = (0.03 * 255.0) ** 2
# Factor from the variance of a window to the unbiased estimate.
_UNBIASED = WINDOW**2 / (WINDOW**2 - 1.0)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """
    The score of one frame.

    :param similarity: SSIM with the previous frame, in [-1, 1]; 0 if there is no frame to compare with.
    :param key: whether it is a key frame.
    """

    similarity: float
    key: bool


class KeyFrameDetector:
    """
    Compares each accepted frame with the previous accepted frame.

    :param threshold: SSIM below which a frame is a key frame, in [-1, 1]; 0.8 in the reference code.
    :raises ValueError: if the threshold is out of range.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._previous: NDArray[np.float32] | None = None
        self._previous_shape: tuple[int, ...] = ()

    @property
    def threshold(self) -> float:
        """Return the SSIM below which a frame is a key frame. Any thread may set it; it applies from the next frame."""
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self._threshold = in_range("threshold", threshold, -1.0, 1.0)

    def score(self, image: NDArray[np.uint8]) -> KeyFrame:
        """
        Score the next accepted frame. The first frame, and a frame of a new resolution, is always a key frame.

        :param image: grey (h, w) or (h, w, 1), or colour (h, w, 3 or 4) in any channel order; uint8, not empty.
        :raises ValueError: if `image` is not such an image.
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
    Return the structural similarity: the mean over all positions of a square window inside the image.

    :param a: grey image of values in [0, 255], shape (h, w), each side at least :data:`WINDOW`.
    :param b: grey image of values in [0, 255], of the same shape.
    :returns: similarity in [-1, 1]; it agrees with scikit-image to within 1e-5.
    """
    edge = WINDOW // 2
    inner = (slice(edge, a.shape[0] - edge), slice(edge, a.shape[1] - edge))

    def means(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, cv2.CV_32F, (WINDOW, WINDOW))[inner], dtype=np.float32)

    return _similarity(means(a), means(b), means(a * a), means(b * b), means(a * b))


def coarse_ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """
    Return the structural similarity over adjacent windows, from the upper left corner; see :func:`ssim`.

    Leftover columns at the right and leftover rows at the bottom are ignored.
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
    """Return the SSIM of two images from the means over each window of the images, their squares and their product."""
    a_a, b_b, a_b = a * a, b * b, a * b
    variances = _UNBIASED * (aa - a_a + bb - b_b)
    covariance = _UNBIASED * (ab - a_b)
    similarity = ((2.0 * a_b + _C1) * (2.0 * covariance + _C2)) / ((a_a + b_b + _C1) * (variances + _C2))
    return float(np.clip(np.mean(similarity, dtype=np.float64), -1.0, 1.0))


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a grey image at most :data:`WIDTH` pixels wide, with each side at least :data:`WINDOW` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = (max(WINDOW, round(width * scale)), max(WINDOW, round(height * scale)))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if small.ndim == 3 and small.shape[2] > 1:
        # Red and blue may be swapped. The weights then differ, but a change of the scene is visible in both orders.
        code = cv2.COLOR_BGRA2GRAY if small.shape[2] == 4 else cv2.COLOR_BGR2GRAY
        small = np.asarray(cv2.cvtColor(small, code), dtype=np.uint8)
    return small.reshape(size[::-1]).astype(np.float32)
