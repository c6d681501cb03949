# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convert camera images of any encoding to BGR arrays, see :mod:`neurosurgeon_ros.camera.encodings`.

cv_bridge converts the images that it handles correctly. It does not handle padded rows, missing bytes, images of the
other byte order with NumPy 2, or (in its wheel) 16-bit, untyped, floating-point and YUV encodings; OpenCV converts
those, from a view of the message's data.
"""

from __future__ import annotations

import array
import re
import sys
from typing import Any

import cv2
import numpy as np
from cv_bridge import CvBridge
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from neurosurgeon_ros.camera.encodings import ENCODINGS, MAX_BITS, Encoding, why_unknown
from neurosurgeon_ros.robot.arrival import ImageRejected

#: Maximum size of an accepted image in bytes, both as received and after decoding: 44 megapixels in colour.
MAX_BYTES = 128 * 1024 * 1024


# cv_bridge converts these to bgr8 itself.
_BY_CV_BRIDGE = frozenset(("mono8", "rgb8", "bgr8", "rgba8", "bgra8"))

# YUV to BGR by ITU-R BT.601 with the range 16 to 235, as in OpenCV's conversions of the other YUV encodings.
_YUV_TO_BGR = np.array([[1.164, 2.018, 0.0], [1.164, -0.391, -0.813], [1.164, 0.0, 1.596]])
_YUV_TO_BGR = np.column_stack((_YUV_TO_BGR, -_YUV_TO_BGR @ (16, 128, 128)))

# How a jpeg begins, with a camera's usual first segments. Some drivers publish it as pixels (usb_cam issue 389). That
# pixels begin so is out of the question: it is 6 bytes or more.
_JPEG = re.compile(rb"\xff\xd8\xff(?:\xe0..(?:JFIF|AVI1)|\xe1..Exif|\xdb\0[\x43\x84])", re.DOTALL)
_JPEG_BEGIN = 10

# Number of rows that are converted at once, where OpenCV needs a copy of them.
_ROWS = 64

_BRIDGE = CvBridge()


def camera_info_topic(image_topic: str) -> str:
    """
    Return the topic of a camera's CameraInfo, which is next to its images, as in image_transport.

    >>> camera_info_topic("/front/image_raw")
    '/front/camera_info'
    """
    return f"{image_topic.rpartition('/')[0]}/camera_info"


def check_image(message: Image) -> Encoding:
    """
    Check that an image's sizes are consistent, without reading its pixels.

    :returns: the image's encoding.
    :raises ImageRejected: if the encoding is unknown, or sizes, step and data are not consistent.
    """
    name = message.encoding
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ImageRejected(why_unknown(message))
    width, height, step = message.width, message.height, message.step
    if width == 0 or height == 0:
        raise ImageRejected(f"the image is empty ({width} x {height} pixels)")
    row = width * encoding.channels * encoding.size
    if step < row:
        raise ImageRejected(
            f"the image's step is {step} bytes, {width} pixels of {name} take {row}: update the camera's driver, or "
            "choose another pixel format in it"
        )
    for side, what, multiple in zip((width, height), ("wide", "high"), encoding.even, strict=True):
        if side % multiple:
            raise ImageRejected(
                f"the image is {side} pixels {what}, {name} needs an even {'width' if what == 'wide' else 'height'}: "
                "crop it by one pixel"
            )
    expected, given = step * height + _chroma_bytes(message, encoding), len(message.data)
    if given < expected:
        product = "step x height" if not encoding.chroma else "step x height of both planes"
        raise ImageRejected(f"the image has {given} bytes of data, {product} is {expected}: it was cut off")
    if _JPEG.match(memoryview(message.data)[:_JPEG_BEGIN]):
        raise ImageRejected(
            f"the {name} image's data are a jpeg, not pixels: choose another pixel format in the camera's driver, or "
            "let it publish a sensor_msgs/CompressedImage, and set image_transport to compressed"
        )
    most = max(given, 3 * width * height)
    if most > MAX_BYTES:
        raise ImageRejected(f"the image has {most} bytes, received or as BGR; at most {MAX_BYTES} are accepted")
    return encoding


def to_bgr(message: Image, significant_bits: int = 0) -> NDArray[np.uint8]:
    """
    Convert an image to BGR.

    :param significant_bits: how many of the 16 bits of a value the camera uses, from the lowest; 0: all.
    :returns: uint8, shape (height, width, 3); a view of the message's data if no conversion was needed.
    :raises ImageRejected: see :func:`check_image`.
    """
    encoding = check_image(message)
    try:
        if _suits_cv_bridge(message, encoding):
            return np.asarray(_BRIDGE.imgmsg_to_cv2(message, "bgr8"), dtype=np.uint8)
        return _convert(message, encoding, significant_bits)
    except (cv2.error, KeyError, TypeError, ValueError) as problem:
        raise ImageRejected(f"the {message.encoding} image could not be converted: {problem}") from None


def to_8_bits(pixels: NDArray[np.uint16], significant_bits: int = 0) -> NDArray[np.uint8]:
    """
    Scale 16-bit values to 8 bits and round them, as cv_bridge does.

    :param significant_bits: 2 to the power of this minus 1 becomes 255, and so does any value above; 0: 16.
    """
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=255.0 / (2 ** (significant_bits or MAX_BITS) - 1)))


def _suits_cv_bridge(message: Image, encoding: Encoding) -> bool:
    """Return whether every cv_bridge converts an image correctly, with NumPy 1 and 2."""
    return (
        message.encoding in _BY_CV_BRIDGE
        and message.step == message.width * encoding.channels
        and bool(message.is_bigendian) == (sys.byteorder == "big")
    )


def _chroma_bytes(message: Image, encoding: Encoding) -> int:
    """Return the size of the second plane. Its rows are as long as the first's for 4:2:0, twice as long for 4:4:4."""
    if not encoding.chroma:
        return 0
    return int(2 * message.step * message.height // encoding.chroma**2)


def _convert(message: Image, encoding: Encoding, significant_bits: int) -> NDArray[np.uint8]:
    width, height, step = message.width, message.height, message.step
    order = ">" if message.is_bigendian else "<"
    values = _plane(message.data, order + encoding.kind, (height, width, encoding.channels), step)
    if encoding.chroma:
        shared = encoding.chroma
        pairs = _plane(message.data, "u1", (height // shared, width // shared, 2), 2 * step // shared, step * height)
        if encoding.conversion is not None:
            return np.asarray(cv2.cvtColorTwoPlane(values, pairs, encoding.conversion), dtype=np.uint8)
        return _from_yuv_444(values, pairs)
    if encoding.kind == "u2":
        values = to_8_bits(np.require(values, np.uint16, ("C", "A")), significant_bits)
    elif encoding.kind != "u1":
        # fmax and fmin return the other argument for NaN.
        values = np.fmax(values, 0.0)
        values = np.asarray(cv2.convertScaleAbs(np.fmin(values, 1.0, out=values), alpha=255.0))
    if encoding.conversion is None:
        return np.ascontiguousarray(values)
    if encoding.conversion == cv2.COLOR_GRAY2BGR and encoding.channels > 1:
        values = np.asarray(cv2.extractChannel(values, 0))
    return np.asarray(cv2.cvtColor(values, encoding.conversion), dtype=np.uint8)


def _from_yuv_444(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a few rows at a time, because OpenCV needs the three values of a pixel side by side."""
    bgr = np.empty((*luma.shape, 3), dtype=np.uint8)
    for begin in range(0, len(luma), _ROWS):
        rows = slice(begin, begin + _ROWS)
        cv2.transform(cv2.merge((luma[rows], *cv2.split(chroma[rows]))), _YUV_TO_BGR, dst=bgr[rows])
    return bgr


def _plane(data: Any, kind: str, shape: tuple[int, int, int], step: int, begin: int = 0) -> NDArray[Any]:
    """Return a view of the pixels without the rows' padding; shape (h, w), or (h, w, channels) if there are several."""
    channels, dtype = shape[2], np.dtype(kind)
    strides = (step, channels * dtype.itemsize, dtype.itemsize)
    given = 2 if channels == 1 else 3
    return np.ndarray(shape[:given], dtype, data, begin, strides[:given])


def from_bgr(image: NDArray[np.uint8], header: object) -> Image:
    """
    Make a bgr8 image message.

    :param image: uint8, shape (h, w, 3).
    :param header: the message's header.
    """
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width)
    if isinstance(header, Header):
        message.header = header
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data)
    message.data = data
    return message
