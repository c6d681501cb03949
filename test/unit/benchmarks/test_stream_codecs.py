# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of codecs with memory counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import stream_codecs
import torch

from neurosurgeon_ros.codecs import (
    EncodedTensor,
    StreamCodec,
    StreamDecoder,
    StreamEncoder,
    TensorSpec,
    decode,
    get_codec,
    get_stream_codec,
)
from neurosurgeon_ros.models.files import find

CODEC = get_stream_codec("int6-delta-d0.75")


class LosslessEnd(StreamEncoder, StreamDecoder):
    """Either end of a stream whose frames do not need each other."""

    held_bytes = 0

    def __init__(self, spec: TensorSpec) -> None:
        self.checksum = 1
        self.spec = spec

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        return dataclasses.replace(get_codec("uint8").encode(tensor, self.spec), codec="lossless")

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        return decode(dataclasses.replace(encoded, codec="uint8"), self.spec)


class Lossless(StreamCodec):
    """A codec for images, as video codecs are."""

    name = "lossless"

    def accepts(self, spec: TensorSpec) -> bool:
        return spec.dtype == "uint8"

    def expected_bytes(self, spec: TensorSpec) -> int:
        return get_codec("uint8").expected_bytes(spec)

    expected_key_bytes = max_bytes = expected_bytes

    def encoder(self, spec: TensorSpec) -> LosslessEnd:
        return LosslessEnd(spec)

    decoder = encoder


def test_a_row_for_each_rate_and_arm() -> None:
    fast, slow = stream_codecs.measure(find("bikes.mp4"), [25.0, 12.0], [(CODEC, "pool4")], most_frames=6)
    assert (fast["hz"], slow["hz"]) == (25.0, 12.5)
    for row in (fast, slow):
        assert (row["video"], row["codec"], row["point"], row["frames"]) == ("bikes.mp4", CODEC.name, "pool4", 6)
        assert row["f1_low"] <= row["f1"] <= 1.0
        assert 0 < row["bytes"] < row["key_bytes"]
        assert row["encode_ms"] > 0.0 and row["decode_ms"] > 0.0
    # Every second frame has changed more than every frame.
    assert slow["bytes"] > fast["bytes"]


def test_a_lossless_codec_of_images_agrees_completely() -> None:
    (row,) = stream_codecs.measure(find("bikes.mp4"), [25.0], [(Lossless(), "input")], most_frames=3)
    assert (row["f1"], row["f1_low"], row["bytes"], row["key_bytes"]) == (1.0, 1.0, 3 * 416 * 416, 3 * 416 * 416)


def test_bad_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no partition point 'pool9'; choose one of input"):
        stream_codecs.measure(find("bikes.mp4"), [25.0], [(CODEC, "pool9")])
    no_video = tmp_path / "text.mp4"
    no_video.write_text("no video", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.mp4 cannot be read as a video"):
        stream_codecs.measure(no_video, [25.0], [(CODEC, "pool4")])
