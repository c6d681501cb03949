# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check an H.264 packet before a decoder reads it (ITU-T H.264, 7.3).

A key is one sequence parameter set, one picture parameter set and one slice of type I. Any other packet is one slice of
type P or I. A slice is a whole picture. All other units that an encoder writes are left out before sending.

A camera's packet is one picture in one or several slices of type P or I, with whatever else its encoder writes. A key
has its parameter sets.
"""

from __future__ import annotations

from dataclasses import dataclass

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

_SLICE, _KEY_SLICE, _SEQUENCE, _PICTURE = 1, 5, 7, 8
# What else a camera may write: supplemental information, delimiter, ends, filler.
_REST = (6, 9, 10, 11, 12)

#: Maximum number of reference pictures, each of which takes memory.
MOST_REFERENCES = 4

#: Maximum number of pixels of all reference pictures of a camera's video: level 5.2.
MOST_REFERENCE_PIXELS = 184320 * 256

# Profiles: baseline, main, high. Only the last one states its chroma format and bit depth.
_PROFILES, _HIGH = (66, 77, 100), 100
# Slice types: P and I, each also as the type of all slices of the picture.
_INTRA, _PREDICTED, _BIDIRECTIONAL = (2, 7), (0, 5), (1, 6)


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
    if not key:
        return None
    found_set = _read_set(header(units[0], 1))
    if found_set.references > MOST_REFERENCES:
        raise DamagedVideo(
            f"has {found_set.references} reference pictures where at most {MOST_REFERENCES} are expected"
        )
    return found_set.size


class CameraReader:
    """Reads the headers of a camera's packets, in order. Its state is the last key's parameter set."""

    def __init__(self) -> None:
        self._set: _ParameterSet | None = None
        self._written = b""
        self._number: int | None = None

    def read(self, data: memoryview) -> CameraPacket:
        """
        Check that a packet is one picture that a decoder can hold.

        :raises DamagedVideo: the packet is anything else, or a picture that it builds on is missing.
        """
        units = nal_units(data, MOST_CAMERA_UNITS, least_bytes=1)
        kinds = [kind(unit) for unit in units]
        slices = [unit for unit, one in zip(units, kinds, strict=True) if one in (_SLICE, _KEY_SLICE)]
        other = {*kinds} - {_SLICE, _KEY_SLICE, _SEQUENCE, _PICTURE, *_REST}
        if other or any(unit[0] & 0x80 for unit in units):
            raise DamagedVideo(f"has units of type {sorted(other)} where those of a plain picture are expected")
        if not slices or len({kind(one) for one in slices}) > 1:
            raise DamagedVideo(f"has {len(slices)} slices where those of one picture are expected")
        is_key_slice = kind(slices[0]) == _KEY_SLICE
        sets = [unit for unit, one in zip(units, kinds, strict=True) if one == _SEQUENCE]
        is_key = is_key_slice and bool(sets) and _PICTURE in kinds
        if is_key:
            if len(sets) > 1:
                raise DamagedVideo(f"has {len(sets)} sequence parameter sets where 1 is expected")
            self._set, self._written, self._number = _read_set(header(sets[0], 1)), bytes(sets[0]), None
            if self._set.references * self._set.size.width * self._set.size.height > MOST_REFERENCE_PIXELS:
                raise DamagedVideo(f"has {self._set.references} reference pictures, too many for {self._set.size}")
        elif any(bytes(one) != self._written for one in sets):
            raise DamagedVideo("has another sequence parameter set than the last key frame")
        self._check_slices(slices, _INTRA if is_key_slice else _PREDICTED + _INTRA)
        return CameraPacket(self._set.size if is_key and self._set else None)

    def _check_slices(self, slices: list[memoryview], types: tuple[int, ...]) -> None:
        before, numbers = -1, set()
        for unit in slices:
            reader = header(unit, 1)
            first = reader.exp_golomb()
            if first <= before or (before < 0 and first):
                raise DamagedVideo("has slices of several pictures, or not all of one")
            before, of_type = first, reader.exp_golomb()
            if of_type in _BIDIRECTIONAL:
                raise DamagedVideo("has B frames: let the camera's encoder write none")
            expect("slice type", of_type, *types)
            reader.exp_golomb()  # identifier of the picture parameter set
            if self._set is not None:
                numbers.add(reader.bits(self._set.number_bits))
        if len(numbers) > 1:
            raise DamagedVideo("has slices of several pictures, or not all of one")
        self._follow(numbers, is_reference=bool(slices[0][0] & 0x60), is_key=kind(slices[0]) == _KEY_SLICE)

    def _follow(self, numbers: set[int], *, is_reference: bool, is_key: bool) -> None:
        """Check that no reference picture is missing before a picture, by its frame number (7.4.3)."""
        if self._set is None or not numbers:
            return
        (number,), before = numbers, self._number
        if not is_key and before is not None and number not in (before, (before + 1) % 2**self._set.number_bits):
            raise DamagedVideo(f"is frame {number}, but the last one was {before}, so one before it was lost")
        if is_reference:
            self._number = number


@dataclass(frozen=True, slots=True)
class _ParameterSet:
    """
    What is read of a sequence parameter set.

    :param size: size of the pictures.
    :param references: number of reference pictures.
    :param number_bits: number of bits of a frame number.
    """

    size: PictureSize
    references: int
    number_bits: int


def _check_slice(reader: BitReader, types: tuple[int, ...]) -> None:
    expect("first macroblock", reader.exp_golomb(), 0)
    expect("slice type", reader.exp_golomb(), *types)


def _read_set(reader: BitReader) -> _ParameterSet:
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
    number_bits = reader.exp_golomb() + 4
    if number_bits > 16:
        raise DamagedVideo(f"has frame numbers of {number_bits} bits where at most 16 are expected")
    order = reader.exp_golomb()
    expect("picture order", order, 0, 2)
    if order == 0:
        reader.exp_golomb()  # bits of the picture order
    references = reader.exp_golomb()
    if references > 16:
        raise DamagedVideo(f"has {references} reference pictures where at most 16 are expected")
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
    return _ParameterSet(PictureSize(width, height), references, number_bits)
