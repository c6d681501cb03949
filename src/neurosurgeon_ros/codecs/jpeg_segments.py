# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the segments of a JPEG up to its first scan (ITU-T T.81, annex B) without a decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

#: First and last bytes of a JPEG.
BEGIN, END = b"\xff\xd8", b"\xff\xd9"

#: Marker of a scan header.
SCAN = 0xDA

_FILL = 0xFF
# Markers without a length: TEM, and RST0 to SOI.
_BARE = {0x01, *range(0xD0, 0xD9)}


class DamagedJpeg(ValueError):
    """Raised if the data contains anything else where a segment must be."""


class Segment(NamedTuple):
    """
    Segment of a JPEG.

    :param marker: second byte of the segment.
    :param position: position of its first byte.
    :param length: number of bytes after the marker, including the two bytes of the length; 0 for a marker without a
        length, or for a fill byte.
    """

    marker: int
    position: int
    length: int


def segments(data: memoryview) -> Iterator[Segment]:
    """
    Yield each segment, up to the header of the first scan or to the point where the data is cut off.

    :raises DamagedJpeg: there is anything else in place of a segment, or its length is impossible.
    """
    position = len(BEGIN)
    while position + 4 <= data.nbytes:
        if data[position] != _FILL:
            raise DamagedJpeg
        marker = data[position + 1]
        if marker == _FILL or marker in _BARE:
            yield Segment(marker, position, 0)
            position += 1 if marker == _FILL else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if length < 2:
            raise DamagedJpeg
        yield Segment(marker, position, length)
        if marker == SCAN:
            return
        position += 2 + length
