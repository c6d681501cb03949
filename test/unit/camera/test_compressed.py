# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images: decoded correctly, and errors reported before they are decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from pictures import video_frame
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from neurosurgeon_ros.camera.compressed import CompressedShape, check_compressed, decode_compressed, to_compressed
from neurosurgeon_ros.camera.images import MAX_BYTES
from neurosurgeon_ros.robot.arrival import ImageRejected

IMAGE = video_frame(0)
HEIGHT, WIDTH = IMAGE.shape[:2]


def encoded(kind: str, *options: int, image: np.ndarray = IMAGE) -> bytes:
    return bytes(cv2.imencode(f".{kind}", image, options)[1])


def message(data: bytes, form: str = "") -> CompressedImage:
    made = CompressedImage(format=form)
    made.data.frombytes(data)
    return made


def test_png_comes_back_bit_for_bit_and_jpeg_as_its_decoder_gives_it() -> None:
    assert np.array_equal(decode_compressed(message(encoded("png"), "bgr8; png compressed bgr8")), IMAGE)
    data = encoded("jpg")
    assert np.array_equal(decode_compressed(message(data, "jpeg")), cv2.imdecode(np.frombuffer(data, np.uint8), 1))


@pytest.mark.parametrize(
    "data",
    [
        encoded("jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encoded("jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
        encoded("jpg") + bytes(100),
        encoded("jpg", image=IMAGE[..., 0]),
        encoded("png", image=IMAGE[..., 0]),
        encoded("png", image=(IMAGE[..., 0].astype(np.uint16) << 8)),
    ],
    ids=["progressive", "restarts", "padded", "grey jpeg", "grey png", "16 bit png"],
)
def test_every_usual_form_is_taken(data: bytes) -> None:
    shape = check_compressed(message(data))
    assert (shape.width, shape.height) == (WIDTH, HEIGHT)
    assert decode_compressed(message(data)).shape == (HEIGHT, WIDTH, 3)


def test_what_the_video_node_makes_is_read_again() -> None:
    header = Header(frame_id="camera")
    made = to_compressed(IMAGE, header, quality=95)
    assert made.header == header and "jpeg" in made.format
    assert check_compressed(made) == CompressedShape("jpeg", WIDTH, HEIGHT)
    assert np.abs(decode_compressed(made).astype(int) - IMAGE).mean() < 4


def with_size(data: bytes, kind: str, width: int, height: int) -> bytes:
    """Replace the size in a header."""
    if kind == "png":
        return data[:16] + struct.pack(">II", width, height) + data[24:]
    place = data.index(b"\xff\xc0")
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "neither jpeg nor png"),
        (b"GIF89a" + bytes(100), "neither jpeg nor png"),
        (encoded("jpg")[:-200], "cut off"),
        (encoded("jpg")[:30], "cut off"),
        (b"\xff\xd8", "cut off"),
        (encoded("png")[:-200], "cut off"),
        (encoded("png")[:20], "cut off"),
        (b"\xff\xd8\x00\x01\x02\x03\xff\xd9", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00\xff\xd9", "damaged"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "names no size"),
        (with_size(encoded("jpg"), "jpg", 65535, 65535), "65535 x 65535"),
        (with_size(encoded("png"), "png", 2**31 - 1, 2**31 - 1), "at most"),
        (with_size(encoded("png"), "png", 0, 10), "empty"),
        (with_size(encoded("jpg"), "jpg", 10, 0), "empty"),
        (encoded("png")[:60] + bytes(200) + encoded("png")[-16:], "damaged"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(data: bytes, said: str) -> None:
    with pytest.raises(ImageRejected, match=said):
        decode_compressed(message(data, "jpeg"))


def test_many_scans_are_taken_of_small_pictures_alone() -> None:
    """A decoder processes every pixel in each scan, however few bytes the scan has."""
    done, data = cv2.imencode(".jpg", IMAGE, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert done
    plain = data.tobytes()
    many = plain[:-2] + 3 * plain[plain.rindex(b"\xff\xda") : -2] + plain[-2:]
    assert check_compressed(message(many)) == CompressedShape("jpeg", WIDTH, HEIGHT)
    place = many.index(b"\xff\xc2")
    large = many[: place + 5] + struct.pack(">HH", 7500, 5900) + many[place + 9 :]
    with pytest.raises(ImageRejected, match="13 scans of 5900 x 7500 pixels"):
        check_compressed(message(large))


def test_no_bytes_bring_down_the_reader() -> None:
    random = np.random.default_rng(0)
    for kind in ("jpg", "png"):
        whole = np.frombuffer(encoded(kind), np.uint8)
        for _ in range(300):
            damaged = whole[: random.integers(2, len(whole) + 1)].copy()
            places = random.integers(2, min(len(damaged), 700) + 1, size=4) - 1
            damaged[places] = random.integers(0, 256, size=4)
            try:
                shape = check_compressed(message(damaged.tobytes()))
            except ImageRejected:
                continue
            assert 0 < shape.width * shape.height * 3 <= MAX_BYTES
