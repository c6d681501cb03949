# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check an HEVC packet before a decoder reads it (ITU-T H.265, 7.3).

A key is one video, one sequence and one picture parameter set, and one slice of type I. Any other packet is one slice
of type P or I. A slice is a whole picture. All other units that an encoder writes are left out before sending.

A camera's packet is one picture in one or several slices, with whatever else its encoder writes. Slices may be of type
B, as some encoders write them in place of P; what matters is that no picture is shown later than it comes.
"""

from __future__ import annotations

from neurosurgeon_ros.codecs.streams.video.bits import (
    MOST_CAMERA_UNITS,
    BitReader,
    CameraPacket,
    DamagedVideo,
    PictureSize,
    expect,
    header,
    nal_units,
    sent_units,
)

_SLICES, _KEY_SLICES, _VIDEO, _SEQUENCE, _PICTURE = (0, 1), (19, 20), 32, 33, 34

# What a camera may write: keys that clean random access pictures are, and delimiter, ends, filler, information.
_CLEAN_ACCESS = 21
_REST = (35, 36, 37, 38, 39, 40)

#: Maximum number of pixels of all pictures that a decoder of a camera's video holds: level 5.1.
MOST_HELD_PIXELS = 6 * 8_912_896

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
    size, held = _picture(header(units[1], 2))
    if held > MOST_HELD:
        raise DamagedVideo(f"has {held} pictures to hold where at most {MOST_HELD} are expected")
    return size


class CameraReader:
    """Reads the headers of a camera's packets, in order. Its state is the last key's parameter set."""

    def __init__(self) -> None:
        self._written = b""

    def read(self, data: memoryview) -> CameraPacket:
        """
        Check that a packet is one picture that a decoder can hold.

        :raises DamagedVideo: the packet is anything else.
        """
        units = nal_units(data, MOST_CAMERA_UNITS, least_bytes=2)
        kinds = [kind(unit) for unit in units]
        keys = (*_KEY_SLICES, _CLEAN_ACCESS)
        slices = [unit for unit, one in zip(units, kinds, strict=True) if one in (*_SLICES, *keys)]
        other = {*kinds} - {*_SLICES, *keys, _VIDEO, _SEQUENCE, _PICTURE, *_REST}
        if other & {6, 7, 8, 9}:
            raise DamagedVideo("has B frames: let the camera's encoder write none")
        if other:
            raise DamagedVideo(f"has units of type {sorted(other)} where those of a plain picture are expected")
        # The second byte is the layer (0) and the temporal layer (0).
        if any(unit[0] & 0x81 or unit[1] != 1 for unit in units):
            raise DamagedVideo("has a unit of another layer")
        firsts = [bool(unit[2] & 0x80) if unit.nbytes > 2 else False for unit in slices]
        if not slices or len({kind(one) for one in slices}) > 1 or firsts != [True] + [False] * (len(firsts) - 1):
            raise DamagedVideo("has slices of several pictures, or not all of one")
        sets = [unit for unit, one in zip(units, kinds, strict=True) if one == _SEQUENCE]
        if kind(slices[0]) not in keys or not sets or not {_VIDEO, _PICTURE} <= {*kinds}:
            if any(bytes(one) != self._written for one in sets):
                raise DamagedVideo("has another sequence parameter set than the last key frame")
            return CameraPacket(None)
        if len(sets) > 1:
            raise DamagedVideo(f"has {len(sets)} sequence parameter sets where 1 is expected")
        size, held = _picture(header(sets[0], 2))
        if held > 16 or held * size.width * size.height > MOST_HELD_PIXELS:
            raise DamagedVideo(f"has {held} pictures to hold, too many for {size}")
        self._written = bytes(sets[0])
        return CameraPacket(size)


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


def _picture(reader: BitReader) -> tuple[PictureSize, int]:
    """Read a sequence parameter set up to the number of pictures that a decoder holds; return that and the size."""
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
    expect("reordered pictures:", reordered, 0)
    return PictureSize(width, height), held
