# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams of the network's input and of a camera's image as video."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import video_frame

from neurosurgeon_ros.codecs import STREAM_CODECS, CameraImage, CodecError, TensorSpec, get_stream_codec
from neurosurgeon_ros.codecs.streams.video import table
from neurosurgeon_ros.codecs.streams.video.bits import PictureSize
from neurosurgeon_ros.codecs.streams.video.camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video.colour import Planes, read_planes, write_planes
from neurosurgeon_ros.codecs.streams.video.image import GREY, ImageVideo
from neurosurgeon_ros.codecs.streams.video.syntax import H264
from neurosurgeon_ros.codecs.streams.video.table import VIDEO_CODECS
from neurosurgeon_ros.models import letterbox as placement
from neurosurgeon_ros.models.letterbox import letterbox

pytest.importorskip("av", reason="the video codecs need PyAV")

SIDE = 416
SPEC = TensorSpec("image", (1, 3, SIDE, SIDE), "uint8", channels_last=True)
IMAGES = [codec for codec in VIDEO_CODECS if isinstance(codec, ImageVideo)]
CAMERAS = [codec for codec in VIDEO_CODECS if isinstance(codec, CameraVideo)]
#: One of each format.
FORMATS = list({codec.syntax.title: codec for codec in CAMERAS}.values())


def image_codec(name: str) -> ImageVideo:
    codec = get_stream_codec(name)
    assert isinstance(codec, ImageVideo)
    return codec


def inputs(count: int, side: int = SIDE) -> list[torch.Tensor]:
    """Return consecutive frames of the street video as the network's input."""
    return [letterbox(video_frame(index), side, side)[0] for index in range(count)]


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other.astype(float)) ** 2)))


@pytest.mark.parametrize("codec", IMAGES, ids=lambda codec: codec.name)
def test_each_image_is_one_packet_and_the_edge_has_it_at_once(codec: ImageVideo) -> None:
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    assert encoder.held_bytes == decoder.held_bytes == 0
    sizes, checksum = [], 0
    for position, x in enumerate(inputs(5)):
        key = position in (0, 3)
        encoded = encoder.encode(x, key=key)
        assert (encoded.codec, encoded.shape, encoded.name) == (codec.name, SPEC.shape, "image")
        assert encoded.data.nbytes <= codec.max_bytes(SPEC)
        checksum = zlib.crc32(encoded.data[4:], 0 if key else checksum)
        assert int.from_bytes(encoded.data[:4], "little") == checksum
        decoded = decoder.decode(encoded, key=key)
        assert encoder.checksum == decoder.checksum == checksum
        assert (decoded.shape, decoded.dtype) == (x.shape, x.dtype)
        assert decoded.is_contiguous(memory_format=torch.channels_last)
        # The picture of this frame, not of the one before.
        assert psnr(decoded.numpy(), x.numpy()) > 33
        sizes.append(encoded.data.nbytes)
    assert max(sizes[1], sizes[2], sizes[4]) < min(sizes[0], sizes[3])
    assert encoder.held_bytes > 0 < decoder.held_bytes


