# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Both ends of one arm's stream in one place, to try a codec with memory without an edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, StreamCodec, decode, is_stream_codec
from neurosurgeon_ros.codecs.streams.camera_stream import ImageDecoder, ImageEncoder
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder, StreamEncoder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine


@dataclass(frozen=True, slots=True, eq=False)
class SentFrame:
    """
    A frame that went through a stream.

    :param sent_bytes: number of bytes sent.
    :param is_key: whether it was a key.
    :param tensors: what the edge decoded, for the arm's partition point.
    """

    sent_bytes: int
    is_key: bool
    tensors: tuple[torch.Tensor, ...]


class StreamTrial:
    """
    Sends frames through the codec of an arm, as robot and edge do if no frame is lost.

    :param arm: an arm whose codec has memory.
    """

    def __init__(self, engine: Engine, arm: Arm) -> None:
        self._engine = engine
        self._arm = arm
        self._specs = engine.partitioned.points[arm.point].tensors
        self._encoders: dict[int, StreamEncoder] = {}
        self._decoders: dict[int, StreamDecoder] = {}

    def send(self, tensors: Sequence[torch.Tensor], image: CameraImage) -> SentFrame:
        """
        Send a frame. It is a key if it is the first one, or if it cannot build on the last one.

        :param tensors: the tensors at the arm's partition point.
        :param image: the camera's image, for an arm that sends it.
        :raises CodecError: if the codec cannot carry it even as a key.
        """
        encoded, is_key = self._encode(tensors, image)
        decoded = self._decode(encoded, key=is_key)
        if is_key and any(not is_stream_codec(encoded[index].codec) for index in self._encoders):
            self._encoders.clear()  # a tensor that the key left out has nothing to build on
        return SentFrame(sum(one.data.nbytes for one in encoded), is_key, decoded)

    def _encode(self, tensors: Sequence[torch.Tensor], image: CameraImage) -> tuple[tuple[EncodedTensor, ...], bool]:
        if self._encoders:
            try:
                return self._encode_as(tensors, image, key=False), False
            except CodecError:  # the picture has other margins than the key, for example
                self._encoders.clear()
        codecs = list(zip(self._arm.carriers, self._specs, strict=True))
        streams = {index: (codec, spec) for index, (codec, spec) in enumerate(codecs) if isinstance(codec, StreamCodec)}
        self._encoders = {index: codec.encoder(spec) for index, (codec, spec) in streams.items()}
        self._decoders = {index: codec.decoder(spec) for index, (codec, spec) in streams.items()}
        return self._encode_as(tensors, image, key=True), True

    def _encode_as(
        self, tensors: Sequence[torch.Tensor], image: CameraImage, *, key: bool
    ) -> tuple[EncodedTensor, ...]:
        if self._arm.sends_image:
            encoder = self._encoders[0]
            assert isinstance(encoder, ImageEncoder)
            return (encoder.carry(image, key=key),)
        encoded = []
        for index, (codec, tensor, spec) in enumerate(zip(self._arm.carriers, tensors, self._specs, strict=True)):
            if isinstance(codec, StreamCodec):
                encoded.append(self._encoders[index].encode(tensor, key=key))
            else:
                encoded.append(codec.encode(tensor, spec))
        return tuple(encoded)

    def _decode(self, encoded: Sequence[EncodedTensor], *, key: bool) -> tuple[torch.Tensor, ...]:
        if self._arm.sends_image:
            decoder = self._decoders[0]
            assert isinstance(decoder, ImageDecoder)
            return (self._engine.preprocessed(decoder.image(encoded[0], key=key), self._specs[0]),)
        return tuple(
            self._decoders[index].decode(one, key=key) if is_stream_codec(one.codec) else decode(one, spec)
            for index, (one, spec) in enumerate(zip(encoded, self._specs, strict=True))
        )
