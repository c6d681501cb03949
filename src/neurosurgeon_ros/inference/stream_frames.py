# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Encode the frames of an arm's stream: by its image, or tensor by tensor, each with memory or without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from neurosurgeon_ros.codecs import CameraImage, EncodedTensor, StreamCodec, StreamEncoder, TensorSpec
from neurosurgeon_ros.codecs.streams.camera_stream import ImageEncoder
from neurosurgeon_ros.inference.arm import Arm


def new_encoders(arm: Arm, specs: Sequence[TensorSpec]) -> dict[int, StreamEncoder]:
    """Make an encoder for each of the arm's tensors whose codec has memory, by the tensor's index."""
    pairs = zip(arm.carriers, specs, strict=True)
    return {index: codec.encoder(spec) for index, (codec, spec) in enumerate(pairs) if isinstance(codec, StreamCodec)}


def encode_frame(
    arm: Arm,
    specs: Sequence[TensorSpec],
    encoders: Mapping[int, StreamEncoder],
    tensors: Callable[[], Sequence[torch.Tensor]],
    image: CameraImage,
    *,
    key: bool,
) -> tuple[EncodedTensor, ...]:
    """
    Encode a frame of an arm whose codec has memory.

    :param specs: the tensors at the arm's partition point.
    :param encoders: those of the stream, as :func:`new_encoders` makes them.
    :param tensors: returns the tensors at the arm's partition point.
    :param image: the camera's image, for an arm that sends it.
    :param key: whether the frame builds on no other one.
    :raises CodecError: if a codec cannot carry the frame so; a key may be possible.
    """
    if arm.sends_image:
        encoder = encoders[0]
        assert isinstance(encoder, ImageEncoder)
        return (encoder.carry(image, key=key),)
    return tuple(
        encoders[index].encode(tensor, key=key) if isinstance(codec, StreamCodec) else codec.encode(tensor, spec)
        for index, (codec, tensor, spec) in enumerate(zip(arm.carriers, tensors(), specs, strict=True))
    )
