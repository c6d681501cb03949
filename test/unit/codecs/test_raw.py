# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lossless codecs: exact results, shared memory, and what is rejected."""

from __future__ import annotations

import dataclasses
from array import array
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosurgeon_ros.codecs import CODECS, CodecError, EncodedTensor, TensorSpec, decode, get_codec

IMAGE = TensorSpec("image", (1, 3, 4, 5), "uint8", channels_last=True)
MAP = TensorSpec("pool4", (1, 6, 4, 5), "float32", channels_last=True)
VECTOR = TensorSpec("fc", (1, 10), "float32")


def example(spec: TensorSpec, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    tensor = (torch.rand(spec.shape, generator=generator) * 255).to(getattr(torch, spec.dtype))
    return tensor.contiguous(memory_format=torch.channels_last) if spec.channels_last else tensor


def travel(encoded: EncodedTensor) -> EncodedTensor:
    """Copy the bytes into another kind of buffer, as a message does."""
    return dataclasses.replace(encoded, data=memoryview(array("B", bytes(encoded.data))))


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("uint8", IMAGE),
        ("fp32", MAP),
        ("fp32", VECTOR),
        ("uint8-zstd", IMAGE),
        ("fp32-zstd", MAP),
        ("fp32-zstd", VECTOR),
    ],
)
def test_bits_and_memory_format_come_back(name: str, spec: TensorSpec) -> None:
    tensor, codec = example(spec), get_codec(name)
    encoded = codec.encode(tensor, spec)
    assert (encoded.name, encoded.dtype, encoded.shape, encoded.codec) == (spec.name, spec.dtype, spec.shape, name)
    if not name.endswith("zstd"):
        assert len(encoded.data) == codec.expected_bytes(spec) == codec.max_bytes(spec)
    decoded = decode(travel(encoded), spec)
    assert torch.equal(decoded, tensor)
    assert decoded.stride() == tensor.stride()


@given(
    shape=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    channels_last=st.booleans(),
    values=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8),
)
def test_every_bit_pattern_survives(shape: list[int], channels_last: bool, values: list[int]) -> None:
    spec = TensorSpec("x", tuple(shape), "float32", channels_last)
    count = shape[0] * shape[1] * shape[2] * shape[3]
    bits = torch.tensor([values[i % len(values)] - 2**31 for i in range(count)], dtype=torch.int32)
    tensor = bits.view(torch.float32).view(shape)
    if channels_last:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    decoded = decode(travel(get_codec("fp32").encode(tensor, spec)), spec)
    assert torch.equal(decoded.contiguous().view(torch.int32), tensor.contiguous().view(torch.int32))


def test_channels_travel_last() -> None:
    encoded = get_codec("uint8").encode(example(IMAGE), IMAGE)
    assert bytes(encoded.data) == example(IMAGE).permute(0, 2, 3, 1).contiguous().numpy().tobytes()


def test_encoding_copies_nothing() -> None:
    tensor = example(MAP)
    encoded = get_codec("fp32").encode(tensor, MAP)
    before = bytes(encoded.data)
    tensor[0, 0, 0, 0] = -1.0
    assert bytes(encoded.data) != before


def test_decoding_shares_a_buffer_that_is_writable_and_aligned() -> None:
    own = example(MAP)
    decoded = get_codec("fp32").decode(get_codec("fp32").encode(own, MAP), MAP)
    assert decoded.data_ptr() == own.data_ptr()


def test_decoded_tensors_lie_as_torch_aligns_them() -> None:
    encoded = get_codec("fp32").encode(example(MAP), MAP)
    for shift in range(4):
        buffer = bytearray(shift) + bytes(encoded.data)
        decoded = decode(dataclasses.replace(encoded, data=memoryview(buffer)[shift:]), MAP)
        assert decoded.data_ptr() % 64 == 0
        assert torch.equal(decoded, example(MAP))


def test_buffers_that_cannot_be_written_to_are_taken() -> None:
    encoded = get_codec("uint8").encode(example(IMAGE), IMAGE)
    decoded = decode(dataclasses.replace(encoded, data=memoryview(bytes(encoded.data))), IMAGE)
    decoded += 1
    assert torch.equal(decoded, example(IMAGE) + 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "pool5"}, "has name 'pool5' where the model expects 'pool4'"),
        ({"dtype": "float64"}, "element type 'float64'"),
        ({"shape": (1, 6, 5, 4)}, "shape"),
        ({"shape": (2**40, 6, 4, 5)}, "shape"),
        ({"codec": "uint8"}, "codec 'uint8', which tensor 'pool4' of type float32 cannot have"),
        ({"codec": "pickle"}, "codec 'pickle', which .* cannot have; choose one of .*fp32"),
        ({"data": memoryview(bytes(479))}, "479 bytes where fp32 of shape .* has 480"),
        ({"data": memoryview(bytes(484))}, "484 bytes"),
        ({"data": memoryview(b"")}, "0 bytes"),
        ({"data": memoryview(bytes(960))[::2]}, "not one contiguous run"),
        ({"scale": (0.5,)}, "1 scales and 0 zero points, but codec fp32 has none"),
        ({"zero_point": (1, 2)}, "2 zero points"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(change: dict[str, Any], reason: str) -> None:
    encoded = dataclasses.replace(get_codec("fp32").encode(example(MAP), MAP), **change)
    with pytest.raises(CodecError, match=reason):
        decode(encoded, MAP)


def test_encoding_another_tensor_than_the_models_is_refused() -> None:
    with pytest.raises(CodecError, match="encode what run_front returned"):
        get_codec("fp32").encode(torch.zeros(1, 6, 4, 4), MAP)
    with pytest.raises(CodecError, match="float64"):
        get_codec("fp32").encode(example(MAP).double(), MAP)


def test_codecs_say_what_they_take() -> None:
    assert get_codec("fp32").accepts(MAP)
    assert not get_codec("fp32").accepts(IMAGE)
    assert get_codec("uint8").accepts(IMAGE)
    assert not get_codec("uint8").accepts(MAP)
    assert get_codec("fp32").lossless
    assert {"fp32", "uint8"} <= set(CODECS)


def test_an_unknown_codec_is_answered_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'zip' is not known; choose one of .*fp32"):
        get_codec("zip")
