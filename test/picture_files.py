# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures with headers that OpenCV does not write: EXIF orientations, and any tiff."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

#: Values of the EXIF orientation, and what each does to a stored picture (EXIF 2.3, table 6).
TURNS = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[:, ::-1],
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: image.transpose(1, 0, 2)[::-1],
}

# Tags of a tiff.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS = (
    *(256, 257, 258, 259, 262, 273),
    *(274, 277, 278, 279),
)
TILE_WIDTH, TILE_HEIGHT, FORMAT = 322, 323, 339


def exif(orientation: int) -> bytes:
    """Return EXIF data with one entry."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, ORIENTATION, 3, 1, orientation, 0, 0)


def turned_jpeg(data: bytes, orientation: int) -> bytes:
    """Put an orientation into a jpeg."""
    body = b"Exif\0\0" + exif(orientation)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def turned_png(data: bytes, orientation: int) -> bytes:
    """Put an orientation into a png."""
    body = b"eXIf" + exif(orientation)
    return data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


def extended_webp(data: bytes, size: tuple[int, int], *, flags: int = 0, more: bytes = b"") -> bytes:
    """Put the chunk VP8X before a webp's image, and more chunks after it."""
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    body = b"WEBPVP8X" + struct.pack("<II", 10, flags) + sides + data[12:] + more
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(
    bgr: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    order: str = "<",
    changes: Mapping[int, tuple[int, ...]] | None = None,
    pages: int = 1,
) -> bytes:
    """
    Return an uncompressed tiff, whose pages have one strip each; the pages after the first show the inverse.

    :param bgr: shape (h, w, 3).
    :param order: byte order, "<" or ">".
    :param changes: values of tags, in place of the right ones; an empty tuple omits a tag.
    """
    made = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 42)
    rest = b""
    height, width = bgr.shape[:2]
    for page in range(pages):
        values = np.ascontiguousarray(bgr[..., ::-1] if page == 0 else 255 - bgr)
        data = values.astype(values.dtype.newbyteorder(order)).tobytes()
        begin = len(made) + len(rest) + (4 if page == 0 else 0)
        tags: dict[int, tuple[int, ...]] = {
            WIDTH: (width,),
            HEIGHT: (height,),
            BITS: (8 * bgr.itemsize,) * 3,
            COMPRESSION: (1,),
            PHOTOMETRIC: (2,),
            OFFSETS: (begin,),
            SAMPLES: (3,),
            ROWS: (height,),
            COUNTS: (len(data),),
            FORMAT: (1,) * 3,
            **(changes or {}),
        }
        tags = {tag: numbers for tag, numbers in sorted(tags.items()) if numbers}
        directory = begin + len(data)
        long_at, long, entries = directory + 2 + 12 * len(tags) + 4, b"", b""
        for tag, numbers in tags.items():
            kind, letter = (3, "H") if tag in (BITS, FORMAT, ORIENTATION) else (4, "I")
            packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
            if len(packed) > 4:
                packed, long = struct.pack(f"{order}I", long_at + len(long)), long + packed
            entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
        after = long_at + len(long) if page + 1 < pages else 0
        if page == 0:
            made += struct.pack(f"{order}I", directory)
        rest += data + struct.pack(f"{order}H", len(tags)) + entries
        rest += struct.pack(f"{order}I", after + len(data) if after else 0) + long
    return made + rest


def encoded(kind: str, *options: int, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return what OpenCV writes."""
    return bytes(cv2.imencode(f".{kind}", image, options)[1])
