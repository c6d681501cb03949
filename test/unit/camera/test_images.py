# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A scene in the usual encodings: correct colours with any padding; broken images are rejected with a reason."""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from neurosurgeon_ros.camera.encodings import ENCODINGS
from neurosurgeon_ros.camera.images import from_bgr, to_bgr
from neurosurgeon_ros.robot.arrival import ImageRejected

HEIGHT, WIDTH = 12, 16

SCENES = (
    *("mono8", "rgb8", "bgr8", "rgba8", "bgra8", "8UC1", "8UC3", "mono16", "16UC1"),
    *("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8", "yuv422", "uyvy", "yuv422_yuy2", "yuyv"),
)


def scene() -> NDArray[np.uint8]:
    """Return a BGR image: four quarters in plain colours, so that interpolation changes only their borders."""
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[:6, :8] = (200, 30, 40)
    image[:6, 8:] = (20, 180, 50)
    image[6:, :8] = (30, 60, 220)
    image[6:, 8:] = (240, 240, 240)
    return image


#: Centres of the quarters, away from their borders.
PATCHES = (
    (slice(2, 4), slice(2, 6)),
    (slice(2, 4), slice(10, 14)),
    (slice(8, 10), slice(2, 6)),
    (slice(8, 10), slice(10, 14)),
)


def bayer(bgr: NDArray[np.uint8], pattern: str) -> NDArray[np.uint8]:
    """Return what a sensor with this filter sees. The pattern is that of the first two rows, as ROS names it."""
    channel = {"b": 0, "g": 1, "r": 2}
    seen = np.empty(bgr.shape[:2], dtype=np.uint8)
    for index, letter in enumerate(pattern):
        row, column = divmod(index, 2)
        seen[row::2, column::2] = bgr[row::2, column::2, channel[letter]]
    return seen


def yuv(bgr: NDArray[np.uint8], order: str) -> NDArray[np.uint8]:
    """Return the image packed as 4:2:2, with u and v of every second pixel."""
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV).astype(float)
    # ITU-R BT.601 with the range 16 to 235, as cameras send it.
    b, g, r = (bgr[..., i].astype(float) for i in range(3))
    planes[..., 0] = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    planes[..., 1] = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    planes[..., 2] = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    chroma = np.empty(bgr.shape[:2])
    chroma[:, 0::2], chroma[:, 1::2] = planes[:, 0::2, 1], planes[:, 0::2, 2]
    pair = (chroma, planes[..., 0]) if order == "uyvy" else (planes[..., 0], chroma)
    return np.stack(pair, axis=-1).round().astype(np.uint8)


