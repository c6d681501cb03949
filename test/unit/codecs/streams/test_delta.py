# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams of changes: both ends hold the same, errors do not add up, and what cannot be part of a stream."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import zstandard

from neurosurgeon_ros.codecs import (
    STREAM_CODECS,
    CodecError,
    EncodedTensor,
    StreamDecoder,
    StreamEncoder,
    TensorSpec,
    decode,
    get_stream_codec,
)
from neurosurgeon_ros.codecs.streams.delta_codecs import why_absent

MAP = TensorSpec("pool4", (1, 128, 26, 26), "float32", channels_last=True)
DELTAS = [name for name in STREAM_CODECS if "-delta-" in name]
SHAPES = [
    MAP,
    TensorSpec("plain", (2, 8, 6, 5), "float32"),
    TensorSpec("image", (1, 3, 20, 16), "float32", channels_last=True),
    TensorSpec("one_channel", (1, 1, 9, 7), "float32", channels_last=True),
    TensorSpec("tokens", (1, 40, 6), "float32"),
    TensorSpec("wide", (1, 700), "float32"),
    TensorSpec("row", (5,), "float32"),
    TensorSpec("number", (), "float32"),
]


def scenes(spec: TensorSpec, number: int, *, seed: int = 0) -> Iterator[torch.Tensor]:
    """Yield maps of a still scene with noise, in a part of which something else appears in each map."""
    generator = torch.Generator().manual_seed(seed)
    still = torch.nn.functional.leaky_relu(torch.randn(spec.shape, generator=generator), 0.1)
    for _ in range(number):
        tensor = still + 0.02 * torch.randn(spec.shape, generator=generator)
        if len(spec.shape) == 4:
            part = tensor[:, :, 2:5, 1:4]
            part.copy_(torch.nn.functional.leaky_relu(torch.randn(part.shape, generator=generator), 0.1))
        else:
            tensor += 0.1 * torch.randn(spec.shape, generator=generator)
        yield tensor.contiguous(memory_format=torch.channels_last) if spec.channels_last else tensor


def ends(name: str, spec: TensorSpec = MAP) -> tuple[StreamEncoder, StreamDecoder]:
    codec = get_stream_codec(name)
    return codec.encoder(spec), codec.decoder(spec)


def begun(name: str = "int5-delta-d0.75", spec: TensorSpec = MAP) -> tuple[StreamEncoder, StreamDecoder]:
    """Return both ends after a key."""
    encoder, decoder = ends(name, spec)
    decoder.decode(encoder.encode(next(scenes(spec, 1)), key=True), key=True)
    return encoder, decoder


@pytest.mark.parametrize("name", DELTAS)
@pytest.mark.parametrize("spec", SHAPES, ids=lambda spec: spec.name)
def test_both_ends_hold_the_same_and_errors_stay_small(name: str, spec: TensorSpec) -> None:
    codec = get_stream_codec(name)
    encoder, decoder = ends(name, spec)
    for number, tensor in enumerate(scenes(spec, 12)):
        encoded = encoder.encode(tensor, key=number == 0)
        if number == 0:
            scale = encoded.scale[0]
        assert len(encoded.data) <= codec.max_bytes(spec)
        decoded = decoder.decode(encoded, key=number == 0)
        assert encoder.checksum == decoder.checksum != 0
        assert decoded.dtype == torch.float32
        layout = torch.channels_last if spec.channels_last else torch.contiguous_format
        assert decoded.is_contiguous(memory_format=layout)
        scale = encoded.scale[0] if encoded.scale else scale
        # The dead zone of a quiet cell is twice that of a busy one. A value may also lie a quarter beyond the range.
        levels = 2 ** int(name[3]) - 1
        zone = 2.0 * float(name.rpartition("d")[2])
        inside = (tensor >= decoded.min()) & (tensor <= decoded.max())
        assert float(((decoded - tensor).abs() * inside).max()) <= 1.001 * zone * scale
        assert float((decoded - tensor).abs().max()) <= (0.25 * levels + zone) * scale


