# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Damaged changes of a feature map are rejected in one sentence, or decoded to a map of the model's shape."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import torch
from fuzz.cases import Case, Fuzz

from neurosurgeon_ros.codecs import CodecError, EncodedTensor, TensorSpec, get_stream_codec
from neurosurgeon_ros.codecs.entropy.changes import HEADER
from neurosurgeon_ros.codecs.streams.delta_codecs import DELTA_CODECS

SPECS = (
    TensorSpec("map", (1, 32, 6, 8), "float32", channels_last=True),
    TensorSpec("plain", (1, 7, 5, 9), "float32"),
    TensorSpec("tokens", (1, 40, 6), "float32"),
)
SCALES = (0.0, -1.0, 1e-45, 0.5, 3.4e38, float("inf"), float("nan"))


@functools.cache
def good(name: str, spec: TensorSpec) -> tuple[EncodedTensor, ...]:
    """Return a key and two frames of changes after it."""
    random, encoder = torch.Generator().manual_seed(0), get_stream_codec(name).encoder(spec)
    still, made = torch.randn(spec.shape, generator=random), []
    for number in range(3):
        moved = torch.rand(spec.shape, generator=random) < 0.1
        tensor = still + moved * torch.rand(spec.shape, generator=random)
        if spec.channels_last:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        made.append(encoder.encode(tensor, key=number == 0))
    return tuple(made)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_damaged_changes_are_refused_or_give_the_models_shape(fuzz: Fuzz) -> None:
    names = sorted(codec.name for codec in DELTA_CODECS)

    def attempt(case: Case) -> None:
        name, spec = case.choice(names), case.choice(SPECS)
        decoder, (key, *changes) = get_stream_codec(name).decoder(spec), good(name, spec)
        decoder.decode(key, key=True)
        for encoded in changes:
            data = bytes(encoded.data)
            if case.random() < 0.8:
                # Most damage shows at the end of the data, so the parameters alone are often damaged.
                start = case.damaged(data)[:HEADER]
                others = (case.randbytes(case.randrange(400)), case.damaged(data), start + data[len(start) :])
                data = case.choice(others)
            hostile = dataclasses.replace(encoded, data=memoryview(data))
            if case.random() < 0.1:
                hostile = dataclasses.replace(hostile, scale=(case.choice(SCALES),), zero_point=(case.randrange(9),))
            decoded = decoder.decode(hostile, key=case.random() < 0.05)
            assert (tuple(decoded.shape), decoded.dtype) == (spec.shape, torch.float32)
            assert torch.isfinite(decoded).all()

    fuzz(attempt, CodecError)
