# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check an H.264 packet before a decoder reads it (ITU-T H.264, 7.3).

A key is one sequence parameter set, one picture parameter set and one slice of type I. Any other packet is one slice of
type P or I. A slice is a whole picture. All other units that an encoder writes are left out before sending.
"""

from __future__ import annotations

from neurosurgeon_ros.codecs.streams.video.bits import (
    BitReader,
    DamagedVideo,
    PictureSize,
    expect,
    header,
    nal_units,
    sent_units,
)

_SLICE, _KEY_SLICE, _SEQUENCE, _PICTURE = 1, 5, 7, 8

#: Maximum number of reference pictures, each of which takes memory.
MOST_REFERENCES = 4

# Profiles: baseline, main, high. Only the last one states its chroma format and bit depth.
_PROFILES, _HIGH = (66, 77, 100), 100
# Slice types: P and I, each also as the type of all slices of the picture.
_INTRA, _PREDICTED = (2, 7), (0, 5)


def kind(unit: memoryview) -> int:
    """Return the type of a unit."""
    return unit[0] & 0x1F


def sent(packet: memoryview) -> memoryview:
    """
    Return the parts of an encoder's packet that are sent; it is a view of the packet if that is all of it.

    :raises DamagedVideo: the packet is no byte stream.
    """
    return sent_units(packet, lambda unit: kind(unit) in (_SLICE, _KEY_SLICE, _SEQUENCE, _PICTURE))


def check(data: memoryview, *, key: bool) -> PictureSize | None:
    """
    Check that a packet is one picture that a decoder can hold.

    :returns: the size of a key's picture; None for another packet.
    :raises DamagedVideo: the packet is anything else.
    """
    units = nal_units(data, 3)
    expected = [_SEQUENCE, _PICTURE, _KEY_SLICE] if key else [_SLICE]
    found = [kind(unit) for unit in units]
    if found != expected or any(unit[0] & 0x80 for unit in units):
        raise DamagedVideo(f"has units of type {found} where {expected} are expected")
    _check_slice(header(units[-1], 1), _INTRA if key else _PREDICTED + _INTRA)
    return _picture(header(units[0], 1)) if key else None


def _check_slice(reader: BitReader, types: tuple[int, ...]) -> None:
    expect("first macroblock", reader.exp_golomb(), 0)
    expect("slice type", reader.exp_golomb(), *types)


def _picture(reader: BitReader) -> PictureSize:
    """Read a sequence parameter set up to the size."""
    profile = reader.bits(8)
    expect("profile", profile, *_PROFILES)
    reader.bits(16)  # constraints and level
    reader.exp_golomb()  # identifier
    if profile == _HIGH:
        expect("chroma format", reader.exp_golomb(), 1)
        expect("bits of luma above 8:", reader.exp_golomb(), 0)
        expect("bits of chroma above 8:", reader.exp_golomb(), 0)
        reader.bits(1)  # lossless transform bypass, which this profile does not have
        expect("scaling matrix", reader.bits(1), 0)
    reader.exp_golomb()  # bits of the frame number
    order = reader.exp_golomb()
    expect("picture order", order, 0, 2)
    if order == 0:
        reader.exp_golomb()  # bits of the picture order
    references = reader.exp_golomb()
    if references > MOST_REFERENCES:
        raise DamagedVideo(f"has {references} reference pictures where at most {MOST_REFERENCES} are expected")
    expect("gaps in frame numbers", reader.bits(1), 0)
    width, height = 16 * (reader.exp_golomb() + 1), 16 * (reader.exp_golomb() + 1)
    expect("frames only", reader.bits(1), 1)
    reader.bits(1)  # direct inference, for B slices
    if reader.bits(1):
        left, right, top, bottom = (2 * reader.exp_golomb() for _ in range(4))
        # An encoder fills the last macroblocks of a row and of a column, and nothing else.
        if left or top or right > 14 or bottom > 14:
            raise DamagedVideo(f"has a picture cropped by {left}, {right}, {top} and {bottom} pixels")
        width, height = width - right, height - bottom
    return PictureSize(width, height)
