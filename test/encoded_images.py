# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images of every encoding, written down as the values that a camera sends, with the BGR values that they mean."""

from __future__ import annotations

import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

#: The names in sensor_msgs/image_encodings.hpp that are pictures, in its order, and `nv12`.
PICTURES = (
    *("rgb8", "rgba8", "rgb16", "rgba16", "bgr8", "bgra8", "bgr16", "bgra16", "mono8", "mono16"),
    *("8UC1", "8UC2", "8UC3", "8UC4", "16UC1", "16UC2", "16UC3", "16UC4"),
    *("32FC1", "32FC3", "32FC4", "64FC1", "64FC3", "64FC4"),
    *("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"),
    *("bayer_rggb16", "bayer_bggr16", "bayer_gbrg16", "bayer_grbg16"),
    *("uyvy", "yuv422", "yuyv", "yuv422_yuy2", "nv21", "nv24", "nv12"),
)

#: The other names there.
NO_PICTURES = (
    *(f"{bits}SC{channels}" for bits in (8, 16, 32) for channels in (1, 2, 3, 4)),
    *("32FC2", "64FC2"),
)

WIDTH, HEIGHT = 4, 4

# Left and right half of the image, as BGR.
_ORANGE, _BLUE = (10, 100, 200), (250, 128, 0)
_RED, _GREEN = (0, 1, 255), (1, 255, 0)
_DARK, _LIGHT = (60, 60, 60), (200, 200, 200)
# Y, U, V of red and green in ITU-R BT.601 with the range 16 to 235.
_Y, _U, _V = (82, 145), (90, 54), (240, 34)

# Values of a pixel in the left and in the right half.
_BY_8_BITS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "mono": ((60,), (200,)),
    "UC1": ((60,), (200,)),
    "UC2": ((60, 7), (200, 7)),
    "bgr": (_ORANGE, _BLUE),
    "UC3": (_ORANGE, _BLUE),
    "rgb": ((200, 100, 10), (0, 128, 250)),
    "bgra": ((*_ORANGE, 7), (*_BLUE, 7)),
    "UC4": ((*_ORANGE, 7), (*_BLUE, 7)),
    "rgba": ((200, 100, 10, 7), (0, 128, 250, 7)),
}

# The rows, in turn, of an image that is orange everywhere.
_MOSAICS = {
    "rggb": ((200, 100, 200, 100), (100, 10, 100, 10)),
    "bggr": ((10, 100, 10, 100), (100, 200, 100, 200)),
    "gbrg": ((100, 10, 100, 10), (200, 100, 200, 100)),
    "grbg": ((100, 200, 100, 200), (10, 100, 10, 100)),
}

_PACKED = {
    "uyvy": (90, 82, 240, 82, 54, 145, 34, 145),
    "yuyv": (82, 90, 82, 240, 145, 54, 145, 34),
}

# Values of a row of the second plane.
_CHROMA = {
    "nv12": (90, 240, 54, 34),
    "nv21": (240, 90, 34, 54),
    "nv24": (90, 240, 90, 240, 54, 34, 54, 34),
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """
    An image of :data:`WIDTH` x :data:`HEIGHT` pixels.

    :param kind: type of a value: u1, u2, f4, f8.
    :param planes: values of each plane, shape (rows, values per row).
    :param shown: BGR, uint8, shape (h, w, 3).
    :param exact: whether the conversion gives exactly these values; else they differ by at most 1.
    """

    encoding: str
    kind: str
    planes: tuple[NDArray[np.float64], ...]
    shown: NDArray[np.uint8]
    exact: bool = True

    def message(self, *, padding: int = 0, big: bool = False) -> Image:
        """Return the image with rows that are padded with bytes that no pixel has."""
        dtype, data, step = np.dtype((">" if big else "<") + self.kind), b"", 0
        for plane in self.planes:
            for row in plane:
                values = row.astype(dtype).tobytes()
                step = step or len(values) + padding
                # The rows of the second plane are padded to the same length, or to twice as much for 4:4:4.
                length = 2 * step if self.encoding == "nv24" and plane is not self.planes[0] else step
                data += values + bytes([137]) * (length - len(values))
        made = Image(height=HEIGHT, width=WIDTH, encoding=self.encoding, is_bigendian=int(big), step=step)
        made.data = array.array("B", data)
        return made


def encoded(encoding: str) -> Encoded:
    """Return the image in an encoding of :data:`PICTURES`."""
    if encoding in _CHROMA:
        luma = _rows((_Y[0], _Y[0], _Y[1], _Y[1]))
        chroma = np.array([_CHROMA[encoding]] * (4 if encoding == "nv24" else 2), dtype=np.float64)
        return Encoded(encoding, "u1", (luma, chroma), _halves(_RED, _GREEN), exact=False)
    packed = {"yuv422": "uyvy", "yuv422_yuy2": "yuyv"}.get(encoding, encoding)
    if packed in _PACKED:
        return Encoded(encoding, "u1", (_rows(_PACKED[packed]),), _halves(_RED, _GREEN), exact=False)
    kind = "u2" if "16" in encoding else "f4" if "32F" in encoding else "f8" if "64F" in encoding else "u1"
    scale = {"u1": 1.0, "u2": 257.0}.get(kind, 1 / 255)
    if encoding.startswith("bayer"):
        mosaic = np.array(2 * _MOSAICS[encoding[6:10]], dtype=np.float64)
        return Encoded(encoding, kind, (scale * mosaic,), _halves(_ORANGE, _ORANGE))
    name = encoding.strip("0123468") if encoding[0] not in "1368" else f"UC{encoding[-1]}"
    left, right = _BY_8_BITS[name]
    shown = _halves(_DARK, _LIGHT) if len(left) < 3 else _halves(_ORANGE, _BLUE)
    return Encoded(encoding, kind, (scale * _rows((*left, *left, *right, *right)),), shown)


def _rows(values: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array([values] * HEIGHT, dtype=np.float64)


def _halves(left: tuple[int, ...], right: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.array([[left, left, right, right]] * HEIGHT, dtype=np.uint8)
