# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Video packets that are not one picture of the stream, or that would cost far more than their size suggests."""

from __future__ import annotations

import dataclasses
import re
import zlib
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, TensorSpec, get_stream_codec
from neurosurgeon_ros.codecs.streams.video.camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video.image import ImageVideo, ImageVideoDecoder

av = pytest.importorskip("av", reason="the video codecs need PyAV")

SIDE = 64
NAME = "h264-ultrafast-crf20"
CAMERA = "camera-h264-ultrafast-crf20"
HEVC, AV1 = "camera-hevc-ultrafast-crf26", "camera-av1-preset10-crf35"
SPEC = TensorSpec("image", (1, 3, SIDE, SIDE), "uint8", channels_last=True)


def image(shift: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Return noise without fine detail, moved to the right."""
    noise = np.random.default_rng(0).integers(0, 256, (side // 4, side // 4 + 4, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (side + 16, side), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(wide[:, shift : shift + side], dtype=np.uint8)


def camera_packets(name: str, count: int = 3, side: int = SIDE) -> list[bytes]:
    """Return a key and what follows it, with the byte of the size."""
    codec = get_stream_codec(name)
    assert isinstance(codec, CameraVideo)
    encoder = codec.encoder(SPEC)
    return [bytes(encoder.carry(CameraImage(image(i, side)), key=i == 0).data)[4:] for i in range(count)]


def x264(count: int = 5, side: int = SIDE, **settings: str) -> list[bytes]:
    """Return the packets of x264 with other settings, without supplemental information."""
    context = av.CodecContext.create("libx264", "w")
    context.width = context.height = side
    context.pix_fmt = settings.pop("pix_fmt", "yuv420p")
    context.time_base, context.thread_count = Fraction(1, 25), 1
    context.color_range, context.colorspace = int(settings.pop("color_range", 2)), 6
    context.options = {"preset": "veryfast", "crf": "20", **settings}
    frames = [av.VideoFrame.from_ndarray(image(i, side), "bgr24") for i in range(count)]
    packets = [packet for frame in frames for packet in context.encode(frame)] + context.encode(None)
    return [without_information(bytes(packet)) for packet in packets]


def without_information(data: bytes) -> bytes:
    units = re.split(rb"\x00?\x00\x00\x01", data)[1:]
    return b"".join(b"\0\0\1" + unit for unit in units if unit[0] & 0x1F != 6)


class Bits:
    """Writes bit fields."""

    def __init__(self) -> None:
        self.text = ""

    def bits(self, count: int, value: int) -> Bits:
        self.text += f"{value:0{count}b}"
        return self

    def number(self, value: int) -> Bits:
        """Write an unsigned Exp-Golomb number."""
        digits = f"{value + 1:b}"
        self.text += "0" * (len(digits) - 1) + digits
        return self

    def payload(self) -> bytes:
        whole = self.text + "1"
        whole += "0" * (-len(whole) % 8)
        return int(whole, 2).to_bytes(len(whole) // 8, "big")

    def unit(self, header: bytes) -> bytes:
        """Return a unit of H.264 or HEVC."""
        payload = self.payload()
        return b"\0\0\1" + header + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", payload)


def h264_set(
    *,
    profile: int = 66,
    macroblocks: int = SIDE // 16,
    references: int = 1,
    order: int = 2,
    gaps: int = 0,
    frames_only: int = 1,
    crop: tuple[int, ...] = (),
    chroma: int = 1,
    depth: int = 0,
    matrix: int = 0,
) -> bytes:
    """Return a sequence parameter set."""
    written = Bits().bits(8, profile).bits(8, 0).bits(8, 30).number(0)
    if profile == 100:
        written.number(chroma).number(depth).number(depth).bits(1, 0).bits(1, matrix)
    written.number(0).number(order).number(references).bits(1, gaps)
    written.number(macroblocks - 1).number(macroblocks - 1).bits(1, frames_only).bits(1, 1).bits(1, bool(crop))
    for side in crop:
        written.number(side)
    return written.bits(1, 0).unit(b"\x67")


def hevc_set(
    *, side: int = SIDE, profile: int = 1, depth: int = 0, chroma: int = 1, held: int = 2, reorder: int = 0
) -> bytes:
    """Return a sequence parameter set."""
    written = Bits().bits(4, 0).bits(3, 0).bits(1, 1).bits(3, 0).bits(5, profile).bits(88, 0).number(0)
    written.number(chroma).number(side).number(side).bits(1, 0).number(depth).number(depth).number(4).bits(1, 1)
    return written.number(held - 1).number(reorder).number(0).unit(b"\x42\x01")


def with_set(key: bytes, other: bytes, kind: int, shift: int) -> bytes:
    """Return a key with another parameter set of a kind in place of its own."""
    units = re.split(rb"\x00?\x00\x00\x01", key)[1:]
    mask = 0x1F if not shift else 0x3F
    return b"".join(other if unit[0] >> shift & mask == kind else b"\0\0\1" + unit for unit in units)


def sealed(name: str, data: bytes, before: int = 0) -> EncodedTensor:
    """Return an encoded tensor whose checksum is right, as from somebody who knows how."""
    whole = zlib.crc32(data, before).to_bytes(4, "little") + data
    return EncodedTensor("image", "uint8", SPEC.shape, name, memoryview(whole))


def decode(data: bytes, *, key: bool, decoder: ImageVideoDecoder | None = None) -> ImageVideoDecoder:
    codec = get_stream_codec(NAME)
    assert isinstance(codec, ImageVideo)
    decoder = decoder or codec.decoder(SPEC)
    decoder.decode(sealed(NAME, data, 0 if key else decoder.checksum), key=key)
    return decoder


def decode_camera(name: str, data: bytes, *, key: bool) -> None:
    codec = get_stream_codec(name)
    assert isinstance(codec, CameraVideo)
    codec.decoder(SPEC).image(sealed(name, data), key=key)


@pytest.fixture(scope="module")
def good() -> list[bytes]:
    return [packet[1:] for packet in camera_packets(CAMERA)]


@pytest.fixture
def never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosurgeon_ros.codecs.streams.video import pictures

    monkeypatch.setattr(pictures.PictureDecoder, "decode", lambda *_: pytest.fail("FFmpeg was given it"))


def test_the_packets_of_this_test_are_good(good: list[bytes]) -> None:
    decoder = decode(good[0], key=True)
    for packet in good[1:]:
        decode(packet, key=False, decoder=decoder)
    decode(x264(tune="zerolatency")[0], key=True)


BAD_SETS = {
    "a huge picture": (h264_set(macroblocks=2**16), "which is not the size of this stream"),
    "a picture of another size": (h264_set(macroblocks=8), "which is not the size of this stream"),
    "an odd crop": (h264_set(crop=(1, 0, 0, 0)), "cropped by"),
    "a crop that hides a large picture": (
        h264_set(macroblocks=2**15, crop=(0, 2**18 - 32, 0, 2**18 - 32)),
        "cropped by",
    ),
    "an extended profile": (h264_set(profile=88), "profile 88"),
    "a 4:4:4 profile": (h264_set(profile=244), "profile 244"),
    "4:2:2": (h264_set(profile=100, chroma=2), "chroma format 2"),
    "ten bits": (h264_set(profile=100, depth=2), "bits of luma above 8: 2"),
    "a scaling matrix": (h264_set(profile=100, matrix=1), "scaling matrix 1"),
    "sixteen references": (h264_set(references=16), "16 reference pictures"),
    "gaps in frame numbers": (h264_set(gaps=1), "gaps in frame numbers 1"),
    "fields": (h264_set(frames_only=0), "frames only 0"),
    "a cycle of picture orders": (h264_set(order=1), "picture order 1"),
    "a set that is cut off": (h264_set()[:6], "cut off"),
    "an impossible number": (Bits().bits(24, 66 << 16).bits(40, 0).unit(b"\x67"), "impossible number"),
}


@pytest.mark.usefixtures("never_decoded")
@pytest.mark.parametrize("name", BAD_SETS)
def test_a_bad_parameter_set_is_refused_before_it_is_decoded(name: str, good: list[bytes]) -> None:
    other, said = BAD_SETS[name]
    with pytest.raises(CodecError, match=rf"^Encoded tensor 'image' has .*{said}.*; send a key\.$"):
        decode(with_set(good[0], other, 7, 0), key=True)


BAD_HEVC_SETS = {
    "a huge picture": (hevc_set(side=65536), "which is not the size of this stream"),
    "ten bits": (hevc_set(depth=2), "bits of luma above 8: 2"),
    "4:4:4": (hevc_set(chroma=3), "chroma format 3"),
    "another profile": (hevc_set(profile=4), "profile 4"),
    "sixteen pictures": (hevc_set(held=16), "16 pictures to hold"),
    "reordered pictures": (hevc_set(reorder=1), "reordered pictures: 1"),
}


@pytest.mark.usefixtures("never_decoded")
@pytest.mark.parametrize("name", BAD_HEVC_SETS)
def test_a_bad_parameter_set_of_hevc_is_refused_before_it_is_decoded(name: str) -> None:
    other, said = BAD_HEVC_SETS[name]
    packet = camera_packets(HEVC, 1)[0]
    with pytest.raises(CodecError, match=rf"^Encoded tensor 'image' has .*{said}.*; send a key\.$"):
        decode_camera(HEVC, packet[:1] + with_set(packet[1:], other, 33, 1), key=True)


@pytest.mark.usefixtures("never_decoded")
def test_a_huge_picture_of_av1_is_refused_before_it_is_decoded() -> None:
    packet = camera_packets(AV1, 1)[0]
    header = Bits().bits(3, 0).bits(4, 0).bits(5, 0).bits(12, 0).bits(5, 0).bits(4, 15).bits(4, 15)
    payload = header.bits(16, 65535).bits(16, 65535).payload()
    assert packet[1] >> 3 & 0xF == 1
    frame = packet[3 + packet[2] :]
    huge = packet[:2] + bytes((len(payload),)) + payload + frame
    with pytest.raises(CodecError, match=r"a picture of 65536 x 65536 pixels, which is not the size of this stream"):
        decode_camera(AV1, huge, key=True)


@pytest.mark.usefixtures("never_decoded")
@pytest.mark.parametrize("at", [1, 2, 20, -1])
def test_a_packet_of_av1_that_is_cut_off_is_refused(at: int) -> None:
    with pytest.raises(CodecError, match=r"^Encoded tensor 'image' has .*; send a key\.$"):
        decode_camera(AV1, camera_packets(AV1, 1)[0][:at], key=True)


@pytest.mark.usefixtures("never_decoded")
def test_what_is_no_picture_of_the_stream_is_refused_before_it_is_decoded(good: list[bytes]) -> None:
    key, after = good[0], good[1]
    for data, is_key, said in (
        (b"", True, "start code"),
        (b"no video at all", True, "start code"),
        (b"\0\0\1", True, "empty unit"),
        (camera_packets(HEVC, 1)[0][1:], True, "units of type|more than"),
        (camera_packets(AV1, 1)[0][1:], True, "start code"),
        (after, True, r"units of type \[1\]"),
        (key, False, r"units of type \[7, 8, 5\]"),
        (key + after, True, "more than 3 units"),
        (after + after, False, r"units of type \[1, 1\]"),
        (key.replace(b"\0\0\1\x65", b"\0\0\1\x06\x05\x01\x00\x80\0\0\1\x65"), True, "more than 3 units"),
        (key[: key.index(b"\0\0\1\x65")], True, r"units of type \[7, 8\]"),
        (x264(side=96, tune="zerolatency")[0], True, "96 x 96 pixels, which is not the size"),
        (key + bytes(SPEC.shape[2] * SPEC.shape[3] * 3 + 4096), True, "bytes where"),
    ):
        with pytest.raises(CodecError, match=rf"^Encoded tensor 'image' .*({said}).*; send a key\.$"):
            decode(data, key=is_key)


@pytest.mark.usefixtures("never_decoded")
def test_a_second_slice_of_a_picture_is_refused(good: list[bytes]) -> None:
    second = Bits().number(3).number(5).bits(32, 1).unit(b"\x41")
    with pytest.raises(CodecError, match="has first macroblock 3"):
        decode(second, key=False)


def test_b_slices_are_refused(good: list[bytes]) -> None:
    packets = x264(9, bf="2", **{"x264-params": "b-adapt=0:rc-lookahead=0:sync-lookahead=0:weightp=0:ref=1"})
    (of_type_b,) = (packet for packet in packets[:4] if packet[3] >> 5 == 0)
    decoder = decode(good[0], key=True)
    with pytest.raises(CodecError, match=r"has slice type (1|6) where"):
        decode(of_type_b, key=False, decoder=decoder)
    with pytest.raises(CodecError, match="gives 0 pictures where one is expected"):
        decode(packets[0], key=True)  # a decoder would show it later


def test_other_colours_are_refused() -> None:
    with pytest.raises(CodecError, match="in other colours"):
        decode(x264(tune="zerolatency", color_range="1")[0], key=True)


@pytest.mark.parametrize("name", [CAMERA, HEVC, AV1])
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("left", [0.0, 0.4, 0.99])
def test_a_truncated_packet_is_refused(name: str, victim: int, left: float) -> None:
    codec = get_stream_codec(name)
    assert isinstance(codec, CameraVideo)
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    packets = [encoder.carry(CameraImage(image(i)), key=i == 0) for i in range(2)]
    if victim:
        decoder.image(packets[0], key=True)
    whole = packets[victim]
    cut = dataclasses.replace(whole, data=whole.data[: int(whole.data.nbytes * left)])
    with pytest.raises(CodecError, match=r"^Encoded tensor 'image' .*; send a key\.$"):
        decoder.image(cut, key=victim == 0)


def test_a_damaged_packet_is_refused(good: list[bytes]) -> None:
    whole = sealed(NAME, good[0])
    for at in range(0, whole.data.nbytes, 7):
        data = bytearray(whole.data)
        data[at] ^= 4
        with pytest.raises(CodecError, match=r"has another checksum .*; send a key\.$"):
            get_stream_codec(NAME).decoder(SPEC).decode(dataclasses.replace(whole, data=memoryview(data)), key=True)


def test_after_an_error_the_next_must_be_a_key(good: list[bytes]) -> None:
    decoder = decode(good[0], key=True)
    with pytest.raises(CodecError):
        decode(b"damaged", key=False, decoder=decoder)
    assert decoder.held_bytes == 0
    with pytest.raises(CodecError, match="is not a key and follows no key"):
        decode(good[1], key=False, decoder=decoder)
    decode(good[0], key=True, decoder=decoder)
    decode(good[1], key=False, decoder=decoder)


@pytest.mark.parametrize("first", [b"", b"\x04", b"\xff"])
def test_a_camera_video_with_an_impossible_size_byte_is_refused(first: bytes, good: list[bytes]) -> None:
    with pytest.raises(CodecError, match="states size"):
        decode_camera(CAMERA, first + good[0] if first else b"", key=True)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "other", "name 'other'"),
        ("codec", CAMERA, f"codec '{CAMERA}'"),
        ("shape", (1, 3, 32, 32), "shape"),
        ("dtype", "float32", "element type"),
        ("scale", (1.0,), "1 scales"),
    ],
)
def test_other_metadata_is_refused(field: str, value: object, said: str, good: list[bytes]) -> None:
    encoded = sealed(NAME, good[0])
    with pytest.raises(CodecError, match=said):
        get_stream_codec(NAME).decoder(SPEC).decode(dataclasses.replace(encoded, **{field: value}), key=True)
