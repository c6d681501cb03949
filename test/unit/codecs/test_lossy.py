# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lossy and compressing codecs: how much they lose, their fallback, and what they reject."""

from __future__ import annotations

import contextlib
import dataclasses
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import video_frame

from neurosurgeon_ros.codecs import CODECS, CodecError, EncodedTensor, TensorSpec, decode, get_codec
from neurosurgeon_ros.models.letterbox import letterbox

#: The largest finite float32.
FLOAT32_MAX = 3.4028234663852886e38
MAP = TensorSpec("pool4", (1, 8, 12, 10), "float32", channels_last=True)
PLAIN = dataclasses.replace(MAP, channels_last=False)
TOKENS = TensorSpec("tokens", (1, 40, 6), "float32")
IMAGE = TensorSpec("image", (1, 3, 416, 416), "uint8", channels_last=True)
FLOAT_CODECS = [name for name in CODECS if get_codec(name).accepts(MAP)]
QUANTISED = [name for name in FLOAT_CODECS if name.startswith("int")]
PICTURES = [name for name in CODECS if name.startswith(("jpeg", "webp"))]


def activations(spec: TensorSpec, seed: int = 0) -> torch.Tensor:
    """Return values as after a leaky ReLU, with channels of different ranges."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.nn.functional.leaky_relu(torch.randn(spec.shape, generator=generator), 0.1)
    values = values * (1 + torch.arange(spec.shape[1]).view(1, -1, *[1] * (len(spec.shape) - 2)))
    return values.contiguous(memory_format=torch.channels_last) if spec.channels_last else values


def travel(encoded: EncodedTensor) -> EncodedTensor:
    """Copy the bytes into another kind of buffer, and round the numbers to float32, as a message does."""
    return dataclasses.replace(
        encoded,
        data=memoryview(array("B", bytes(encoded.data))),
        scale=tuple(float(np.float32(scale)) for scale in encoded.scale),
    )


def image(index: int = 120) -> torch.Tensor:
    return letterbox(video_frame(index), 416, 416)[0]


@pytest.mark.parametrize("name", FLOAT_CODECS)
@pytest.mark.parametrize("spec", [MAP, PLAIN, TOKENS], ids=["channels_last", "contiguous", "tokens"])
def test_float_codecs_stay_within_half_a_step(name: str, spec: TensorSpec) -> None:
    tensor, codec = activations(spec), get_codec(name)
    encoded = travel(codec.encode(tensor, spec))
    assert encoded.codec == name
    assert len(encoded.data) <= codec.max_bytes(spec)
    decoded = decode(encoded, spec)
    assert decoded.dtype == torch.float32
    assert decoded.stride() == tensor.stride()
    error = (decoded - tensor).abs().max()
    if codec.lossless:
        assert torch.equal(decoded, tensor)
    elif name.startswith("fp16"):
        assert error <= tensor.abs().max() * 2**-11
    else:
        steps = 2 ** int(name[3]) - 1
        assert len(encoded.scale) == len(encoded.zero_point)
        assert error <= 0.5001 * max(encoded.scale) + 1e-6
        assert max(encoded.scale) <= 1.0001 * (tensor.max() - tensor.min()) / steps


@pytest.mark.parametrize("bits", [4, 5, 6, 7, 8])
def test_a_scale_for_each_channel_loses_less(bits: int) -> None:
    suffix = "-zstd"
    spec, tensor = MAP, activations(MAP)
    errors = {}
    for kind in ("", "c"):
        encoded = get_codec(f"int{bits}{kind}{suffix}").encode(tensor, spec)
        errors[kind] = (decode(encoded, spec) - tensor).square().mean()
        assert len(encoded.scale) == (1 if kind == "" else spec.shape[1])
    assert errors["c"] < 0.7 * errors[""]


def test_int8_by_hand() -> None:
    spec = TensorSpec("x", (1, 5), "float32")
    encoded = get_codec("int8").encode(torch.tensor([[-1.0, 0.0, 0.5, 2.0, 4.1]]), spec)
    # A range of 5.1 in 255 steps of 0.02; zero lies 50 steps above the minimum.
    assert encoded.scale == pytest.approx((0.02,))
    assert encoded.zero_point == (50,)
    assert list(encoded.data) == [0, 50, 75, 150, 255]
    packed = get_codec("int4").encode(torch.tensor([[-1.0, 0.0, 0.5, 2.0, 14.0]]), spec)
    assert packed.zero_point == (1,)
    # Steps 0, 1, 1 (0.5 rounds to even), 3, 15, and a padding 0; two steps per byte.
    assert bytes(packed.data) == bytes([0x01, 0x13, 0xF0])


@pytest.mark.parametrize("name", QUANTISED)
def test_zero_stays_zero(name: str) -> None:
    tensor = activations(MAP)
    tensor[:, :, ::2] = 0.0
    decoded = decode(get_codec(name).encode(tensor, MAP), MAP)
    assert (decoded[:, :, ::2] == 0).all()


@pytest.mark.parametrize("name", [*QUANTISED, "fp16", "fp16-zstd"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_values_that_cannot_be_quantised_travel_as_fp32(name: str, value: float) -> None:
    tensor = activations(MAP)
    tensor[0, 3, 5, 5] = value
    encoded = travel(get_codec(name).encode(tensor, MAP))
    if value == 3e38 and name.startswith("int"):
        assert encoded.codec == name
        return
    assert encoded.codec == "fp32"
    assert encoded.scale == encoded.zero_point == ()
    assert torch.equal(decode(encoded, MAP).nan_to_num(nan=7.0), tensor.nan_to_num(nan=7.0))


@pytest.mark.parametrize("name", FLOAT_CODECS)
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 1e-38, 3.5, -1e30, 1e-3])
def test_constant_tensors_come_back(name: str, value: float) -> None:
    if name.startswith("fp16") and abs(value) > 65504:
        return
    tensor = torch.full(MAP.shape, value).contiguous(memory_format=torch.channels_last)
    decoded = decode(travel(get_codec(name).encode(tensor, MAP)), MAP)
    assert torch.isfinite(decoded).all()
    tolerance = 2**-11 if name.startswith("fp16") else 1e-6
    assert (decoded - tensor).abs().max() <= max(tolerance * abs(value), 1e-7)


@pytest.mark.parametrize("name", FLOAT_CODECS)
def test_empty_tensors_come_back(name: str) -> None:
    spec = TensorSpec("nothing", (1, 0, 4), "float32")
    decoded = decode(travel(get_codec(name).encode(torch.empty(1, 0, 4), spec)), spec)
    assert decoded.shape == (1, 0, 4)


@pytest.mark.parametrize("name", QUANTISED)
@pytest.mark.parametrize("values", [(FLOAT32_MAX,), (-FLOAT32_MAX, FLOAT32_MAX), (-FLOAT32_MAX, 1.0)])
def test_the_largest_values_come_back_finite(name: str, values: tuple[float, ...]) -> None:
    spec = TensorSpec("x", (64, 1), "float32")
    tensor = torch.tensor(values * 64)[:64].view(-1, 1)
    assert torch.isfinite(decode(travel(get_codec(name).encode(tensor, spec)), spec)).all()


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=70),
    name=st.sampled_from(QUANTISED),
)
def test_any_finite_values_come_back_finite_and_near(values: list[float], name: str) -> None:
    spec = TensorSpec("x", (len(values), 1), "float32")
    if not get_codec(name).accepts(spec):
        return
    tensor = torch.tensor(values).view(-1, 1)
    encoded = travel(get_codec(name).encode(tensor, spec))
    decoded = decode(encoded, spec).double()
    assert torch.isfinite(decoded).all()
    if encoded.scale:
        # float32 rounds the product of step and scale. The rest of the error is half a step.
        assert ((decoded - tensor.double()).abs() <= 0.502 * encoded.scale[0] + 1e-6 * tensor.abs().max()).all()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_come_back_alike(name: str) -> None:
    tensor, codec = image(), get_codec(name)
    encoded = travel(codec.encode(tensor, IMAGE))
    assert len(encoded.data) <= codec.max_bytes(IMAGE)
    assert 0.3 <= len(encoded.data) / codec.expected_bytes(IMAGE) <= 3
    decoded = decode(encoded, IMAGE)
    assert decoded.stride() == tensor.stride()
    assert decoded.dtype == torch.uint8
    if codec.lossless:
        assert torch.equal(decoded, tensor)
    else:
        error = (decoded.float() - tensor.float()).square().mean().item()
        assert 10 * np.log10(255**2 / error) > 33


def test_colours_keep_their_places() -> None:
    tensor = torch.zeros(1, 3, 416, 416, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    tensor[:, 0] = 200
    for name in PICTURES:
        decoded = decode(get_codec(name).encode(tensor, IMAGE), IMAGE).float().mean(dim=(0, 2, 3))
        assert decoded[0] > 190, name
        assert decoded[1:].max() < 10, name


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_take_rgb_images_alone(name: str) -> None:
    codec = get_codec(name)
    assert codec.accepts(IMAGE)
    for spec in (
        dataclasses.replace(IMAGE, dtype="float32"),
        dataclasses.replace(IMAGE, channels_last=False),
        dataclasses.replace(IMAGE, shape=(2, 3, 416, 416)),
        dataclasses.replace(IMAGE, shape=(1, 1, 416, 416)),
        dataclasses.replace(IMAGE, shape=(1, 3, 416, 20000)),
    ):
        assert not codec.accepts(spec)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_another_size_is_refused_by_its_header(name: str) -> None:
    large = letterbox(video_frame(0), 640, 640)[0]
    wide = dataclasses.replace(IMAGE, shape=(1, 3, 640, 640))
    data = get_codec(name).encode(large, wide).data
    encoded = EncodedTensor("image", "uint8", IMAGE.shape, name, memoryview(bytes(data)))
    with pytest.raises(CodecError, match="of 640 x 640 pixels where"):
        decode(encoded, IMAGE)


@pytest.mark.parametrize("name", PICTURES)
def test_damaged_pictures_are_refused_or_decode_to_the_right_shape(name: str) -> None:
    data = bytes(get_codec(name).encode(image(), IMAGE).data)
    random = np.random.default_rng(0)
    cases = [b"", data[:1], data[:40], data[: len(data) // 2], b"\x89PNG" + data[4:], bytes(len(data))]
    for _ in range(30):
        broken = bytearray(data)
        for position in random.integers(0, 60, 3):
            broken[position] = random.integers(0, 256)
        cases.append(bytes(broken))
    for case in cases:
        encoded = EncodedTensor("image", "uint8", IMAGE.shape, name, memoryview(case))
        with contextlib.suppress(CodecError):
            assert decode(encoded, IMAGE).shape == IMAGE.shape
    with pytest.raises(CodecError):
        decode(EncodedTensor("image", "uint8", IMAGE.shape, name, memoryview(data[: len(data) // 2])), IMAGE)


def test_another_format_under_a_pictures_name_is_refused() -> None:
    pixels = np.zeros((416, 416, 3), np.uint8)
    png = cv2.imencode(".png", pixels)[1].data
    for name in PICTURES:
        with pytest.raises(CodecError, match="of another format"):
            decode(EncodedTensor("image", "uint8", IMAGE.shape, name, png), IMAGE)


def zstd_of(size: int, *, stated: bool = True) -> memoryview:
    return memoryview(zstandard.ZstdCompressor(level=1, write_content_size=stated).compress(bytes(size)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": zstd_of(1 << 24)}, r"says that it holds 16777216 bytes where this tensor has 960"),
        ({"data": zstd_of(959)}, "holds 959 bytes"),
        ({"data": zstd_of(960, stated=False)}, "says that it holds"),
        ({"data": memoryview(bytes(zstd_of(960)) + b"more")}, "cannot be decompressed"),
        ({"data": memoryview(bytes(zstd_of(960))[:-3])}, "cannot be decompressed"),
        ({"data": memoryview(b"no zstd at all")}, "cannot be decompressed"),
        ({"data": memoryview(b"")}, "cannot be decompressed"),
        ({"data": memoryview(bytes(5000))}, "at most"),
        ({"scale": ()}, "has 0 scales and 1 zero points where int5 has 1 of each"),
        ({"scale": (0.0,)}, "scale that is not above 0"),
        ({"scale": (float("nan"),)}, "scale that is not above 0"),
        ({"scale": (float("inf"),)}, "scale that is not above 0"),
        ({"scale": (FLOAT32_MAX,)}, "scale by which values are infinite"),
        ({"zero_point": (32,)}, "zero point outside 0 to 31"),
        ({"zero_point": (-1,)}, "zero point outside"),
        ({"zero_point": (2**40,)}, "zero point outside"),
        ({"data": memoryview(zstandard.compress(bytes([32]) * 960))}, "has the value 32 where int5 goes to 31"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], reason: str) -> None:
    encoded = dataclasses.replace(get_codec("int5-zstd").encode(activations(MAP), MAP), **change)
    with pytest.raises(CodecError, match=reason):
        decode(encoded, MAP)


def test_scales_for_channels_are_counted() -> None:
    encoded = get_codec("int8c").encode(activations(MAP), MAP)
    with pytest.raises(CodecError, match="has 7 scales and 8 zero points where int8c has 8 of each"):
        decode(dataclasses.replace(encoded, scale=encoded.scale[1:]), MAP)
    assert not get_codec("int8c").accepts(TensorSpec("fc", (1, 1000), "float32"))
    assert not get_codec("int8c").accepts(TensorSpec("wide", (1, 5000, 32, 32), "float32"))


def test_names_fit_the_message() -> None:
    assert all(len(name) <= 32 for name in CODECS)
    assert len(set(CODECS)) == len(CODECS) >= 28
