# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read the headers of compressed images: jpeg, png, tiff and webp.

See ITU-T T.81 (jpeg), section B; the PNG specification, section 5; TIFF 6.0, section 2; RFC 9649 (webp), section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.camera.images import MAX_BYTES
from neurosurgeon_ros.codecs.jpeg_segments import BEGIN, END, SCAN, DamagedJpeg, segments
from neurosurgeon_ros.robot.arrival import ImageRejected

JPEG, PNG, TIFF, WEBP = "jpeg", "png", "tiff", "webp"

#: Maximum number of scans of a progressive jpeg; encoders make about ten.
MAX_SCANS = 64

#: Maximum of pixels times scans of a jpeg: a decoder passes over all pixels in each scan, which takes about a second
#: for twice as many.
MAX_SCANNED = 500_000_000

#: Maximum size of a tiff after decoding, bytes: 22 megapixels in colour. Its decoder takes three times as much, for a
#: strip with four values per pixel, and for turning the image.
MAX_TIFF_BYTES = MAX_BYTES // 2

# Start of frame: all markers from C0 to CF except the tables DHT and DAC, and the reserved JPG.
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}

# Tags of a tiff. The values are 16-bit or 32-bit numbers, by type.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT = (
    *(256, 257, 258, 259, 277, 278),
    *(322, 323, 339),
)
_READ = frozenset((_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT))
_NUMBERS = {3: "H", 4: "I"}
_MAX_ENTRIES = 512

# Compressions of a tiff: none, LZW, deflate by its two numbers, PackBits.
_TIFF_COMPRESSIONS = (1, 5, 8, 32946, 32773)

_ANIMATED = 0x02


@dataclass(frozen=True, slots=True)
class CompressedShape:
    """
    The contents of a compressed image's header.

    :param kind: one of :data:`KINDS`.
    :param width: number of pixels in a stored row; an orientation in the metadata may exchange it with the height.
    :param height: number of stored rows.
    :param bits: number of bits of a value: at most 8, or 16.
    """

    kind: str
    width: int
    height: int
    bits: int = 8


def read_header(data: memoryview) -> CompressedShape | None:
    """
    Return what an image's header says; None if the image is of no known kind.

    :raises ImageRejected: if the header is damaged or cut off, or what it announces is not supported.
    """
    return next((read(data) for begin, read in _READERS.items() if bytes(data[: len(begin)]) == begin), None)


def _jpeg_shape(data: memoryview) -> CompressedShape:
    """Walk over the segments up to the first scan, and check that an end marker follows it."""
    size = None
    try:
        for marker, position, length in segments(data):
            if marker in _START_OF_FRAME:
                if length < 8 or position + 9 > len(data):
                    break
                height, width = struct.unpack_from(">HH", data, position + 5)
                size = CompressedShape(JPEG, width, height)
            if marker == SCAN:
                if size is None:
                    raise ImageRejected("the jpeg image's header names no size")
                if _check_scans(bytes(data[position:]), size):
                    return size
                break
    except DamagedJpeg:
        raise ImageRejected("the jpeg image's header is damaged") from None
    raise _cut_off(JPEG, data)


def _check_scans(scans: bytes, size: CompressedShape) -> bool:
    """
    Return whether an end marker follows the scans.

    :raises ImageRejected: if the scans would take too long to decode.
    """
    if scans.rfind(END) < 0:
        return False
    count = scans.count(bytes((0xFF, SCAN)))
    if count > MAX_SCANS:
        raise ImageRejected(f"the jpeg image has over {MAX_SCANS} scans, each of which costs a pass over it")
    if count > 1 and count * size.width * size.height > MAX_SCANNED:
        raise ImageRejected(
            f"the jpeg image has {count} scans of {size.width} x {size.height} pixels, which take a second to "
            "decode: publish a baseline jpeg"
        )
    return True


def _png_shape(data: memoryview) -> CompressedShape:
    if len(data) < 33 or b"IEND" not in bytes(data[-16:]):
        raise _cut_off(PNG, data)
    if bytes(data[12:16]) != b"IHDR":
        raise ImageRejected("the png image's header is damaged")
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    return CompressedShape(PNG, width, height, 16 if bits == 16 else 8)