def grey(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def encode(bgr: NDArray[np.uint8], encoding: str, *, big: bool = False) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return pixels in this encoding, and the BGR image that they show."""
    shown = np.repeat(grey(bgr)[..., None], 3, axis=2)
    if encoding in ("mono8", "8UC1"):
        return grey(bgr), shown
    if encoding in ("mono16", "16UC1"):
        return (grey(bgr).astype(np.uint16) * 257).astype(">u2" if big else "<u2"), shown
    if encoding in ("bgr8", "8UC3"):
        return bgr, bgr
    if encoding == "rgb8":
        return bgr[..., ::-1], bgr
    if encoding in ("rgba8", "bgra8"):
        alpha = np.full((*bgr.shape[:2], 1), 7, dtype=np.uint8)
        return np.concatenate([bgr[..., ::-1] if encoding == "rgba8" else bgr, alpha], axis=2), bgr
    if encoding.startswith("bayer"):
        return bayer(bgr, encoding[6:10]), bgr
    return yuv(bgr, "uyvy" if encoding in ("yuv422", "uyvy") else "yuyv"), bgr


def message(pixels: NDArray[Any], encoding: str, *, padding: int = 0, big: bool = False) -> Image:
    """Return an image message whose rows are padded with bytes that no pixel has."""
    height, width = pixels.shape[:2]
    rows = np.frombuffer(np.ascontiguousarray(pixels).tobytes(), dtype=np.uint8).reshape(height, -1)
    rows = np.concatenate([rows, np.full((height, padding), 137, dtype=np.uint8)], axis=1)
    data = array.array("B", rows.tobytes())
    return Image(height=height, width=width, encoding=encoding, is_bigendian=int(big), step=rows.shape[1], data=data)


@pytest.mark.parametrize("padding", [0, 1, 5, 64])
@pytest.mark.parametrize("encoding", SCENES)
def test_colours_are_right_with_and_without_padded_rows(encoding: str, padding: int) -> None:
    pixels, shown = encode(scene(), encoding)
    converted = to_bgr(message(pixels, encoding, padding=padding))
    assert (converted.shape, converted.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    lossless = not encoding.startswith(("bayer", "yuv", "uyvy", "yuyv"))
    if lossless:
        assert np.array_equal(converted, shown)
    for rows, columns in PATCHES:
        difference = np.abs(converted[rows, columns].astype(int) - shown[rows, columns])
        assert difference.max() <= 4, (encoding, rows, columns)


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_the_order_of_bytes_is_followed(encoding: str, padding: int) -> None:
    pixels, shown = encode(scene(), encoding, big=True)
    assert np.array_equal(to_bgr(message(pixels, encoding, big=True, padding=padding)), shown)


@pytest.mark.parametrize("encoding", SCENES)
def test_a_truncated_image_is_rejected(encoding: str) -> None:
    image = message(encode(scene(), encoding)[0], encoding)
    for length in (0, 1, len(image.data) - 1):
        cut = Image(
            height=image.height, width=image.width, encoding=encoding, step=image.step, data=image.data[:length]
        )
        with pytest.raises(ImageRejected, match=rf"has {length} bytes .* cut off"):
            to_bgr(cut)


@pytest.mark.parametrize("encoding", SCENES)
def test_a_step_that_is_too_small_is_rejected(encoding: str) -> None:
    image = message(encode(scene(), encoding)[0], encoding)
    image.step -= 1
    with pytest.raises(ImageRejected, match=r"step is \d+ bytes.*: update the camera's driver"):
        to_bgr(image)


@pytest.mark.parametrize(
    "begin", ["ffd8ffe000104a464946", "ffd8ffe0001041564931", "ffd8ffe1123445786966", "ffd8ffdb0043"]
)
def test_a_jpeg_in_place_of_pixels_is_told(begin: str) -> None:
    """As usb_cam publishes it with the pixel format raw_mjpeg (its issue 389): the sizes are those of pixels."""
    data = bytes.fromhex(begin).ljust(3 * 16 * 12, b"\xd0")
    image = Image(height=12, width=16, encoding="rgb8", step=48, data=data)
    with pytest.raises(
        ImageRejected, match=r"the rgb8 image's data are a jpeg, not pixels: .* image_transport to compr"
    ):
        to_bgr(image)
    image.data = b"\xff\xd8\xff\xe0" + data[4:6] + bytes(4) + data[10:]
    if begin[6:8] == "e0":
        assert to_bgr(image).shape == (12, 16, 3), "pixels may begin in almost the same way"


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 16), (12, 0)])
def test_an_empty_image_is_rejected(height: int, width: int) -> None:
    with pytest.raises(ImageRejected, match="empty"):
        to_bgr(Image(height=height, width=width, encoding="bgr8", step=3 * width))


def test_sizes_that_no_camera_has_take_no_memory() -> None:
    huge = Image(height=2**32 - 1, width=2**32 - 1, encoding="bgr8", step=2**32 - 1, data=array.array("B", b"123"))
    with pytest.raises(ImageRejected):
        to_bgr(huge)
    huge.width = 1
    with pytest.raises(ImageRejected, match="cut off"):
        to_bgr(huge)


@given(
    encoding=st.sampled_from([*ENCODINGS, "nonsense"]),
    height=st.integers(0, 6),
    width=st.integers(0, 6),
    step=st.integers(0, 200),
    length=st.integers(0, 1300),
    big=st.booleans(),
)
def test_whatever_comes_is_converted_or_rejected(
    encoding: str, height: int, width: int, step: int, length: int, big: bool
) -> None:
    data = array.array("B", bytes(length))
    image = Image(height=height, width=width, encoding=encoding, step=step, is_bigendian=int(big), data=data)
    try:
        converted = to_bgr(image)
    except ImageRejected:
        return
    assert (converted.shape, converted.dtype) == ((height, width, 3), np.uint8)


def test_an_image_goes_out_as_it_is() -> None:
    header = Header(frame_id="camera")
    out = from_bgr(scene()[:, ::-1], header)
    assert (out.header.frame_id, out.encoding, out.step) == ("camera", "bgr8", 3 * WIDTH)
    assert np.array_equal(to_bgr(out), scene()[:, ::-1])
