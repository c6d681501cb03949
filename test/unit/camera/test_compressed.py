# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images: decoded correctly, and errors reported before they are decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from picture_files import (
    BITS,
    COMPRESSION,
    FORMAT,
    ORIENTATION,
    ROWS,
    SAMPLES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TURNS,
    exif,
    extended_webp,
    tiff,
    turned_jpeg,
    turned_png,
)
from picture_files import HEIGHT as TALL
from picture_files import WIDTH as WIDE
from pictures import video_frame
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from neurosurgeon_ros.camera.compressed import CompressedShape, check_compressed, decode_compressed, to_compressed
from neurosurgeon_ros.camera.images import MAX_BYTES
from neurosurgeon_ros.robot.arrival import ImageRejected

IMAGE = video_frame(0)
HEIGHT, WIDTH = IMAGE.shape[:2]
DEEP = IMAGE.astype(np.uint16) * 257
#: No symmetric picture, with sides of different length.
SMALL = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
LOSSLESS = (cv2.IMWRITE_WEBP_QUALITY, 101)


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
        encoded("png", image=np.dstack((IMAGE, IMAGE[..., 0]))),
        encoded("tiff", image=IMAGE[..., 0]),
        encoded("tiff", image=DEEP[..., 0]),
        encoded("tiff", image=np.dstack((IMAGE, IMAGE[..., 0]))),
        encoded("webp", cv2.IMWRITE_WEBP_QUALITY, 80),
        encoded("webp", image=np.dstack((IMAGE, IMAGE[..., 0]))),
    ],
    ids=[
        *("progressive", "restarts", "padded", "grey jpeg", "grey png", "16 bit png", "png with alpha"),
        *("grey tiff", "16 bit grey tiff", "tiff with alpha", "lossy webp", "webp with alpha"),
    ],
)
def test_every_usual_form_is_taken(data: bytes) -> None:
    shape = check_compressed(message(data))
    assert (shape.width, shape.height) == (WIDTH, HEIGHT)
    assert decode_compressed(message(data)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "data",
    [
        encoded("png"),
        encoded("png", image=DEEP),
        encoded("tiff"),
        encoded("tiff", image=DEEP),
        encoded("tiff", cv2.IMWRITE_TIFF_COMPRESSION, 1),
        encoded("tiff", cv2.IMWRITE_TIFF_COMPRESSION, 8),
        encoded("tiff", cv2.IMWRITE_TIFF_COMPRESSION, 32773),
        tiff(IMAGE),
        tiff(IMAGE, order=">"),
        tiff(DEEP, order=">"),
        tiff(IMAGE, changes={FORMAT: ()}),
        tiff(IMAGE, pages=2),
        encoded("webp", *LOSSLESS),
        extended_webp(encoded("webp", *LOSSLESS), (WIDTH, HEIGHT)),
    ],
    ids=[
        *("png", "16 bit png", "tiff", "16 bit tiff", "plain tiff", "deflate", "packbits", "by hand", "big-endian"),
        *("16 bit big-endian", "without a format", "two pages", "webp", "extended webp"),
    ],
)
def test_what_is_without_loss_comes_back_bit_for_bit(data: bytes) -> None:
    assert np.array_equal(decode_compressed(message(data)), IMAGE)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bits_are_scaled_by_the_significant_ones(kind: str) -> None:
    values = np.array([[0, 512, 1023, 4095, 65535, 0]] * 2, dtype=np.uint16)
    shown = {0: [0, 2, 4, 16, 255, 0], 10: [0, 128, 255, 255, 255, 0], 12: [0, 32, 64, 255, 255, 0]}
    for bits, wanted in shown.items():
        decoded = decode_compressed(message(encoded(kind, image=values)), bits)
        assert decoded.tolist() == [[[one] * 3 for one in wanted]] * 2
    assert np.array_equal(decode_compressed(message(encoded(kind)), 10), IMAGE), "8 bits stay as they are"


@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_is_turned_by_its_orientation(orientation: int) -> None:
    turn = TURNS[orientation]
    for data in (
        turned_png(encoded("png", image=SMALL), orientation),
        turned_png(encoded("png", image=SMALL.astype(np.uint16) * 257), orientation),
        tiff(SMALL, changes={ORIENTATION: (orientation,)}),
        tiff(SMALL.astype(np.uint16) * 257, changes={ORIENTATION: (orientation,)}),
    ):
        assert np.array_equal(decode_compressed(message(data)), turn(SMALL))
    jpeg = encoded("jpg", cv2.IMWRITE_JPEG_QUALITY, 95)
    upright = decode_compressed(message(jpeg))
    assert np.array_equal(decode_compressed(message(turned_jpeg(jpeg, orientation))), turn(upright))


