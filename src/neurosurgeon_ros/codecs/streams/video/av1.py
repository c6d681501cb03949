# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check an AV1 packet before a decoder reads it (AV1 bitstream specification, 5.3 to 5.9).

A key is one sequence header and one frame; any other packet is one frame. Everything else that an encoder writes is
left out before sending.

A camera's packet is one shown frame, with whatever else its encoder writes. If it is a key, it has its sequence header.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from neurosurgeon_ros.codecs.streams.video.bits import (
    MOST_CAMERA_UNITS,
    MOST_HEADER_BYTES,
    BitReader,
    CameraPacket,
    DamagedVideo,
    PictureSize,
    expect,
)

_SEQUENCE, _FRAME = 1, 6
# What a camera may write: a frame in parts, and delimiter, metadata, padding.
_FRAME_HEADER, _TILES = 3, 4
_REST = (2, 5, 15)
_KEY_FRAME, _INTER_FRAME, _INTRA_FRAME = 0, 1, 2

# The length of a unit is written in groups of seven bits; five of them hold more than any packet has.
_MOST_LENGTH_BYTES = 5


class _Unit(NamedTuple):
    kind: int
    whole: memoryview
    payload: memoryview


def sent(packet: memoryview) -> memoryview:
    """
    Return the parts of an encoder's packet that are sent.

    :raises DamagedVideo: the packet is cut off.
    """
    return memoryview(b"".join(unit.whole for unit in _units(packet) if unit.kind in (_SEQUENCE, _FRAME)))


def check(data: memoryview, *, key: bool) -> PictureSize | None:
    """
    Check that a packet is one picture that a decoder can hold.

    :returns: the size of a key's picture; None for another packet.
    :raises DamagedVideo: the packet is anything else.
    """
    units = list(_units(data))
    expected = [_SEQUENCE, _FRAME] if key else [_FRAME]
    found = [unit.kind for unit in units]
    if found != expected:
        raise DamagedVideo(f"has units of type {found[:8]} where {expected} are expected")
    frame = BitReader(bytes(units[-1].payload[:1]))
    expect("repeated frames:", frame.bits(1), 0)
    expect("frame type", frame.bits(2), *((_KEY_FRAME,) if key else (_INTER_FRAME, _INTRA_FRAME)))
    expect("shown frames:", frame.bits(1), 1)
    return _picture(BitReader(bytes(units[0].payload[:MOST_HEADER_BYTES]))) if key else None


class CameraReader:
    """Reads the headers of a camera's packets, in order. Its state is the last key's sequence header."""

    def __init__(self) -> None:
        self._written = b""

    def read(self, data: memoryview) -> CameraPacket:
        """
        Check that a packet is one picture that a decoder can hold.

        :raises DamagedVideo: the packet is anything else.
        """
        units = list(islice(_units(data), MOST_CAMERA_UNITS + 1))
        if len(units) > MOST_CAMERA_UNITS:
            raise DamagedVideo(f"has more than {MOST_CAMERA_UNITS} units")
        frames = [unit for unit in units if unit.kind in (_FRAME, _FRAME_HEADER)]
        other = {unit.kind for unit in units} - {_SEQUENCE, _FRAME, _FRAME_HEADER, _TILES, *_REST}
        if other or len(frames) != 1 or (frames[0].kind == _FRAME and any(unit.kind == _TILES for unit in units)):
            raise DamagedVideo(f"has units of type {[unit.kind for unit in units][:8]} where one frame is expected")
        frame = BitReader(bytes(frames[0].payload[:1]))
        expect("repeated frames:", frame.bits(1), 0)
        of_type = frame.bits(2)
        expect("frame type", of_type, _KEY_FRAME, _INTER_FRAME, _INTRA_FRAME)
        if not frame.bits(1):
            raise DamagedVideo("has hidden frames: let the camera's encoder write none")
        sets = [unit.payload for unit in units if unit.kind == _SEQUENCE]
        if of_type != _KEY_FRAME or not sets:
            if any(bytes(one) != self._written for one in sets):
                raise DamagedVideo("has another sequence header than the last key frame")
            return CameraPacket(None)
        if len(sets) > 1:
            raise DamagedVideo(f"has {len(sets)} sequence headers where 1 is expected")
        size = _picture(BitReader(bytes(sets[0][:MOST_HEADER_BYTES])))
        self._written = bytes(sets[0])
        return CameraPacket(size)


def _units(data: memoryview) -> Iterator[_Unit]:
    position = 0
    while position < data.nbytes:
        first = data[position]
        # Bits: 1 that is 0, 4 of the type, 1 for an extension, 1 for a length, 1 that is 0.
        if first & 0x87 != 0x02:
            raise DamagedVideo("has a unit of another layer, or without a length")
        start, length = position + 1, 0
        for group in range(_MOST_LENGTH_BYTES + 1):
            if start >= data.nbytes or group == _MOST_LENGTH_BYTES:
                raise DamagedVideo("has a unit with an impossible length")
            length |= (data[start] & 0x7F) << 7 * group
            start += 1
            if not data[start - 1] & 0x80:
                break
        if start + length > data.nbytes:
            raise DamagedVideo("has a unit that is cut off")
        yield _Unit(first >> 3 & 0xF, data[position : start + length], data[start : start + length])
        position = start + length


def _picture(reader: BitReader) -> PictureSize:
    """Read a sequence header up to the size."""
    expect("profile", reader.bits(3), 0)
    expect("still pictures:", reader.bits(1), 0)
    expect("reduced headers:", reader.bits(1), 0)
    expect("timing:", reader.bits(1), 0)
    display_delay = reader.bits(1)
    expect("operating points above the first:", reader.bits(5), 0)
    reader.bits(12)
    if reader.bits(5) > 7:
        reader.bits(1)  # the tier of a level above 3.3
    if display_delay and reader.bits(1):
        reader.bits(4)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    return PictureSize(reader.bits(width_bits) + 1, reader.bits(height_bits) + 1)