def test_checksum_by_hand() -> None:
    spec = TensorSpec("row", (4,), "float32")
    encoder, decoder = ends("int4-delta-d0.5", spec)
    encoder.encode(torch.tensor([-1.0, 0.0, 7.0, 14.0]), key=True)
    grid = np.float32(1.0).tobytes() + bytes([1])
    assert encoder.checksum == zlib.crc32(bytes([0, 1, 8, 15]), zlib.crc32(grid))
    # Three of four values change, so each of them counts from half a step.
    encoder.encode(torch.tensor([-1.0, 2.0, 3.0, 11.6]), key=False)
    assert encoder.checksum == zlib.crc32(bytes([0, 3, 4, 13]), zlib.crc32(grid))
    assert decoder.checksum == 0


def test_small_steps_and_lonely_ones_are_not_sent() -> None:
    encoder, decoder = begun()
    tensor = next(scenes(MAP, 1))
    key = decoder.decode(encoder.encode(tensor, key=True), key=True)
    scale = encoder.encode(tensor, key=True).scale[0]
    small, lonely, large = key.clone(), key.clone(), key.clone()
    small += 0.7 * scale * (torch.rand(MAP.shape, generator=torch.Generator().manual_seed(1)) - 0.5)
    lonely[0, 5, 20, 20] = 1.4 * scale + key[0, 5, 20, 20]
    large[0, 5, 20, 20] = 3.0 * scale + key[0, 5, 20, 20]
    before = encoder.checksum
    for unchanged in (small, lonely):
        assert len(encoder.encode(unchanged, key=False).data) < 64
        assert encoder.checksum == before
    encoder.encode(large, key=False)
    assert encoder.checksum != before


@pytest.mark.parametrize("name", DELTAS)
def test_changes_are_coded_much_better_than_with_zstd(name: str) -> None:
    encoder, decoder = ends(name)
    levels, ours, zstds = None, 0, 0
    for number, tensor in enumerate(scenes(MAP, 8)):
        encoded = encoder.encode(tensor, key=number == 0)
        decoded = decoder.decode(encoded, key=number == 0)
        if encoded.scale:
            levels, scale = torch.round(decoded / encoded.scale[0]), encoded.scale[0]
            continue
        assert levels is not None
        new = torch.round(decoded / scale)
        change = (new - levels).to(torch.int8).permute(0, 2, 3, 1).contiguous().numpy()
        ours += len(encoded.data)
        zstds += len(zstandard.ZstdCompressor(level=3).compress(change.data))
        levels = new
    assert 0 < ours <= 0.8 * zstds


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_travels_without_memory(value: float) -> None:
    encoder, decoder = begun()
    before = encoder.checksum
    first, last = scenes(MAP, 2, seed=3)
    first[0, 7, 3, 3] = value
    for key in (False, True):
        encoded = encoder.encode(first, key=key)
        assert encoded.codec == "fp32"
        assert torch.equal(decode(encoded, MAP).nan_to_num(), first.nan_to_num())
        assert encoder.checksum == before
    decoder.decode(encoder.encode(last, key=False), key=False)
    assert encoder.checksum == decoder.checksum != before


@pytest.mark.parametrize("spec", [MAP, dataclasses.replace(MAP, channels_last=False)])
@pytest.mark.parametrize("factor", [3.0, 0.2, 1e-20, 1e37])
def test_a_tensor_of_quite_another_range_is_sent_as_a_whole(spec: TensorSpec, factor: float) -> None:
    encoder, decoder = begun(spec=spec)
    tensor = factor * next(scenes(spec, 1, seed=5))
    encoded = encoder.encode(tensor, key=False)
    assert encoded.scale
    decoded = decoder.decode(encoded, key=False)
    assert encoder.checksum == decoder.checksum
    assert float((decoded - tensor).abs().max()) <= 0.51 * encoded.scale[0]


@pytest.mark.parametrize("value", [0.0, 1e-38, -1e-30, 7.0])
def test_a_key_of_one_value_may_come_first(value: float) -> None:
    encoder, decoder = ends("int6-delta-d0.75")
    flat = torch.full(MAP.shape, value).contiguous(memory_format=torch.channels_last)
    decoder.decode(encoder.encode(flat, key=True), key=True)
    assert not encoder.encode(flat, key=False).scale
    tensor = next(scenes(MAP, 1))
    decoded = decoder.decode(encoder.encode(tensor, key=False), key=False)
    assert encoder.checksum == decoder.checksum
    assert float((decoded - tensor).abs().max()) < 1.0


