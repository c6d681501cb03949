# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The encodings of raw images, and what was probably meant by a name that is none of them.

The names are those of sensor_msgs/image_encodings.hpp, and `nv12`, which libcamera and Jetson cameras publish. The
table in docs/topics.md is written from :data:`ENCODINGS` (`make docs`).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

#: Maximum number of significant bits of a value.
MAX_BITS = 16


@dataclass(frozen=True, slots=True)
class Encoding:
    """
    Memory layout of an encoding, and how it becomes BGR.

    :param channels: number of values per pixel; in the first plane, if there are two.
    :param kind: type of a value, as NumPy names it without a byte order: u1, u2, f4, f8.
    :param conversion: OpenCV's conversion of uint8 values to BGR; None if they are BGR already, or for YUV 4:4:4.
    :param even: the image's width, and height, must be multiples of these.
    :param chroma: how many pixels of a row share a pair of values in the second plane; 0: there is only one plane.
    :param meaning: meaning of the values, for the documentation.
    """

    channels: int
    kind: str
    conversion: int | None
    meaning: str
    even: tuple[int, int] = (1, 1)
    chroma: int = 0

    @property
    def size(self) -> int:
        """Return the number of bytes of a value."""
        return int(self.kind[1:])


_GREY_ALPHA = "grey with alpha, which is not used"
_UNIT = "values in [0, 1], clipped; NaN is 0"

_GREY = Encoding(1, "u1", cv2.COLOR_GRAY2BGR, "grey")
_TWO = Encoding(2, "u1", cv2.COLOR_GRAY2BGR, _GREY_ALPHA)
_BGR = Encoding(3, "u1", None, "colour")
_RGB = Encoding(3, "u1", cv2.COLOR_RGB2BGR, "colour")
_BGRA = Encoding(4, "u1", cv2.COLOR_BGRA2BGR, "colour with alpha, which is not used")
_RGBA = Encoding(4, "u1", cv2.COLOR_RGBA2BGR, "colour with alpha, which is not used")
_UYVY = Encoding(2, "u1", cv2.COLOR_YUV2BGR_UYVY, "YUV 4:2:2, U first", even=(2, 1))
_YUYV = Encoding(2, "u1", cv2.COLOR_YUV2BGR_YUYV, "YUV 4:2:2, Y first", even=(2, 1))


def _bayer(conversion: int) -> Encoding:
    return Encoding(1, "u1", conversion, "Bayer pattern")


def _wide(encoding: Encoding) -> Encoding:
    return replace(encoding, kind="u2", meaning=f"{encoding.meaning}; see `significant_bits`")


def _float(encoding: Encoding, kind: str) -> Encoding:
    return replace(encoding, kind=kind, meaning=f"{encoding.meaning.partition(',')[0]}, {_UNIT}")


