# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check and decode compressed camera images: jpeg, png, tiff and webp.

A decoder allocates memory for the size in the header, so the header is read and the size checked against a limit before
decoding.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from neurosurgeon_ros.camera.encodings import PUBLISH_VIDEO, is_video
from neurosurgeon_ros.camera.images import MAX_BYTES, to_8_bits
from neurosurgeon_ros.camera.picture_headers import KINDS, MAX_TIFF_BYTES, TIFF, CompressedShape, read_header
from neurosurgeon_ros.codecs.picture import decode_bgr
from neurosurgeon_ros.robot.arrival import ImageRejected

# How each picture of an H.264 or H.265 video begins, see ITU-T H.264, annex B.
_START_CODE = b"\0\0\0\1"

# In the format of the messages of compressed_depth_image_transport.
_DEPTH = "compressedDepth"


def check_compressed(message: CompressedImage) -> CompressedShape:
    """
    Read a compressed image's header, regardless of its `format` field.

    :raises ImageRejected: if it is of no kind that is decoded, is cut off, is empty, or is too large once decoded.
    """
    data = memoryview(message.data)
    shape = read_header(data)
    if shape is None:
        raise ImageRejected(f"the compressed image {_what_it_is(message.format, data)}")
    if shape.width == 0 or shape.height == 0:
        raise ImageRejected(f"the {shape.kind} image is empty ({shape.width} x {shape.height} pixels)")
    decoded = 3 * shape.width * shape.height * shape.bits // 8
    most = MAX_TIFF_BYTES if shape.kind == TIFF else MAX_BYTES
    if decoded > most:
        raise ImageRejected(
            f"the {shape.kind} image has {shape.width} x {shape.height} pixels, {decoded} bytes once decoded; "
            f"at most {most} are accepted"
        )
    return shape


def _what_it_is(name: str, data: memoryview) -> str:
    """Return what an image is that is of no kind that is decoded, and what to do, as a predicate."""
    said = f", its format says {name!r}" if name else ""
    if is_video(name) or bytes(data[:4]) == _START_CODE:
        return f"is a packet of a video{said}: {PUBLISH_VIDEO}"
    if _DEPTH in name:
        return f"holds distances{said}, which are no picture: remap image_raw to the camera's picture"
    return f"is none of {', '.join(KINDS)}{said}: publish one of these"


def decode_compressed(message: CompressedImage, significant_bits: int = 0) -> NDArray[np.uint8]:
    """
    Decode a compressed image.

    :param significant_bits: how many of the 16 bits of a value the camera uses, from the lowest; 0: all.
    :returns: BGR, uint8, shape (height, width, 3), turned by the EXIF orientation as cv::imdecode does.
    :raises ImageRejected: see :func:`check_compressed`; also if the decoder rejects the image.
    """
    shape = check_compressed(message)
    data = memoryview(message.data)
    try:
        image = _decode_16_bits(data, significant_bits) if shape.bits == 16 else decode_bgr(data)
    except cv2.error as problem:
        raise ImageRejected(f"the {shape.kind} image could not be decoded: {problem.err}") from None
    sizes = ((shape.height, shape.width, 3), (shape.width, shape.height, 3))
    if image is None or image.shape not in sizes:
        raise ImageRejected(f"the {shape.kind} image could not be decoded: its data are damaged")
    return image


def _decode_16_bits(data: memoryview, significant_bits: int) -> NDArray[np.uint8] | None:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if pixels is None or pixels.dtype != np.uint16:
        return None
    return to_8_bits(np.asarray(pixels, dtype=np.uint16), significant_bits)


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