def test_decoded_tensors_do_not_share_memory_with_the_reference() -> None:
    encoder, decoder = ends("int5-delta-d0.75")
    first, second = scenes(MAP, 2)
    decoded = decoder.decode(encoder.encode(first, key=True), key=True)
    decoded.fill_(9.0)
    again = decoder.decode(encoder.encode(second, key=False), key=False)
    assert float((again - second).abs().max()) < 1.0
    assert encoder.checksum == decoder.checksum


def test_a_lost_frame_shows_in_the_checksum() -> None:
    encoder, decoder = ends("int5-delta-d0.75")
    first, lost, third = scenes(MAP, 3)
    decoder.decode(encoder.encode(first, key=True), key=True)
    encoder.encode(lost, key=False)
    before = encoder.checksum
    assert decoder.checksum != before
    encoded = encoder.encode(third, key=True)
    decoder.decode(encoded, key=True)
    assert encoder.checksum == decoder.checksum


def test_memory_is_counted() -> None:
    encoder, decoder = ends("int5-delta-d0.75")
    assert encoder.held_bytes == decoder.held_bytes == 0
    encoder, decoder = begun()
    assert encoder.held_bytes == 9 * 26 * 26 * 128
    assert decoder.held_bytes == 5 * 26 * 26 * 128


def test_bad_calls_are_refused() -> None:
    codec = get_stream_codec("int5-delta-d0.75")
    image = TensorSpec("image", (1, 3, 416, 416), "uint8", channels_last=True)
    assert not codec.accepts(image) and codec.accepts(MAP)
    for end in (codec.encoder, codec.decoder):
        with pytest.raises(CodecError, match="is uint8 where int5-delta-d0.75 takes float32"):
            end(image)
    encoder, decoder = ends(codec.name)
    with pytest.raises(CodecError, match="encode it as a key"):
        encoder.encode(next(scenes(MAP, 1)), key=False)
    with pytest.raises(CodecError, match="to be encoded is float32"):
        encoder.encode(torch.zeros(1, 128, 13, 13), key=True)
    key = encoder.encode(next(scenes(MAP, 1)), key=True)
    changes = encoder.encode(next(scenes(MAP, 1)), key=False)
    for encoded, is_key in ((changes, False), (changes, True)):
        with pytest.raises(CodecError, match="send a key"):
            decoder.decode(encoded, key=is_key)
    decoder.decode(key, key=True)
    bad: list[EncodedTensor] = [
        dataclasses.replace(changes, codec="int4-delta-d0.5"),
        dataclasses.replace(changes, name="conv5"),
        dataclasses.replace(changes, data=memoryview(bytes(changes.data) + b"\0\0\0\0")),
        dataclasses.replace(changes, data=memoryview(bytes(changes.data) + b"\0")),
        dataclasses.replace(changes, data=memoryview(b"")),
        dataclasses.replace(changes, data=memoryview(bytes(codec.max_bytes(MAP) + 1))),
        dataclasses.replace(changes, scale=(1.0,), zero_point=(3,)),
        dataclasses.replace(key, scale=(math.nan,)),
        dataclasses.replace(key, scale=(), zero_point=()),
        dataclasses.replace(key, data=key.data[:-1]),
    ]
    for encoded in bad:
        decoder.decode(key, key=True)
        with pytest.raises(CodecError) as caught:
            decoder.decode(encoded, key=False)
        assert str(caught.value).count(". ") == 0
        with pytest.raises(CodecError, match="send a key"):
            decoder.decode(changes, key=False)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="Codec with memory 'int3-delta' is not known; choose one of int4-delta"):
        get_stream_codec("int3-delta")


def test_without_a_range_coder_these_codecs_are_absent() -> None:
    # What is None in sys.modules counts as not installed.
    program = (
        "import sys; sys.modules['constriction'] = None\n"
        "from neurosurgeon_ros.codecs import STREAM_CODECS\n"
        "from neurosurgeon_ros.codecs.streams.delta_codecs import why_absent\n"
        "print(why_absent()); print([name for name in STREAM_CODECS if '-delta-' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].endswith("install it with `pip install constriction`")
    assert done.stdout.splitlines()[1] == "[]"
    assert why_absent() is None
