# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check an HEVC packet before a decoder reads it (ITU-T H.265, 7.3).

A key is one video, one sequence and one picture parameter set, and one slice of type I. Any other packet is one slice
of type P or I. A slice is a whole picture. All other units that an encoder writes are left out before sending.
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

_SLICES, _KEY_SLICES, _VIDEO, _SEQUENCE, _PICTURE = (0, 1), (19, 20), 32, 33, 34

#: Maximum number of pictures that a decoder holds, the current one included.
MOST_HELD = 6

_MAIN_PROFILE = 1
_PREDICTED, _INTRA = 1, 2


def kind(unit: memoryview) -> int:
    """Return the type of a unit."""
    return unit[0] >> 1 & 0x3F


def sent(packet: memoryview) -> memoryview:
    """
    Return the parts of an encoder's packet that are sent; it is a view of the packet if that is all of it.

    :raises DamagedVideo: the packet is no byte stream.
    """
    return sent_units(packet, lambda unit: kind(unit) in (*_SLICES, *_KEY_SLICES, _VIDEO, _SEQUENCE, _PICTURE))


def check(data: memoryview, *, key: bool) -> PictureSize | None:
    """
    Check that a packet is one picture that a decoder can hold.

    :returns: the size of a key's picture; None for another packet.
    :raises DamagedVideo: the packet is anything else.
    """
    units = nal_units(data, 4)
    found, sets = [kind(unit) for unit in units], [_VIDEO, _SEQUENCE, _PICTURE] if key else []
    if found[:-1] != sets or found[-1] not in (_KEY_SLICES if key else _SLICES):
        raise DamagedVideo(f"has units of type {found} where {'a key is' if key else 'one slice is'} expected")
    # The second byte is the layer (0) and the temporal layer (0).
    if any(unit[0] & 0x81 or unit[1] != 1 for unit in units):
        raise DamagedVideo("has a unit of another layer")
    _check_slice(header(units[-1], 2), key)
    if not key:
        return None
    _check_picture_set(header(units[2], 2))
    return _picture(header(units[1], 2))


def _check_slice(reader: BitReader, key: bool) -> None:
    expect("first slice of a picture", reader.bits(1), 1)
    if key:
        reader.bits(1)  # whether earlier pictures are shown
    reader.exp_golomb()  # identifier of the picture parameter set
    expect("slice type", reader.exp_golomb(), *((_INTRA,) if key else (_PREDICTED, _INTRA)))


def _check_picture_set(reader: BitReader) -> None:
    """Check that a slice's type is where :func:`_check_slice` reads it."""
    reader.exp_golomb()
    reader.exp_golomb()  # identifiers
    expect("slices that depend on others", reader.bits(1), 0)
    expect("pictures that are not shown", reader.bits(1), 0)
    expect("extra bits of a slice", reader.bits(3), 0)


def _picture(reader: BitReader) -> PictureSize:
    """Read a sequence parameter set up to the number of pictures that a decoder holds."""
    reader.bits(4)  # identifier of the video parameter set
    expect("sub-layers above the first:", reader.bits(3), 0)
    reader.bits(1)
    expect("profile space and tier", reader.bits(3), 0)
    expect("profile", reader.bits(5), _MAIN_PROFILE)
    reader.bits(32 + 48 + 8)  # compatibility, constraints, level
    reader.exp_golomb()  # identifier
    expect("chroma format", reader.exp_golomb(), 1)
    width, height = reader.exp_golomb(), reader.exp_golomb()
    if reader.bits(1):
        left, right, top, bottom = (2 * reader.exp_golomb() for _ in range(4))
        # An encoder fills the last coding blocks of a row and of a column, and nothing else.
        if left or top or right > 62 or bottom > 62:
            raise DamagedVideo(f"has a picture cropped by {left}, {right}, {top} and {bottom} pixels")
        width, height = width - right, height - bottom
    expect("bits of luma above 8:", reader.exp_golomb(), 0)
    expect("bits of chroma above 8:", reader.exp_golomb(), 0)
    reader.exp_golomb()  # bits of the picture order
    reader.bits(1)
    held, reordered = reader.exp_golomb() + 1, reader.exp_golomb()
    if held > MOST_HELD:
        raise DamagedVideo(f"has {held} pictures to hold where at most {MOST_HELD} are expected")
    expect("reordered pictures:", reordered, 0)
    return PictureSize(width, height)
