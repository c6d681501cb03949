# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every encoding of sensor_msgs/image_encodings: the right values, or one sentence that says what was meant."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest
from encoded_images import HEIGHT, NO_PICTURES, PICTURES, WIDTH, encoded
from sensor_msgs.msg import Image

from neurosurgeon_ros.camera.encodings import ENCODINGS
from neurosurgeon_ros.camera.images import MAX_BYTES, check_image, to_bgr
from neurosurgeon_ros.robot.arrival import ImageRejected

PLANAR = ("nv12", "nv21", "nv24")


def image(values: Any, encoding: str, kind: str, **fields: int) -> Image:
    """Return an image message of one row of values per row of pixels."""
    rows = np.array(values, dtype=f"<{kind}")
    made = Image(height=rows.shape[0], encoding=encoding, step=rows.nbytes // rows.shape[0], **fields)
    made.data = array.array("B", rows.tobytes())
    return made


def test_every_picture_is_converted_and_nothing_else() -> None:
    assert sorted(ENCODINGS) == sorted(PICTURES)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 1, 5, 64])
@pytest.mark.parametrize("encoding", PICTURES)
def test_the_values_are_right(encoding: str, padding: int, big: bool) -> None:
    given = encoded(encoding)
    converted = to_bgr(given.message(padding=padding, big=big))
    assert (converted.shape, converted.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert converted.flags.c_contiguous
    difference = np.abs(converted.astype(int) - given.shown)
    assert difference.max() <= (0 if given.exact else 1)


@pytest.mark.parametrize("encoding", PICTURES)
def test_longer_data_are_taken_and_shorter_are_rejected(encoding: str) -> None:
    message = encoded(encoding).message()
    data = message.data
    message.data = data + array.array("B", b"\x89" * 13)
    difference = np.abs(to_bgr(message).astype(int) - encoded(encoding).shown)
    assert difference.max() <= 1
    message.data = data[:-1]
    with pytest.raises(ImageRejected, match=rf"has {len(data) - 1} bytes of data, step x height.* is {len(data)}: it"):
        check_image(message)
    message.step -= 1
    with pytest.raises(ImageRejected, match="step is"):
        check_image(message)


@pytest.mark.parametrize(
    ("bits", "shown"),
    [
        (0, (0, 0, 2, 4, 16, 255)),
        (16, (0, 0, 2, 4, 16, 255)),
        (12, (0, 8, 32, 64, 255, 255)),
        (10, (0, 32, 128, 255, 255, 255)),
        (8, (0, 127, 255, 255, 255, 255)),
        (1, (0, 255, 255, 255, 255, 255)),
    ],
)
@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "rgb16", "16UC4", "16UC2"])
def test_16_bits_are_scaled_by_the_significant_ones(encoding: str, bits: int, shown: tuple[int, ...]) -> None:
    values = np.repeat([[0, 127, 512, 1023, 4095, 65535]], ENCODINGS[encoding].channels, axis=1)
    converted = to_bgr(image(values, encoding, "u2", width=6), bits)
    assert converted.tolist() == [[[one] * 3 for one in shown]]


def test_a_bayer_pattern_of_12_bits_is_scaled_and_8_bits_are_not() -> None:
    mosaic = 2 * [[3200, 1600] * 2, [1600, 160] * 2]
    assert to_bgr(image(mosaic, "bayer_rggb16", "u2", width=4), 12)[0, 1].tolist() == [10, 100, 199]
    assert to_bgr(image([[60, 200]], "mono8", "u1", width=2), 4).tolist() == [[[60] * 3, [200] * 3]]


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_floats_are_clipped_to_the_unit_range_and_nan_is_0(kind: str) -> None:
    values = [[np.nan, np.inf, -np.inf, -0.4, 0.0, 0.25, 1.0, 1e30]]
    name = {"f4": "32FC1", "f8": "64FC1"}[kind]
    converted = to_bgr(image(values, name, kind, width=8))
    assert converted[0, :, 0].tolist() == [0, 255, 0, 0, 0, 64, 255, 255]


@pytest.mark.parametrize(
    ("encoding", "width", "height", "said"),
    [
        ("nv12", 3, 2, "3 pixels wide, nv12 needs an even width"),
        ("nv12", 4, 3, "3 pixels high, nv12 needs an even height"),
        ("nv21", 5, 5, "5 pixels wide, nv21 needs an even width"),
        ("uyvy", 3, 3, "3 pixels wide, uyvy needs an even width"),
    ],
)
def test_sizes_that_cannot_hold_shared_colours_are_rejected(encoding: str, width: int, height: int, said: str) -> None:
    message = Image(width=width, height=height, step=16, encoding=encoding, data=bytes(200))
    with pytest.raises(ImageRejected, match=said):
        to_bgr(message)