# ROS names a Bayer pattern by the first row from the left, OpenCV by the second row from the right.
_EIGHT_BITS = {
    "mono8": _GREY,
    "8UC1": _GREY,
    "8UC2": _TWO,
    "bgr8": _BGR,
    "8UC3": _BGR,
    "rgb8": _RGB,
    "bgra8": _BGRA,
    "8UC4": _BGRA,
    "rgba8": _RGBA,
    "bayer_rggb8": _bayer(cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": _bayer(cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": _bayer(cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": _bayer(cv2.COLOR_BayerGB2BGR),
}

#: All encodings that can be converted, by name.
ENCODINGS = {
    **_EIGHT_BITS,
    **{re.sub("^8|8$", "16", name): _wide(encoding) for name, encoding in _EIGHT_BITS.items()},
    **{
        f"{bits}FC{channels}": _float(encoding, kind)
        for bits, kind in ((32, "f4"), (64, "f8"))
        for channels, encoding in ((1, _GREY), (3, _BGR), (4, _BGRA))
    },
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Encoding(1, "u1", cv2.COLOR_YUV2BGR_NV12, "YUV 4:2:0, planes Y and UV", even=(2, 2), chroma=2),
    "nv21": Encoding(1, "u1", cv2.COLOR_YUV2BGR_NV21, "YUV 4:2:0, planes Y and VU", even=(2, 2), chroma=2),
    "nv24": Encoding(1, "u1", None, "YUV 4:4:4, planes Y and UV", chroma=1),
}

# Names of other interfaces (V4L2, GStreamer, FFmpeg) and habits, and the encoding that they mean.
_ALIASES = {
    "bgr": "bgr8",
    "bgr24": "bgr8",
    "rgb": "rgb8",
    "rgb24": "rgb8",
    "bgra": "bgra8",
    "bgra32": "bgra8",
    "rgba": "rgba8",
    "rgba32": "rgba8",
    "mono": "mono8",
    "gray": "mono8",
    "grey": "mono8",
    "gray8": "mono8",
    "grey8": "mono8",
    "y8": "mono8",
    "gray16": "mono16",
    "grey16": "mono16",
    "y16": "mono16",
    "yuy2": "yuyv",
    "yuyv422": "yuyv",
    "uyvy422": "uyvy",
    "yuv420sp": "nv12",
    **{f"{order}{bits}": f"bayer_{order}{bits}" for order in ("rggb", "bggr", "gbrg", "grbg") for bits in ("8", "16")},
}

_COMPRESSED = frozenset(("jpeg", "jpg", "mjpeg", "mjpg", "png", "tiff", "tif", "webp"))

# Names of videos, as drivers write them into the fields `encoding` and `format`.
_VIDEO = re.compile(r"(h\.?26[45]|hevc|avc1?|av1|theora|vp[89])\b", re.IGNORECASE)

#: What to do about a video in a message for single images.
PUBLISH_VIDEO = "publish it as foxglove_msgs/CompressedVideo (h264, h265 or av1), and set image_transport to foxglove"

# By bytes per pixel.
_GUESSES = {
    1: "mono8 or a Bayer pattern such as bayer_rggb8",
    2: "mono16, yuyv or uyvy",
    3: "bgr8 or rgb8",
    4: "bgra8 or rgba8",
    6: "bgr16 or rgb16",
    8: "bgra16 or rgba16",
    12: "32FC3",
}

# OpenCV's types, and those of them that hold no picture.
_CV_TYPE = re.compile(r"(8|16|32|64)[USF]C\d*", re.IGNORECASE)
_SIGNED = re.compile(r"(8|16|32)SC[1-4]?")
_FLOW = re.compile(r"(32|64)FC2")


def why_unknown(message: Image) -> str:
    """Return why an image whose encoding is none of :data:`ENCODINGS` is rejected, and what was probably meant."""
    name = message.encoding
    if not name:
        guess = _guess(message)
        suggestion = f" ({guess})" if guess else ""
        return f"the image names no encoding{suggestion}: let the camera's driver set the field encoding"
    begin = f"image encoding {name!r}"
    if _SIGNED.fullmatch(name) or _FLOW.fullmatch(name):
        held = "signed numbers, such as disparities" if "S" in name else "two numbers per pixel, such as optical flow"
        return f"{begin} holds {held}, which are no picture: remap image_raw to the camera's picture"
    if is_video(name):
        return f"{begin} is a packet of a video: {PUBLISH_VIDEO}"
    if name.lower() in _COMPRESSED:
        return f"{begin} is compressed: publish a sensor_msgs/CompressedImage, and set image_transport to compressed"
    meant = _meant(name)
    if meant:
        return f"{begin} is unknown: did you mean {meant}?"
    return f"{begin} cannot be converted: publish bgr8, rgb8, mono8 or another encoding of docs/topics.md"


def is_video(name: str) -> bool:
    """Return whether an encoding or a format names a video."""
    return _VIDEO.match(name) is not None


def _guess(message: Image) -> str:
    """Return what the sizes of an image without an encoding suggest; empty if nothing."""
    per_pixel = message.step // message.width if message.width else 0
    luma = message.step * message.height
    if per_pixel == 1 and len(message.data) in (3 * luma // 2, 3 * luma):
        return f"{len(message.data)} bytes suggest {'nv12 or nv21' if len(message.data) == 3 * luma // 2 else 'nv24'}"
    suggested = _GUESSES.get(per_pixel)
    return f"{per_pixel} byte{'s' * (per_pixel > 1)} per pixel suggest {suggested}" if suggested else ""


def _meant(name: str) -> str:
    """Return the encoding that a name probably stands for; empty if there is none."""
    plain = {_plain(one): one for one in (*_ALIASES, *ENCODINGS)}
    found = plain.get(_plain(name), "")
    if not found and not _CV_TYPE.fullmatch(name):
        near = difflib.get_close_matches(name.lower(), ENCODINGS, cutoff=0.75)
        found = next((one for one in near if _digits(one) == _digits(name)), "")
    return _ALIASES.get(found, found)


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
