# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convert 8-bit colour images to the planes of a 4:2:0 video and back: BT.601 with full range, as in a JPEG.

A chroma value is the mean of four pixels, and its place is their centre. Cubic interpolation gives it back; it loses
least (ITU-T T.871 describes matrix, range and place).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Order = Literal["RGB", "BGR"]

_TO_YCRCB = {"RGB": cv2.COLOR_RGB2YCrCb, "BGR": cv2.COLOR_BGR2YCrCb}
_FROM_YCRCB = {"RGB": cv2.COLOR_YCrCb2RGB, "BGR": cv2.COLOR_YCrCb2BGR}


class Planes(NamedTuple):
    """
    Planes of a picture; its sides are even.

    :param luma: shape (height, width).
    :param blue: shape (height / 2, width / 2).
    :param red: shape (height / 2, width / 2).
    """

    luma: Plane
    blue: Plane
    red: Plane


def even(side: int) -> int:
    """Return the side of the picture that holds so many pixels: the same, or one more."""
    return side + side % 2


def write_planes(pixels: NDArray[np.uint8], planes: Planes, order: Order) -> None:
    """
    Convert an image into the planes of a picture.

    :param pixels: shape (height, width, 3). If a side is odd, its last pixels are repeated.
    :param planes: written in place; the sides are as :func:`even` returns them.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.asarray(
            cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), dtype=np.uint8
        )
    image = cv2.cvtColor(pixels, _TO_YCRCB[order])
    cv2.extractChannel(image, 0, planes.luma)
    small = cv2.resize(image, planes.blue.shape[::-1], interpolation=cv2.INTER_AREA)
    cv2.extractChannel(small, 1, planes.red)
    cv2.extractChannel(small, 2, planes.blue)


def read_planes(planes: Planes, pixels: NDArray[np.uint8], order: Order) -> None:
    """
    Convert the planes of a picture into an image, the inverse of :func:`write_planes`.

    :param pixels: written in place. Shape (height, width, 3).
    """
    height, width = planes.luma.shape
    red, blue = (
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in (planes.red, planes.blue)
    )
    image = cv2.merge((planes.luma, red, blue))
    if pixels.shape[:2] == (height, width):
        cv2.cvtColor(image, _FROM_YCRCB[order], dst=pixels)
    else:
        pixels[:] = cv2.cvtColor(image, _FROM_YCRCB[order])[: pixels.shape[0], : pixels.shape[1]]
