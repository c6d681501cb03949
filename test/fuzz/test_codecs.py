# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any encoded tensor is rejected in one sentence, or decoded to a tensor of the model's shape."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import pytest
import torch
from fuzz.cases import Case, Fuzz

from neurosurgeon_ros.codecs import CODECS, CameraPicture, CodecError, EncodedTensor, TensorSpec, decode, get_codec
from neurosurgeon_ros.codecs.camera import may_show, sendable_size

SPECS = (
    TensorSpec("image", (1, 3, 16, 24), "uint8", channels_last=True),
    TensorSpec("map", (1, 4, 8, 8), "float32", channels_last=True),
    TensorSpec("vector", (1, 64), "float32"),
    TensorSpec("count", (1, 4), "int64"),
    TensorSpec("mask", (1, 9), "bool"),
)
SCALES = (0.0, -1.0, 1e-45, 0.5, 3.4e38, float("inf"), float("nan"))
POINTS = (-(2**31), -1, 0, 7, 255, 256, 2**31 - 1)


@functools.cache
def good(name: str) -> tuple[tuple[EncodedTensor, TensorSpec], ...]:
    """Return an encoded tensor of every kind that a codec accepts."""
    codec, made = get_codec(name), []
    for spec in SPECS:
        if codec.accepts(spec):
            tensor = torch.rand(spec.shape, generator=torch.Generator().manual_seed(0)) * 255
            tensor = tensor.to(getattr(torch, spec.dtype))
            if spec.channels_last:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            made.append((codec.encode(tensor, spec), spec))
    return tuple(made)


def hostile(case: Case, encoded: EncodedTensor) -> EncodedTensor:
    """Damage an encoded tensor: its bytes, its other fields, or both."""
    fields: dict[str, object] = {}
    if case.random() < 0.8:
        data = bytes(encoded.data)
        damaged = case.damaged(data)
        # Most codecs check the length first, so it often stays the same.
        fields["data"] = memoryview(damaged[: len(data)].ljust(len(data), b"\0") if case.random() < 0.5 else damaged)
    if case.random() < 0.3:
        fields["scale"] = tuple(case.choice(SCALES) for _ in range(case.choice((0, 1, len(encoded.scale)))))
        fields["zero_point"] = tuple(case.choice(POINTS) for _ in range(case.choice((0, 1, len(encoded.zero_point)))))
    if case.random() < 0.1:
        fields["shape"] = tuple(case.choice((0, 1, 16, 2**32 - 1)) for _ in range(case.randrange(9)))
    if case.random() < 0.1:
        fields["codec"] = case.choice((*CODECS, "pickle", ""))
    return dataclasses.replace(encoded, **fields)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


# Two halves of the codecs, so that two processors can share them.
@pytest.mark.parametrize("part", [0, 1])
def test_a_damaged_tensor_is_refused_or_has_the_models_shape(fuzz: Fuzz, part: int) -> None:
    names = sorted(name for name in CODECS if not isinstance(get_codec(name), CameraPicture))[part::2]

    def attempt(case: Case) -> None:
        encoded, spec = case.choice(good(case.choice(names)))
        decoded = decode(hostile(case, encoded), spec)
        assert (tuple(decoded.shape), str(decoded.dtype)) == (spec.shape, f"torch.{spec.dtype}")

    fuzz(attempt, CodecError)


def test_a_damaged_picture_of_a_camera_is_refused_or_has_the_size_that_it_states(fuzz: Fuzz) -> None:
    spec, codecs = SPECS[0], [codec for codec in map(get_codec, CODECS) if isinstance(codec, CameraPicture)]
    done, picture = cv2.imencode(".jpg", torch.arange(24 * 16 * 3, dtype=torch.uint8).reshape(16, 24, 3).numpy())
    assert done
    data = memoryview(picture.tobytes())

    def attempt(case: Case) -> None:
        codec = case.choice(codecs)
        damaged = hostile(case, EncodedTensor(spec.name, spec.dtype, spec.shape, codec.name, data))
        image = codec.image(damaged, spec)
        size = sendable_size(damaged.data)
        assert size is not None and may_show(size, (image.shape[1], image.shape[0]))

    fuzz(attempt, CodecError)
