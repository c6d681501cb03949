# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Send the frames of a stream by an arm: what the robot encodes and the edge decodes, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurosurgeon_ros.codecs import CameraImage, EncodedTensor, StreamCodec, StreamDecoder, StreamEncoder, decode
from neurosurgeon_ros.codecs.streams.camera_stream import ImageDecoder, ImageEncoder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine


@dataclass(frozen=True, slots=True)
class Sent:
    """
    One frame after it was sent.

    :param tensors: what the edge decoded.
    :param nbytes: bytes of all tensors that crossed.
    :param encode_s: seconds that the robot took to encode.
    :param decode_s: seconds until the edge had the tensors; it pre-processes a camera's image itself.
    """

    tensors: tuple[torch.Tensor, ...]
    nbytes: int
    encode_s: float
    decode_s: float


class Stream:
    """
    Both ends of one stream. The first frame is the only key. An arm without memory sends each frame alone.

    :param engine: its points and its pre-processing are those of the arm.
    :param arm: any arm but `on_device` and `as_received`.
    """

    def __init__(self, engine: Engine, arm: Arm) -> None:
        self._engine, self._arm = engine, arm
        self._specs = engine.partitioned.points[arm.point].tensors
        self._encoders: list[StreamEncoder | None] = []
        self._decoders: list[StreamDecoder | None] = []
        for codec, spec in zip(arm.carriers, self._specs, strict=True):
            has_memory = isinstance(codec, StreamCodec)
            self._encoders.append(codec.encoder(spec) if has_memory else None)
            self._decoders.append(codec.decoder(spec) if has_memory else None)
        self._key = True

    def send(self, image: CameraImage, tensors: Sequence[torch.Tensor]) -> Sent:
        """
        Encode and decode the next frame.

        :param image: the camera's image.
        :param tensors: what crosses at the arm's partition point.
        :raises CodecError: the frame cannot be encoded.
        """
        begun_s = time.perf_counter()
        encoded = self._encode(image, tensors)
        sent_s = time.perf_counter()
        decoded = self._decode(encoded)
        done_s = time.perf_counter()
        self._key = False
        for encoder, decoder in zip(self._encoders, self._decoders, strict=True):
            if encoder is not None and decoder is not None and encoder.checksum != decoder.checksum:
                raise RuntimeError(f"Robot and edge hold different references for {self._arm.name}; repair its codec.")
        return Sent(decoded, sum(one.data.nbytes for one in encoded), sent_s - begun_s, done_s - sent_s)

    def _encode(self, image: CameraImage, tensors: Sequence[torch.Tensor]) -> tuple[EncodedTensor, ...]:
        if not self._arm.is_stream:
            if self._arm.sends_image:
                return self._engine.encode_image(self._arm, image)
            return self._engine.encode(self._arm, tensors)
        encoded = []
        for codec, encoder, tensor, spec in zip(self._arm.carriers, self._encoders, tensors, self._specs, strict=True):
            if isinstance(encoder, ImageEncoder):
                encoded.append(encoder.carry(image, key=self._key))
            elif encoder is not None:
                encoded.append(encoder.encode(tensor, key=self._key))
            elif not isinstance(codec, StreamCodec):
                encoded.append(codec.encode(tensor, spec))
        return tuple(encoded)

    def _decode(self, encoded: Sequence[EncodedTensor]) -> tuple[torch.Tensor, ...]:
        if not self._arm.is_stream:
            return self._engine.decode(self._arm.point, encoded)
        decoded = []
        for codec, decoder, one, spec in zip(self._arm.carriers, self._decoders, encoded, self._specs, strict=True):
            if decoder is None or one.codec != codec.name:  # a tensor with NaN is sent without memory
                decoded.append(decode(one, spec))
            elif isinstance(decoder, ImageDecoder):
                decoded.append(self._engine.preprocessed(decoder.image(one, key=self._key), spec))
            else:
                decoded.append(decoder.decode(one, key=self._key))
        return tuple(decoded)