def test_odd_sizes_are_taken_where_no_pixels_share_colours() -> None:
    for encoding in set(PICTURES) - {"nv12", "nv21", "uyvy", "yuv422", "yuyv", "yuv422_yuy2"}:
        message = Image(width=5, height=3, step=163, encoding=encoding, data=bytes(163 * 9))
        assert to_bgr(message).shape == (3, 5, 3), encoding


@pytest.mark.parametrize("encoding", PLANAR)
def test_a_missing_second_plane_is_told(encoding: str) -> None:
    message = encoded(encoding).message()
    message.data = message.data[: message.step * message.height]
    with pytest.raises(ImageRejected, match="has 16 bytes of data, step x height of both planes is .*cut off"):
        to_bgr(message)


def test_an_image_that_grows_too_large_takes_no_memory() -> None:
    height, width = 6000, 8000
    message = Image(height=height, width=width, step=width, encoding="mono8")
    message._data = memoryview(np.zeros(height * width, dtype=np.uint8))  # type: ignore[assignment]
    with pytest.raises(ImageRejected, match=f"has {3 * height * width} bytes, received or as BGR; at most {MAX_BYTES}"):
        check_image(message)


@pytest.mark.parametrize("encoding", NO_PICTURES)
def test_what_is_no_picture_is_told(encoding: str) -> None:
    held = "signed numbers" if "S" in encoding else "two numbers per pixel"
    with pytest.raises(ImageRejected, match=f"encoding '{encoding}' holds {held}, .* remap image_raw"):
        check_image(Image(encoding=encoding, width=4, height=4, step=128, data=bytes(512)))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *((name.upper(), name) for name in PICTURES if name.upper() != name),
        *((name.lower(), name) for name in PICTURES if name.lower() != name),
        ("Bgr-8", "bgr8"),
        ("rgb", "rgb8"),
        ("gray", "mono8"),
        ("YUY2", "yuyv"),
        ("Y16", "mono16"),
        ("RGGB16", "bayer_rggb16"),
        ("bayer_rgb8", "bayer_rggb8"),
        ("yuv_422_yuy2", "yuv422_yuy2"),
    ],
)
def test_a_name_that_is_almost_right_is_guessed(given: str, meant: str) -> None:
    with pytest.raises(ImageRejected) as raised:
        check_image(Image(encoding=given, width=4, height=4, step=12, data=bytes(48)))
    assert str(raised.value) == f"image encoding {given!r} is unknown: did you mean {meant}?"


@pytest.mark.parametrize("given", ["nonsense", "8UC5", "yuv420", "16UC", "8UC12"])
def test_a_name_that_means_nothing_gets_no_guess(given: str) -> None:
    with pytest.raises(ImageRejected, match=f"'{given}' cannot be converted: publish bgr8, rgb8, mono8 or another enc"):
        check_image(Image(encoding=given, width=4, height=4, step=12, data=bytes(48)))


@pytest.mark.parametrize("given", ["jpeg", "MJPG", "png"])
def test_a_compressed_image_on_the_raw_topic_is_told(given: str) -> None:
    with pytest.raises(ImageRejected, match=f"encoding '{given}' is compressed: .* image_transport to compressed"):
        check_image(Image(encoding=given, width=4, height=4, step=12, data=bytes(48)))


@pytest.mark.parametrize("given", ["h264", "H265", "HEVC", "h.264", "theora", "av1"])
def test_a_video_on_the_raw_topic_is_told(given: str) -> None:
    with pytest.raises(ImageRejected, match=f"encoding '{given}' is a packet of a video: .* image_transport to foxgl"):
        check_image(Image(encoding=given, width=4, height=4, step=12, data=bytes(48)))


@pytest.mark.parametrize(
    ("step", "length", "guess"),
    [
        (4, 16, " (1 byte per pixel suggest mono8 or a Bayer pattern such as bayer_rggb8)"),
        (4, 24, " (24 bytes suggest nv12 or nv21)"),
        (4, 48, " (48 bytes suggest nv24)"),
        (8, 32, " (2 bytes per pixel suggest mono16, yuyv or uyvy)"),
        (13, 52, " (3 bytes per pixel suggest bgr8 or rgb8)"),
        (16, 64, " (4 bytes per pixel suggest bgra8 or rgba8)"),
        (48, 192, " (12 bytes per pixel suggest 32FC3)"),
        (0, 0, ""),
        (100, 400, ""),
    ],
)
def test_a_missing_encoding_is_guessed_from_the_sizes(step: int, length: int, guess: str) -> None:
    with pytest.raises(ImageRejected) as raised:
        check_image(Image(width=4, height=4, step=step, data=bytes(length)))
    assert str(raised.value) == f"the image names no encoding{guess}: let the camera's driver set the field encoding"


def test_bgr8_is_not_copied() -> None:
    message = encoded("bgr8").message()
    assert np.shares_memory(to_bgr(message), np.frombuffer(message.data, dtype=np.uint8))
