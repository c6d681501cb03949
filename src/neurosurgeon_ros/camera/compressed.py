# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check and decode compressed camera images, jpeg and png.

A decoder allocates memory for the size in the header, so the header is read and the size checked against a limit before
decoding. See ITU-T T.81 (jpeg), section B, and the PNG specification, section 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from neurosurgeon_ros.camera.images import MAX_BYTES
from neurosurgeon_ros.codecs.jpeg_segments import BEGIN, END, SCAN, DamagedJpeg, segments
from neurosurgeon_ros.codecs.picture import decode_bgr
from neurosurgeon_ros.robot.arrival import ImageRejected

JPEG, PNG = "jpeg", "png"

#: Maximum number of scans of a progressive jpeg; encoders make about ten.
MAX_SCANS = 64

#: Maximum of pixels times scans of a jpeg: a decoder passes over all pixels in each scan, which takes about a second
#: for twice as many.
MAX_SCANNED = 500_000_000

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"

# Start of frame: all markers from C0 to CF except the tables DHT and DAC, and the reserved JPG.
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class CompressedShape:
    """The contents of a compressed image's header: its kind, "jpeg" or "png", and its size in pixels."""

    kind: str
    width: int
    height: int


def check_compressed(message: CompressedImage) -> CompressedShape:
    """
    Read a compressed image's header, regardless of its `format` field.

    :raises ImageRejected: if it is neither jpeg nor png, is cut off, is empty, or is too large once decoded.
    """
    data = memoryview(message.data)
    if bytes(data[:2]) == BEGIN:
        shape = _jpeg_shape(data)
    elif bytes(data[:8]) == _PNG_BEGIN:
        shape = _png_shape(data)
    else:
        said = f", its format says {message.format!r}" if message.format else ""
        raise ImageRejected(f"the compressed image is neither jpeg nor png{said}: publish one of the two")
    if shape.width == 0 or shape.height == 0:
        raise ImageRejected(f"the {shape.kind} image is empty ({shape.width} x {shape.height} pixels)")
    decoded = 3 * shape.width * shape.height
    if decoded > MAX_BYTES:
        raise ImageRejected(
            f"the {shape.kind} image has {shape.width} x {shape.height} pixels, {decoded} bytes once decoded; "
            f"at most {MAX_BYTES} are accepted"
        )
    return shape


def decode_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """
    Decode a compressed image.

    :returns: BGR, uint8, shape (height, width, 3), as encoded: an orientation in the metadata is ignored.
    :raises ImageRejected: see :func:`check_compressed`; also if the decoder rejects the image.
    """
    shape = check_compressed(message)
    try:
        image = decode_bgr(memoryview(message.data))
    except cv2.error as problem:
        raise ImageRejected(f"the {shape.kind} image could not be decoded: {problem.err}") from None
    if image is None or image.shape != (shape.height, shape.width, 3):
        raise ImageRejected(f"the {shape.kind} image could not be decoded: its data are damaged")
    return image


def to_compressed(image: NDArray[np.uint8], header: Header, *, quality: int = 90) -> CompressedImage:
    """
    Make a jpeg message.

    :param image: BGR, uint8, shape (h, w, 3).
    :param quality: quality of the jpeg, 1 to 100.
    """
    done, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise ValueError(f"an image of shape {image.shape} could not be encoded as jpeg")
    message = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8")
    message.data.frombytes(data.tobytes())
    return message


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
    raise ImageRejected(f"the jpeg image has {len(data)} bytes and no end: it was cut off")


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
        raise ImageRejected(f"the png image has {len(data)} bytes and no end: it was cut off")
    if bytes(data[12:16]) != b"IHDR":
        raise ImageRejected("the png image's header is damaged")
    width, height = struct.unpack_from(">II", data, 16)
    return CompressedShape(PNG, width, height)