def _tiff_shape(data: memoryview) -> CompressedShape:
    """Read the directory of the first page, which is the one that is decoded."""
    tags = _tiff_tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageRejected("the tiff image's header names no size")
    width, height, samples = tags[_WIDTH][0], tags[_HEIGHT][0], tags.get(_SAMPLES, (1,))[0]
    bits, formats = {*tags.get(_BITS, (1,))}, {*tags.get(_FORMAT, (1,))}
    if formats != {1} or bits not in ({8}, {16}):
        held = "signed or floating-point" if formats != {1} else " and ".join(map(str, sorted(bits))) + "-bit"
        raise ImageRejected(f"the tiff image has {held} values: publish unsigned values of 8 or 16 bits")
    compression = tags.get(_COMPRESSION, (1,))[0]
    if compression not in _TIFF_COMPRESSIONS:
        raise ImageRejected(
            f"the tiff image has compression {compression}: publish it with deflate, LZW, PackBits or none"
        )
    # The decoder allocates memory for a strip or tile, whose size may exceed the image's.
    columns = tags.get(_TILE_WIDTH, (width,))[0]
    rows = tags[_TILE_HEIGHT][0] if _TILE_HEIGHT in tags else min(tags.get(_ROWS, (height,))[0], height)
    tile = 3 * columns * rows * max(bits) // 8
    if tile > MAX_TIFF_BYTES:
        raise ImageRejected(
            f"the tiff image has tiles of {columns} x {rows} pixels, {tile} bytes once decoded; at most "
            f"{MAX_TIFF_BYTES} are accepted"
        )
    if not 1 <= samples <= 4:
        raise ImageRejected(f"the tiff image has {samples} values per pixel: publish 1 to 4")
    return CompressedShape(TIFF, width, height, max(bits))


def _tiff_tags(data: memoryview) -> dict[int, tuple[int, ...]]:
    """Return the first directory's numbers by tag: up to four of each, of the tags that are read here."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    tags: dict[int, tuple[int, ...]] = {}
    try:
        (begin,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, begin)
        if entries > _MAX_ENTRIES:
            raise ImageRejected(f"the tiff image's header has {entries} entries, at most {_MAX_ENTRIES} are read")
        for position in range(begin + 2, begin + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, position)
            if tag not in _READ:
                continue
            if kind not in _NUMBERS or count == 0:
                raise ImageRejected("the tiff image's header is damaged")
            numbers = f"{order}{min(count, 4)}{_NUMBERS[kind]}"
            at = position + 8
            if count * struct.calcsize(_NUMBERS[kind]) > 4:
                (at,) = struct.unpack_from(f"{order}I", data, at)
            tags.setdefault(tag, struct.unpack_from(numbers, data, at))
    except struct.error:
        raise _cut_off(TIFF, data) from None
    return tags


def _webp_shape(data: memoryview) -> CompressedShape | None:
    if bytes(data[8:12]) != b"WEBP":
        return None
    if len(data) < 30 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise _cut_off(WEBP, data)
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        if data[20] & _ANIMATED:
            raise ImageRejected("the webp image is an animation: publish each image by itself")
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        raise ImageRejected("the webp image's header is damaged")
    return CompressedShape(WEBP, width, height)


def _cut_off(kind: str, data: memoryview) -> ImageRejected:
    return ImageRejected(f"the {kind} image has {len(data)} bytes and no end: it was cut off")


# By the first bytes. A tiff's say the order of its bytes.
_READERS: dict[bytes, Callable[[memoryview], CompressedShape | None]] = {
    BEGIN: _jpeg_shape,
    b"\x89PNG\r\n\x1a\n": _png_shape,
    b"II*\0": _tiff_shape,
    b"MM\0*": _tiff_shape,
    b"RIFF": _webp_shape,
}

#: Kinds of compressed images that are decoded, with what is read of each, for the documentation.
KINDS = {
    JPEG: "8 bit, baseline or progressive",
    PNG: "8 or 16 bit",
    TIFF: "8 or 16 bit, unsigned; no compression, deflate, LZW or PackBits; the first page",
    WEBP: "8 bit, lossy or lossless; a single image",
}
