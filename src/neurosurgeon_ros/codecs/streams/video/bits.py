# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Split a video packet into its units, and read the bit fields of their headers, without a decoder."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

#: A header longer than this is refused; the headers of the encoders used here have less than 100 bytes.
MOST_HEADER_BYTES = 512

#: Maximum number of units that an encoder may write for a picture.
MOST_ENCODED_UNITS = 32

#: Maximum number of units of a camera's packet: a slice for each row of macroblocks of the largest picture, and more.
MOST_CAMERA_UNITS = 160

_START_CODE = re.compile(rb"\x00\x00\x01")


class DamagedVideo(ValueError):
    """Raised if a packet is not a plain picture; the message completes "the tensor ..."."""


class PictureSize(NamedTuple):
    """
    Size of a picture.

    :param width: in pixels.
    :param height: in pixels.
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"a picture of {self.width} x {self.height} pixels"


@dataclass(frozen=True, slots=True)
class CameraPacket:
    """
    What the headers of a camera's packet say.

    :param size: size of the picture of a key, at which a decoder can begin; None if the packet is no key.
    """

    size: PictureSize | None


class BitReader:
    """
    Reads bit fields, the most significant bit first.

    :param data: the header. Emulation prevention bytes of H.264 and HEVC must have been removed.
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def bits(self, count: int) -> int:
        """
        Return an unsigned number of so many bits.

        :raises DamagedVideo: the header has ended.
        """
        if count > self._left:
            raise DamagedVideo("has a header that is cut off")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def exp_golomb(self) -> int:
        """
        Return an unsigned Exp-Golomb number (ITU-T H.264, 9.1), at most 2^32 - 2.

        :raises DamagedVideo: the header has ended, or the number is larger.
        """
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise DamagedVideo("has an impossible number in a header")
        return (1 << zeros) - 1 + self.bits(zeros)


def nal_units(data: memoryview, most: int, *, least_bytes: int = 3) -> list[memoryview]:
    """
    Return the units of a byte stream (ITU-T H.264, annex B), without start codes; they are views.

    :param most: maximum number of units.
    :param least_bytes: minimum number of bytes of a unit.
    :raises DamagedVideo: the data does not begin with a start code, or has more units, or an empty one.
    """
    starts = [match.end() for match in islice(_START_CODE.finditer(data), most + 1)]
    if not starts or bytes(data[: starts[0]]) not in (b"\0\0\1", b"\0\0\0\1"):
        raise DamagedVideo("does not begin with the start code of a video")
    if len(starts) > most:
        raise DamagedVideo(f"has more than {most} units")
    ends = [start - 3 for start in starts[1:]] + [data.nbytes]
    units = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    if min(unit.nbytes for unit in units) < least_bytes:
        raise DamagedVideo("has an empty unit")
    return units


def sent_units(packet: memoryview, wanted: Callable[[memoryview], bool]) -> memoryview:
    """
    Return the wanted units of an encoder's byte stream; it is a view of the packet if all of them are wanted.

    :raises DamagedVideo: the packet is no byte stream.
    """
    units = nal_units(packet, MOST_ENCODED_UNITS)
    kept = [unit for unit in units if wanted(unit)]
    if len(kept) == len(units):
        return packet
    return memoryview(b"".join(part for unit in kept for part in (b"\0\0\1", unit)))


def header(unit: memoryview, begin: int) -> BitReader:
    """Return a reader of a unit's first bytes from `begin` on, without its emulation prevention bytes."""
    return BitReader(bytes(unit[begin : begin + MOST_HEADER_BYTES]).replace(b"\0\0\3", b"\0\0"))


def expect(what: str, value: int, *allowed: int) -> None:
    """
    Check a field.

    :raises DamagedVideo: it has none of the allowed values.
    """
    if value not in allowed:
        raise DamagedVideo(f"has {what} {value} where {' or '.join(map(str, allowed))} is expected")
