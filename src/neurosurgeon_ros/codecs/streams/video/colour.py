# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convert 8-bit colour images to the planes of a 4:2:0 video and back: BT.601 with full range, as in a JPEG.

A camera's video may have other colours: BT.601 or BT.709, with full range or with the range 16 to 235.

A chroma value is the mean of four pixels, and its place is their centre. Cubic interpolation gives it back; it loses
least (ITU-T T.871 describes matrix, range and place).
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Colours:
    """
    How the values of a camera's video are meant.

    :param is_full: whether luma has the range 0 to 255, not 16 to 235.
    :param is_709: whether the matrix is that of BT.709, not BT.601.
    """

    is_full: bool
    is_709: bool


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


# Values of the range 16 to 235 (chroma: 16 to 240) as those of the range 0 to 255 (H.273, 8.3).
_VALUES = np.arange(256.0)
_WIDER_LUMA = np.clip(np.rint((_VALUES - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)
_WIDER_CHROMA = np.clip(np.rint((_VALUES - 128.0) * 255.0 / 224.0 + 128.0), 0, 255).astype(np.uint8)

# Y, Cr, Cb of BT.709 to blue, green, red.
_BLUE, _RED = 1.8556, 1.5748
_FROM_709 = np.array([[1.0, 0.0, _BLUE], [1.0, -_RED * 0.2126 / 0.7152, -_BLUE * 0.0722 / 0.7152], [1.0, _RED, 0.0]])
_FROM_709 = np.column_stack((_FROM_709, -_FROM_709[:, 1:].sum(axis=1) * 128.0))


def to_bgr(planes: Planes, colours: Colours) -> NDArray[np.uint8]:
    """
    Convert a picture of a camera's video; the same picture gives the same bits on robot and edge.

    :returns: BGR, shape (height, width, 3), in memory of its own.
    """
    if not colours.is_full:
        luma, blue, red = planes
        planes = Planes(
            np.asarray(cv2.LUT(luma, _WIDER_LUMA), dtype=np.uint8),
            *(np.asarray(cv2.LUT(plane, _WIDER_CHROMA), dtype=np.uint8) for plane in (blue, red)),
        )
    pixels = np.empty((*planes.luma.shape, 3), dtype=np.uint8)
    if not colours.is_709:
        read_planes(planes, pixels, "BGR")
        return pixels
    size = planes.luma.shape[::-1]
    chroma = (cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in (planes.red, planes.blue))
    cv2.transform(cv2.merge((planes.luma, *chroma)), _FROM_709, dst=pixels)
    return pixels