@pytest.mark.parametrize("codec", FORMATS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("size", [(272, 640), (271, 639), (33, 64), (480, 333)], ids=str)
def test_a_camera_image_comes_back_at_its_size(codec: CameraVideo, size: tuple[int, int]) -> None:
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    for position in range(3):
        pixels = np.asarray(cv2.resize(video_frame(position), size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
        image = decoder.image(encoder.carry(CameraImage(pixels), key=position == 0), key=position == 0)
        assert image.shape == pixels.shape
        assert psnr(image, pixels) > 29
        assert encoder.checksum == decoder.checksum


@pytest.mark.parametrize("codec", FORMATS, ids=lambda codec: codec.name)
def test_another_size_of_a_camera_begins_with_a_key(codec: CameraVideo) -> None:
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    first, second, third = (np.full((64, side, 3), 60, np.uint8) for side in (64, 96, 95))
    decoder.image(encoder.carry(CameraImage(first), key=True), key=True)
    assert encoder.continues(CameraImage(first))
    for other in (second, third):
        assert not encoder.continues(CameraImage(other))
        with pytest.raises(CodecError, match=r"encode it as a key\.$"):
            encoder.carry(CameraImage(other), key=False)
        assert decoder.image(encoder.carry(CameraImage(other), key=True), key=True).shape == other.shape
        assert decoder.image(encoder.carry(CameraImage(other), key=False), key=False).shape == other.shape


def test_a_key_stands_alone() -> None:
    codec = image_codec("h264-veryfast-crf21")
    encoder, late = codec.encoder(SPEC), codec.decoder(SPEC)
    frames = inputs(4)
    encoder.encode(frames[0], key=True)
    encoder.encode(frames[1], key=False)
    key, after = encoder.encode(frames[2], key=True), encoder.encode(frames[3], key=False)
    late.decode(key, key=True)
    assert psnr(late.decode(after, key=False).numpy(), frames[3].numpy()) > 33
    assert late.checksum == encoder.checksum


def test_a_packet_after_a_lost_one_is_refused() -> None:
    codec = image_codec("h264-ultrafast-crf20")
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    key, _, third = (encoder.encode(x, key=position == 0) for position, x in enumerate(inputs(3)))
    decoder.decode(key, key=True)
    with pytest.raises(CodecError, match=r"has another checksum than expected, .*; send a key\.$"):
        decoder.decode(third, key=False)


@pytest.mark.parametrize("side", [416, 415, 320])
def test_no_pixel_moves_and_the_grey_stays_grey(side: int) -> None:
    spec = TensorSpec("image", (1, 3, side, side), "uint8", channels_last=True)
    codec = ImageVideo("h264-best", H264, "veryfast", 1, expected=(1.0, 1.0))
    x, place = letterbox(video_frame(0), side, side)
    decoded = codec.decoder(spec).decode(codec.encoder(spec).encode(x, key=True), key=True)
    before, after = x[0].permute(1, 2, 0).numpy(), decoded[0].permute(1, 2, 0).numpy()
    top, bottom = int(place.pad_y), side - int(place.pad_y) - round(272 * place.scale_y)
    grey = min(top, bottom)
    assert (after[:grey] == GREY).all()
    assert (after[side - grey :] == GREY).all()
    inner, ideal = before[top : side - bottom], after[top : side - bottom]
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (inner, ideal)]
    (across, down), _ = cv2.phaseCorrelate(*greys)
    assert max(abs(across), abs(down)) < 0.01


def test_the_grey_is_the_one_of_the_letterbox() -> None:
    assert placement.GREY == GREY


def test_colours_lose_no_more_than_half_the_chroma_must() -> None:
    codec = ImageVideo("h264-best", H264, "veryfast", 1, expected=(1.0, 1.0))
    (x,) = inputs(1)
    pixels = np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
    half, ideal = SIDE // 2, np.empty_like(pixels)
    planes = Planes(*(np.empty((side, side), np.uint8) for side in (SIDE, half, half)))
    write_planes(pixels, planes, "RGB")
    read_planes(planes, ideal, "RGB")
    decoded = codec.decoder(SPEC).decode(codec.encoder(SPEC).encode(x, key=True), key=True)
    reached = psnr(decoded[0].permute(1, 2, 0).numpy(), pixels)
    assert reached > psnr(ideal, pixels) - 2.0
    # OpenCV's own conversion to 4:2:0 keeps one of four chroma values.
    plain = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420), cv2.COLOR_YUV2RGB_I420)
    assert psnr(ideal, pixels) > psnr(np.asarray(plain, dtype=np.uint8), pixels) + 1.0


def test_the_first_frame_and_a_wider_image_must_be_keys() -> None:
    encoder = image_codec("h264-ultrafast-crf20").encoder(SPEC)
    (x,) = inputs(1)
    full = torch.full_like(x, 200)
    assert not encoder.continues(x)
    with pytest.raises(CodecError, match=r"is the first of a stream .* encode it as a key\.$"):
        encoder.encode(x, key=False)
    encoder.encode(x, key=True)
    assert encoder.continues(x)
    assert not encoder.continues(full)
    with pytest.raises(CodecError, match=r"has no grey where .* encode a key\.$"):
        encoder.encode(full, key=False)
    encoder.encode(full, key=True)
    assert encoder.continues(x)


def test_a_grey_image_is_sent_whole() -> None:
    codec = image_codec("h264-ultrafast-crf20")
    encoder, decoder = codec.encoder(SPEC), codec.decoder(SPEC)
    grey = torch.full(SPEC.shape, GREY, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert torch.equal(decoder.decode(encoder.encode(grey, key=True), key=True), grey)
    (x,) = inputs(1)
    assert psnr(decoder.decode(encoder.encode(x, key=False), key=False).numpy(), x.numpy()) > 33


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("map", (1, 3, 64, 64), "float32", channels_last=True),
        TensorSpec("map", (1, 4, 64, 64), "uint8", channels_last=True),
        TensorSpec("map", (1, 3, 64, 64), "uint8"),
        TensorSpec("map", (1, 3, 31, 64), "uint8", channels_last=True),
        TensorSpec("map", (1, 3, 8192, 8192), "uint8", channels_last=True),
    ],
    ids=["float", "four channels", "planes", "small", "large"],
)
def test_another_tensor_is_not_accepted(spec: TensorSpec) -> None:
    codec = image_codec("h264-ultrafast-crf20")
    assert not codec.accepts(spec)
    for end in (codec.encoder, codec.decoder):
        with pytest.raises(CodecError, match="cannot encode tensor 'map'"):
            end(spec)


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (4098, 4098)], ids=str)
def test_an_image_that_is_too_small_or_too_large_is_refused(size: tuple[int, int]) -> None:
    encoder = FORMATS[0].encoder(SPEC)
    with pytest.raises(CodecError, match=r"The image has .* send it by another codec\.$"):
        encoder.carry(CameraImage(np.zeros((*size, 3), np.uint8)), key=True)


