# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The segments of a JPEG up to its first scan (ITU-T T.81, annex B), read without a decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

#: First and last bytes of a JPEG.
BEGIN, END = b"\xff\xd8", b"\xff\xd9"

#: Marker of a scan's header.
SCAN = 0xDA

_FILL = 0xFF
# Markers without a length: TEM, and RST0 to SOI.
_BARE = {0x01, *range(0xD0, 0xD9)}


class DamagedJpeg(ValueError):
    """Something else than a segment stands where one must be."""


class Segment(NamedTuple):
    """
    A segment.

    :param marker: its second byte.
    :param position: of its first byte.
    :param length: of what follows the marker, the two bytes of the length included; 0 for a marker that stands alone,
        or a fill byte.
    """

    marker: int
    position: int
    length: int


def segments(data: memoryview) -> Iterator[Segment]:
    """
    Walk from segment to segment, up to the header of the first scan or to where the data are cut off.

    :raises DamagedJpeg: where something else than a segment stands, or its length is impossible.
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
