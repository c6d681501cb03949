# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Whatever comes as an encoded tensor is refused in one sentence, or gives a tensor of the model's shape.

``make fuzz`` tries 100,000 cases (FUZZ_CASES says how many), ``make test`` some.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.codecs import CODECS, CameraPicture, CodecError, EncodedTensor, TensorSpec, decode, get_codec

CASES = int(os.environ.get("FUZZ_CASES", "600"))
SPECS = (
    TensorSpec("image", (1, 3, 16, 24), "uint8", channels_last=True),
    TensorSpec("map", (1, 4, 8, 8), "float32"),
    TensorSpec("count", (1, 4), "int64"),
)
NUMBERS = st.one_of(st.floats(width=32), st.sampled_from((0.0, 1e-45, 3.4e38)))

#: Codecs that carry tensors; test/unit/runtime/test_as_received.py has what carries the camera's image.
OF_TENSORS = sorted(name for name in CODECS if not isinstance(get_codec(name), CameraPicture))


def good(name: str) -> tuple[EncodedTensor, TensorSpec]:
    """Encode a tensor with a codec."""
    generator = torch.Generator().manual_seed(0)
    spec = next(spec for spec in SPECS if get_codec(name).accepts(spec))
    tensor = torch.rand(spec.shape, generator=generator) * 255
    tensor = tensor.to(getattr(torch, spec.dtype))
    if spec.channels_last:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return get_codec(name).encode(tensor, spec), spec


@st.composite
def hostile(draw: st.DrawFn, encoded: EncodedTensor) -> EncodedTensor:
    """Damage an encoded tensor: some of its bytes, its length, its other fields."""
    data = bytearray(encoded.data)
    for _ in range(draw(st.integers(0, 8))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    end = draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
    damaged = bytes(data[:end]) + draw(st.binary(max_size=16))
    fields = {
        "data": memoryview(draw(st.one_of(st.just(damaged), st.binary(max_size=64)))),
        "scale": draw(st.one_of(st.just(encoded.scale), st.lists(NUMBERS, max_size=5).map(tuple))),
        "zero_point": draw(
            st.one_of(st.just(encoded.zero_point), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5).map(tuple))
        ),
        "shape": draw(st.one_of(st.just(encoded.shape), st.lists(st.integers(0, 2**32 - 1), max_size=8).map(tuple))),
    }
    return dataclasses.replace(encoded, **fields)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(name=st.sampled_from(OF_TENSORS), data=st.data())
def test_a_damaged_tensor_is_refused_or_has_the_models_shape(name: str, data: st.DataObject) -> None:
    encoded, spec = good(name)
    with contextlib.suppress(CodecError):
        decoded = decode(data.draw(hostile(encoded)), spec)
        assert (tuple(decoded.shape), str(decoded.dtype)) == (spec.shape, f"torch.{spec.dtype}")