def test_a_camera_video_neither_takes_nor_gives_a_tensor() -> None:
    encoder, decoder = FORMATS[0].encoder(SPEC), FORMATS[0].decoder(SPEC)
    encoded = encoder.carry(CameraImage(video_frame(0)), key=True)
    with pytest.raises(CodecError, match="cannot encode tensor 'image'"):
        encoder.encode(inputs(1)[0], key=True)
    with pytest.raises(CodecError, match="gives an image, no tensor"):
        decoder.decode(encoded, key=True)


@pytest.mark.parametrize("codec", [IMAGES[0], *FORMATS], ids=lambda codec: codec.name)
def test_an_encoder_that_ffmpeg_lacks_is_refused_with_what_there_is(codec: ImageVideo | CameraVideo) -> None:
    default = next(iter(codec.syntax.encoders))
    with pytest.raises(CodecError, match=rf"^Video encoder 'h264_best' .* not in .* choose one of {default}.*\.$"):
        codec.encoded_by("h264_best")
    assert codec.encoded_by(default).name == codec.name


def test_an_encoder_without_its_device_is_refused() -> None:
    import av

    if "h264_v4l2m2m" not in av.codecs_available or any(Path("/dev").glob("video*")):
        pytest.skip("FFmpeg has no h264_v4l2m2m, or there may be a device for it")
    with pytest.raises(CodecError, match=r"^Video encoder h264_v4l2m2m does not work on this machine .*\.$"):
        IMAGES[0].encoded_by("h264_v4l2m2m")


def test_without_pyav_there_are_none_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert table.why_absent() is None
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    assert "pip install av" in str(table.why_absent())


@pytest.mark.parametrize(
    ("before", "holds"),
    [
        ("sys.modules['av'] = None", "not [name for name in STREAM_CODECS if 'h264' in name]"),
        ("", "STREAM_CODECS and 'av' not in sys.modules"),
    ],
    ids=["without PyAV there are none", "PyAV is not imported before it is needed"],
)
def test_registration(before: str, holds: str) -> None:
    program = f"import sys\n{before}\nfrom neurosurgeon_ros.codecs import STREAM_CODECS\nassert {holds}"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_names_are_registered() -> None:
    assert {codec.name for codec in VIDEO_CODECS} <= set(STREAM_CODECS)
    assert max(len(name) for name in STREAM_CODECS) <= 64
    with pytest.raises(ValueError, match="'h264' is not known; choose one of .*h264-veryfast"):
        get_stream_codec("h264")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg's command line is not installed")
@pytest.mark.parametrize("name", ["h264-veryfast-crf21", "h264-ultrafast-crf20"])
def test_bytes_are_those_of_ffmpegs_command_line(name: str, tmp_path: Path) -> None:
    count, codec = 20, image_codec(name)
    encoder = codec.picture_encoder(PictureSize(640, 272))
    raw, ours = tmp_path / "frames.yuv", 0
    with raw.open("wb") as stream:
        for position in range(count):
            write_planes(video_frame(position), encoder.planes, "BGR")
            for plane in encoder.planes:
                stream.write(plane.tobytes())
            ours += encoder.encode(key=position == 0).nbytes
    options = [word for pair in H264.encoders["libx264"].options(*codec.quality).items() for word in pair]
    words = [f"-{word}" if position % 2 == 0 else word for position, word in enumerate(options)]
    source = ["-f", "rawvideo", "-pix_fmt", "yuvj420p", "-s", "640x272", "-r", "25", "-i", str(raw)]
    target = ["-c:v", "libx264", *words, "-threads", "1", "-bsf:v", "filter_units=remove_types=6", "-f", "h264"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *target, str(tmp_path / "out.h264")], check=True, timeout=60)
    theirs = (tmp_path / "out.h264").stat().st_size
    assert abs(ours / theirs - 1) < 0.05, (ours, theirs)
