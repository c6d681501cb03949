# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convert camera images of any encoding to BGR arrays.

cv_bridge converts the images that it handles correctly. It does not handle padded rows, missing bytes, or (in its
wheel) 16-bit, untyped and YUV encodings; this module unpacks and converts those. For the names of encodings see
sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cv_bridge import CvBridge
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from neurosurgeon_ros.robot.arrival import ImageRejected

#: The transports of images, named as in image_transport.
RAW, COMPRESSED = "raw", "compressed"
TRANSPORTS = (RAW, COMPRESSED)

#: Topic of the images before remapping.
IMAGE_TOPIC = "image_raw"

#: Maximum size of an accepted image in bytes, both as received and after decoding: 44 megapixels in colour.
MAX_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Encoding:
    """Memory layout of an encoding: channels per pixel, bytes per channel, and OpenCV's conversion if it has one."""

    channels: int
    size: int = 1
    conversion: int | None = None


# cv_bridge converts these to bgr8 itself.
_BY_CV_BRIDGE = {
    "mono8": _Encoding(1),
    "rgb8": _Encoding(3),
    "bgr8": _Encoding(3),
    "rgba8": _Encoding(4),
    "bgra8": _Encoding(4),
}

# ROS names a Bayer pattern by the first row from the left, OpenCV by the second row from the right.
_BY_OPENCV = {
    "8UC1": _Encoding(1, 1, cv2.COLOR_GRAY2BGR),
    "8UC3": _Encoding(3),
    "mono16": _Encoding(1, 2, cv2.COLOR_GRAY2BGR),
    "16UC1": _Encoding(1, 2, cv2.COLOR_GRAY2BGR),
    "bayer_rggb8": _Encoding(1, 1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": _Encoding(1, 1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": _Encoding(1, 1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": _Encoding(1, 1, cv2.COLOR_BayerGB2BGR),
    "yuv422": _Encoding(2, 1, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": _Encoding(2, 1, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": _Encoding(2, 1, cv2.COLOR_YUV2BGR_YUYV),
    "yuyv": _Encoding(2, 1, cv2.COLOR_YUV2BGR_YUYV),
}

#: All encodings that can be converted.
ENCODINGS = (*_BY_CV_BRIDGE, *_BY_OPENCV)

_BRIDGE = CvBridge()


def transport_topic(node: Node, transport: str) -> str:
    """Return the fully qualified topic of a transport. One remapping of `image_raw` moves all of them."""
    base: str = node.resolve_topic_name(IMAGE_TOPIC)
    return base if transport == RAW else f"{base}/{transport}"


def camera_info_topic(image_topic: str) -> str:
    """
    Return the topic of a camera's CameraInfo, which is next to its images, as in image_transport.

    >>> camera_info_topic("/front/image_raw")
    '/front/camera_info'
    """
    return f"{image_topic.rpartition('/')[0]}/camera_info"


def check_image(message: Image) -> None:
    """
    Check that an image's sizes are consistent, without reading its pixels.

    :raises ImageRejected: if the encoding is unknown, or sizes, step and data are not consistent.
    """
    encoding = _BY_CV_BRIDGE.get(message.encoding) or _BY_OPENCV.get(message.encoding)
    if encoding is None:
        raise ImageRejected(
            f"image encoding {message.encoding!r} cannot be converted: publish one of {', '.join(ENCODINGS)}"
        )
    if message.width == 0 or message.height == 0:
        raise ImageRejected(f"the image is empty ({message.width} x {message.height} pixels)")
    row = message.width * encoding.channels * encoding.size
    if message.step < row:
        raise ImageRejected(
            f"the image's step is {message.step} bytes, {message.width} pixels of {message.encoding} take {row}"
        )
    expected, given = message.step * message.height, len(message.data)
    if given < expected:
        raise ImageRejected(f"the image has {given} bytes of data, step x height is {expected}: it was cut off")
    if given > MAX_BYTES:
        raise ImageRejected(f"the image has {given} bytes, at most {MAX_BYTES} are accepted")
    if message.encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv") and message.width % 2:
        raise ImageRejected(f"the image is {message.width} pixels wide, {message.encoding} needs an even width")


def to_bgr(message: Image) -> NDArray[np.uint8]:
    """
    Convert an image to BGR.

    :returns: uint8, shape (height, width, 3); a view of the message's data if no conversion was needed.
    :raises ImageRejected: see :func:`check_image`.
    """
    check_image(message)
    encoding = _BY_CV_BRIDGE.get(message.encoding)
    try:
        if encoding is not None and message.step == message.width * encoding.channels:
            return np.asarray(_BRIDGE.imgmsg_to_cv2(message, "bgr8"), dtype=np.uint8)
        pixels = _pixels(message, encoding or _BY_OPENCV[message.encoding])
        return _convert(message.encoding, pixels)
    except (cv2.error, KeyError, TypeError, ValueError) as problem:
        raise ImageRejected(f"the {message.encoding} image could not be converted: {problem}") from None


def _pixels(message: Image, encoding: _Encoding) -> NDArray[Any]:
    """Return the pixels without row padding; shape (h, w) or (h, w, channels)."""
    rows = np.frombuffer(message.data, dtype=np.uint8, count=message.step * message.height)
    rows = rows.reshape(message.height, message.step)[:, : message.width * encoding.channels * encoding.size]
    if encoding.size == 2:
        order = ">" if message.is_bigendian else "<"
        return np.ascontiguousarray(rows).view(f"{order}u2")
    if encoding.channels == 1:
        return rows
    return rows.reshape(message.height, message.width, encoding.channels)


def _convert(name: str, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype.itemsize == 2:
        pixels = (pixels >> 8).astype(np.uint8)
    conversions = {
        "mono8": cv2.COLOR_GRAY2BGR,
        "rgb8": cv2.COLOR_RGB2BGR,
        "rgba8": cv2.COLOR_RGBA2BGR,
        "bgra8": cv2.COLOR_BGRA2BGR,
    }
    encoding = _BY_OPENCV.get(name)
    conversion = encoding.conversion if encoding is not None else conversions.get(name)
    pixels = np.ascontiguousarray(pixels)
    return pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion), dtype=np.uint8)


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
