# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Interface of codecs with memory: both ends hold a reference, and a frame is sent as its difference from it.

A stream is one tensor of one arm of one robot session at one edge. The encoder advances its reference with every frame
that it encodes, as if the frame had already arrived. So several frames may be on the way. If one of them is lost, the
decoder's reference is an older one, the next frame's checksum shows it, and the stream starts again with a key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec


class StreamEncoder(ABC):
    """
    The robot's end of a stream; it belongs to one thread at a time.

    :ivar checksum: CRC-32 of the reference after the last encoded frame; 0 before the first one. For a video codec,
        whose decoding is exact, it is the CRC-32 of all packets since the last key.
    """

    checksum: int

    @property
    @abstractmethod
    def held_bytes(self) -> int:
        """Return the memory that the reference takes, in bytes."""

    @abstractmethod
    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        """
        Encode a tensor and advance the reference.

        :param tensor: tensor with the shape, element type and memory format of the stream's specification.
        :param key: encode without the reference. The first frame of a stream must be a key.
        :returns: the bytes. If the tensor cannot be part of a stream (NaN or infinity), the result names a codec
            without memory and the reference stays as it was.
        :raises CodecError: the tensor does not match the specification, or the first frame is not a key.
        """


class StreamDecoder(ABC):
    """
    The edge's end of a stream; it belongs to one thread at a time.

    :ivar checksum: like :attr:`StreamEncoder.checksum`, after the last decoded frame.
    """

    checksum: int

    @property
    @abstractmethod
    def held_bytes(self) -> int:
        """Return the memory that the reference takes, in bytes."""

    @abstractmethod
    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        """
        Decode an untrusted tensor from another machine and advance the reference.

        A tensor that names a codec without memory belongs to :func:`neurosurgeon_ros.codecs.decode` instead.

        :param key: the tensor was encoded without a reference.
        :returns: a tensor with the shape, element type and memory format of the specification. It does not share memory
            with the reference.
        :raises CodecError: the encoded tensor does not match the specification, or it cannot be decoded. The reference
            is undefined then: the next frame must be a key.
        """


class StreamCodec(ABC):
    """
    Makes the ends of streams; it has no state of its own, so one instance serves all threads.

    :ivar name: registered name, which is sent with each tensor.
    :ivar lossless: whether the edge gets exactly what the robot has.
    :ivar calibrated: whether encoding needs limits found by a calibration.
    """

    name: str
    lossless: bool = False
    calibrated: bool = False

    @abstractmethod
    def accepts(self, spec: TensorSpec) -> bool:
        """Return whether tensors of this kind can be encoded."""

    @abstractmethod
    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical encoded size in bytes of a frame that is no key."""

    @abstractmethod
    def expected_key_bytes(self, spec: TensorSpec) -> int:
        """Return the typical encoded size in bytes of a key."""

    @abstractmethod
    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the maximum encoded size in bytes; larger data is rejected before it is parsed."""

    @abstractmethod
    def encoder(self, spec: TensorSpec) -> StreamEncoder:
        """
        Return a new robot's end of a stream.

        :raises CodecError: the codec does not support this tensor.
        """

    @abstractmethod
    def decoder(self, spec: TensorSpec) -> StreamDecoder:
        """
        Return a new edge's end of a stream.

        :raises CodecError: the codec does not support this tensor.
        """
