# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Both ends of one arm's stream in one place, to try a codec without an edge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, StreamCodec, decode, is_stream_codec
from neurosurgeon_ros.codecs.streams.camera_stream import ImageDecoder
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder, StreamEncoder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.stream_frames import encode_frame, new_encoders


@dataclass(frozen=True, slots=True, eq=False)
class SentFrame:
    """
    A frame that went through a stream.

    :param sent_bytes: number of bytes of all tensors that crossed.
    :param is_key: whether it was a key.
    :param tensors: what the edge decoded, for the arm's partition point.
    :param encode_s: seconds that the robot took to encode.
    :param decode_s: seconds until the edge had the tensors; it pre-processes a camera's image itself.
    """

    sent_bytes: int
    is_key: bool
    tensors: tuple[torch.Tensor, ...]
    encode_s: float
    decode_s: float


class StreamTrial:
    """
    Sends frames through the codec of an arm, as robot and edge do if no frame is lost.

    :param arm: any arm but `on_device`. If its codec has no memory, each frame is sent alone, and none is a key.
    """

    def __init__(self, engine: Engine, arm: Arm) -> None:
        self._engine = engine
        self._arm = arm
        self._specs = engine.partitioned.points[arm.point].tensors
        self._encoders: dict[int, StreamEncoder] = {}
        self._decoders: dict[int, StreamDecoder] = {}

    def send(self, tensors: Sequence[torch.Tensor], image: CameraImage) -> SentFrame:
        """
        Send a frame. With memory, it is a key if it is the first one, or if it cannot build on the last one.

        :param tensors: the tensors at the arm's partition point.
        :param image: the camera's image, for an arm that sends it.
        :raises CodecError: if the codec cannot carry it even as a key.
        :raises RuntimeError: if both ends hold different references afterwards, which is a defect of the codec.
        """
        begun_s = time.perf_counter()
        encoded, is_key = self._encode(tensors, image)
        between_s = time.perf_counter()
        decoded = self._decode(encoded, key=is_key)
        ended_s = time.perf_counter()
        for index, encoder in self._encoders.items():
            if is_stream_codec(encoded[index].codec) and encoder.checksum != self._decoders[index].checksum:
                raise RuntimeError(f"robot and edge hold different references for {self._arm.name}: repair its codec")
        if is_key and any(not is_stream_codec(encoded[index].codec) for index in self._encoders):
            self._encoders.clear()  # a tensor that the key left out has nothing to build on
        sent_bytes = sum(one.data.nbytes for one in encoded)
        return SentFrame(sent_bytes, is_key, decoded, between_s - begun_s, ended_s - between_s)

    def _encode(self, tensors: Sequence[torch.Tensor], image: CameraImage) -> tuple[tuple[EncodedTensor, ...], bool]:
        if not self._arm.is_stream:
            if self._arm.sends_image:
                return self._engine.encode_image(self._arm, image), False
            return self._engine.encode(self._arm, tensors), False
        if self._encoders:
            try:
                return self._encode_as(tensors, image, key=False), False
            except CodecError:  # the picture has other margins than the key, for example
                pass
        self._encoders = new_encoders(self._arm, self._specs)
        self._decoders = {
            index: codec.decoder(spec)
            for index, (codec, spec) in enumerate(zip(self._arm.carriers, self._specs, strict=True))
            if isinstance(codec, StreamCodec)
        }
        return self._encode_as(tensors, image, key=True), True

    def _encode_as(
        self, tensors: Sequence[torch.Tensor], image: CameraImage, *, key: bool
    ) -> tuple[EncodedTensor, ...]:
        return encode_frame(self._arm, self._specs, self._encoders, lambda: tensors, image, key=key)

    def _decode(self, encoded: Sequence[EncodedTensor], *, key: bool) -> tuple[torch.Tensor, ...]:
        if not self._arm.is_stream:
            return self._engine.decode(self._arm.point, encoded)
        if self._arm.sends_image:
            decoder = self._decoders[0]
            assert isinstance(decoder, ImageDecoder)
            return (self._engine.preprocessed(decoder.image(encoded[0], key=key), self._specs[0]),)
        return tuple(
            self._decoders[index].decode(one, key=key) if is_stream_codec(one.codec) else decode(one, spec)
            for index, (one, spec) in enumerate(zip(encoded, self._specs, strict=True))
        )