def test_a_webp_is_turned_where_imdecode_turns_it() -> None:
    """OpenCV 4.14 turns it, and OpenCV 4.10 does not."""
    chunk = b"EXIF" + struct.pack("<I", len(exif(6))) + exif(6)
    data = extended_webp(encoded("webp", *LOSSLESS, image=SMALL), (6, 4), flags=0x08, more=chunk)
    decoded = decode_compressed(message(data))
    assert np.array_equal(decoded, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    assert any(np.array_equal(decoded, expected) for expected in (SMALL, TURNS[6](SMALL)))


def test_what_the_video_node_makes_is_read_again() -> None:
    header = Header(frame_id="camera")
    made = to_compressed(IMAGE, header, quality=95)
    assert made.header == header and "jpeg" in made.format
    assert check_compressed(made) == CompressedShape("jpeg", WIDTH, HEIGHT)
    assert np.abs(decode_compressed(made).astype(int) - IMAGE).mean() < 4


def tiff_with_entries(count: int) -> bytes:
    """Return a tiff whose directory claims this many entries."""
    data = bytearray(tiff(SMALL))
    struct.pack_into("<H", data, struct.unpack_from("<I", data, 4)[0], count)
    return bytes(data)


def with_size(data: bytes, kind: str, width: int, height: int) -> bytes:
    """Replace the size in a header."""
    if kind == "png":
        return data[:16] + struct.pack(">II", width, height) + data[24:]
    place = data.index(b"\xff\xc0")
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "none of jpeg, png, tiff, webp, its format says 'jpeg'"),
        (b"GIF89a" + bytes(100), "none of jpeg, png, tiff, webp"),
        (
            b"\0\0\0\1\x67\x42" + bytes(100),
            "is a packet of a video, its format says 'jpeg': .* set image_transport",
        ),
        (b"RIFF" + bytes(100), "none of jpeg"),
        (b"II+\0" + bytes(100), "none of jpeg"),
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
        (encoded("tiff")[:-200], "cut off"),
        (encoded("tiff")[:6], "cut off"),
        (tiff(IMAGE)[:-1000], "cut off"),
        (tiff(IMAGE, changes={WIDE: ()}), "names no size"),
        (tiff(IMAGE, changes={WIDE: (0,)}), "empty"),
        (tiff(IMAGE, changes={WIDE: (2**31,), ROWS: (1,)}), "tiles of 2147483648 x 1 pixels"),
        (tiff(IMAGE, changes={WIDE: (100_000,), TALL: (100_000,), ROWS: (1,)}), "100000 x 100000 pixels"),
        (tiff(IMAGE, changes={TALL: (HEIGHT + 1,), ROWS: (HEIGHT + 1,)}), "its data are damaged"),
        (tiff(IMAGE, changes={TILE_WIDTH: (16000,), TILE_HEIGHT: (16000,)}), "tiles of 16000 x 16000 pixels"),
        (tiff(IMAGE, changes={SAMPLES: (200,)}), "200 values per pixel: publish 1 to 4"),
        (tiff(IMAGE, changes={BITS: (32,) * 3}), "32-bit values: publish unsigned values of 8 or 16 bits"),
        (tiff(IMAGE, changes={BITS: (8, 16, 8)}), "8 and 16-bit values"),
        (tiff(IMAGE, changes={FORMAT: (3,) * 3}), "signed or floating-point values"),
        (encoded("tiff", image=IMAGE[..., 0].astype(np.float32)), "floating-point"),
        (tiff(IMAGE, changes={COMPRESSION: (34892,)}), "compression 34892: publish it with deflate"),
        (tiff_with_entries(513), "513 entries, at most 512"),
        (encoded("webp")[:-200], "cut off"),
        (encoded("webp")[:20], "cut off"),
        (encoded("webp").replace(b"VP8", b"VP9", 1), "header is damaged"),
        (extended_webp(encoded("webp"), (16384, 16384)), "16384 x 16384 pixels"),
        (extended_webp(encoded("webp"), (WIDTH + 1, HEIGHT)), "damaged"),
        (extended_webp(encoded("webp"), (WIDTH, HEIGHT), flags=2), "animation"),
        (encoded("webp", *LOSSLESS)[:40] + bytes(len(encoded("webp", *LOSSLESS)) - 40), "damaged"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(data: bytes, said: str) -> None:
    with pytest.raises(ImageRejected, match=said):
        decode_compressed(message(data, "jpeg"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("h264", "is a packet of a video, its format says 'h264': publish it as foxglove_msgs/CompressedVideo"),
        ("H265", "is a packet of a video"),
        ("16UC1; compressedDepth png", "holds distances, .* remap image_raw to the camera's picture"),
        ("h2645", "is none of jpeg"),
    ],
)
def test_what_is_no_single_picture_is_told_by_its_format(name: str, said: str) -> None:
    with pytest.raises(ImageRejected, match=said):
        decode_compressed(message(bytes(100), name))


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
    for kind in ("jpg", "png", "tiff", "webp"):
        data = tiff(SMALL) if kind == "tiff" else encoded(kind)
        whole = np.frombuffer(data, np.uint8)
        for _ in range(300):
            damaged = whole[: random.integers(2, len(whole) + 1)].copy()
            places = random.integers(2, min(len(damaged), 700) + 1, size=4) - 1
            damaged[places] = random.integers(0, 256, size=4)
            try:
                shape = check_compressed(message(damaged.tobytes()))
            except ImageRejected:
                continue
            assert 0 < shape.width * shape.height * 3 <= MAX_BYTES
