# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Successive frames that a robot saw, and whether a scene has changed since an earlier frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: Number of frames of a clip: a key and the frames that build on it.
CLIP_FRAMES = 8

#: Maximum memory of a clip, in bytes. Large images make a shorter clip, of at least two frames.
CLIP_BYTES = 32 << 20

#: Size in which scenes are compared. The mean of so many pixels hardly depends on a sensor's noise.
_WIDTH, _HEIGHT = 32, 24

#: A scene has changed if the mean brightness of some part differs by more than this, of 255.
_CHANGE = 6


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """
    Successive frames of one size.

    :param images: BGR, shape (H, W, 3) each; at least two.
    :param seen_s: when they arrived, in monotonic seconds.
    """

    images: tuple[Image, ...]
    seen_s: tuple[float, ...]

    @property
    def period_s(self) -> float:
        """Return the mean seconds between two frames."""
        return (self.seen_s[-1] - self.seen_s[0]) / (len(self.seen_s) - 1)

    @property
    def judged(self) -> tuple[int, ...]:
        """Return the frames on which arms are judged: every other one, without the first, which is a key."""
        return tuple(range(1, len(self.images), 2))


def frames_of(image_bytes: int) -> int:
    """Return how many frames a clip of such images has."""
    return min(CLIP_FRAMES, max(2, CLIP_BYTES // max(1, image_bytes)))


def outline(image: Image) -> NDArray[np.uint8]:
    """Return the brightness of the parts of an image, shape (24, 32)."""
    small = cv2.resize(image, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def has_changed(now: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> bool:
    """Return whether two outlines show different scenes; True if there is none before."""
    return before is None or int(cv2.absdiff(now, before).max()) > _CHANGE
