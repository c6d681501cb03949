# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Affine quantisation to 4 to 8 bits: value = (q - zero point) x scale, q in 0 ... 2^bits - 1.

The range always includes 0, so that what a ReLU or padding made 0 stays 0. Ranges come from each tensor: finding them
costs less than a tenth of a millisecond for the largest map that is worth sending.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import (
    Codec,
    CodecError,
    check_length,
    check_spec,
    elements,
    flat_bytes,
    from_memory_order,
    memory_shape,
    tensor_from_bytes,
    to_memory_order,
)
from neurosurgeon_ros.codecs.raw import Fp32
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Most scales that a message carries.
MOST_CHANNELS = 4096
#: Below this a scale (eight bytes with its zero point) weighs too much for its channel.
FEWEST_PER_CHANNEL = 32


class Affine(Codec):
    """
    Integers of a few bits, with a scale and a zero point for the tensor or for each of its channels.

    Two values of 4 bits share a byte, any other has its own. A tensor with NaN or infinity, or with values so near to
    the largest of float32 that a step too far is infinite, travels as fp32.

    :param bits: 4 to 8.
    :param per_channel: a scale for each channel: the second dimension of images, the last of anything else.
    """

    lossless = False

    def __init__(self, bits: int, *, per_channel: bool = False) -> None:
        self.name = f"int{bits}{'c' if per_channel else ''}"
        self._bits = bits
        self._most = 2**bits - 1
        self._per_channel = per_channel
        self._packed = bits == 4

    def accepts(self, spec: TensorSpec) -> bool:
        """Take float32; per channel only where a channel is worth its scale."""
        if spec.dtype != "float32":
            return False
        channels = self._channels(spec)
        return channels == 1 or (channels <= MOST_CHANNELS and elements(spec) >= FEWEST_PER_CHANNEL * channels)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Give the exact size, scales included."""
        return self.max_bytes(spec) + 8 * self._channels(spec)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Give the exact size of the data."""
        return (elements(spec) + 1) // 2 if self._packed else elements(spec)

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Round to the nearest step between the smallest and the largest value."""
        ordered = to_memory_order(tensor, spec)
        if not ordered.numel():
            return Fp32().encode(tensor, spec)
        by_channel = self._by_channel(ordered, spec)
        low, high = torch.aminmax(by_channel, dim=0) if self._per_channel else torch.aminmax(by_channel)
        low, high = low.double().clamp(max=0), high.double().clamp(min=0)
        if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
            return Fp32().encode(tensor, spec)
        # float32 is what travels; a tensor of zeros, or of next to zeros, has steps of the smallest normal number.
        tiny = torch.finfo(torch.float32).tiny
        scale = ((high - low) / self._most).clamp(min=tiny).float()
        zero_point = (-low / scale).round().clamp(0, self._most).float()
        if not self._stays_finite(scale, zero_point):
            return Fp32().encode(tensor, spec)
        steps = (by_channel / scale).round_().add_(zero_point).clamp_(0, self._most).to(torch.uint8)
        values = self._from_channels(steps, spec).numpy()
        return EncodedTensor(
            name=spec.name,
            dtype=spec.dtype,
            shape=spec.shape,
            codec=self.name,
            data=(_pack(values) if self._packed else values).data,
            scale=tuple(scale.reshape(-1).tolist()),
            zero_point=tuple(int(z) for z in zero_point.reshape(-1).tolist()),
        )

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Give the middle of each step."""
        check_spec(encoded, spec, self.name)
        data = flat_bytes(encoded)
        check_length(encoded, data, self.max_bytes(spec))
        scale, zero_point = self._check_quantisation(encoded, spec)
        if self._packed:
            steps = torch.from_numpy(_unpack(np.frombuffer(data, np.uint8), elements(spec)))
        else:
            steps = tensor_from_bytes(data, torch.uint8)
            if self._bits < 8 and int(steps.max()) > self._most:
                raise CodecError(
                    f"Encoded tensor {encoded.name!r} has the value {int(steps.max())} where {self.name} goes to "
                    f"{self._most}; it was damaged on the way."
                )
        values = self._by_channel(steps, spec).to(torch.float32)
        return from_memory_order(self._from_channels(values.sub_(zero_point).mul_(scale), spec), spec)

    def _check_quantisation(self, encoded: EncodedTensor, spec: TensorSpec) -> tuple[torch.Tensor, torch.Tensor]:
        channels = self._channels(spec)
        if len(encoded.scale) != channels or len(encoded.zero_point) != channels:
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has {len(encoded.scale)} scales and {len(encoded.zero_point)} zero "
                f"points where {self.name} has {channels} of each; both sides must run the same model."
            )
        scale = torch.tensor(tuple(encoded.scale), dtype=torch.float32)
        zero_point = torch.tensor(tuple(encoded.zero_point), dtype=torch.int64)
        if not bool((torch.isfinite(scale) & (scale > 0) & (zero_point >= 0) & (zero_point <= self._most)).all()):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has a scale that is not above 0 or a zero point outside 0 to "
                f"{self._most}; it was damaged on the way."
            )
        if not self._stays_finite(scale, zero_point):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has a scale by which values are infinite; it was damaged on the way."
            )
        return (scale, zero_point.float()) if self._per_channel else (scale[0], zero_point[0].float())

    def _stays_finite(self, scale: torch.Tensor, zero_point: torch.Tensor) -> bool:
        """Whether the ends of each range are numbers of float32."""
        ends = torch.stack((zero_point, self._most - zero_point)).float() * scale
        return bool(torch.isfinite(ends).all())

    def _channels(self, spec: TensorSpec) -> int:
        if not self._per_channel:
            return 1
        return spec.shape[1] if len(spec.shape) == 4 else spec.shape[-1] if spec.shape else 1

    def _by_channel(self, ordered: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
        """Give a view of shape (elements per channel, channels); flat where there is one scale."""
        if not self._per_channel:
            return ordered.reshape(-1)
        if len(spec.shape) == 4 and not spec.channels_last:
            return ordered.reshape(spec.shape).permute(0, 2, 3, 1).reshape(-1, spec.shape[1])
        return ordered.reshape(-1, self._channels(spec))

    def _from_channels(self, values: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
        """Give a flat tensor in the order of memory."""
        if self._per_channel and len(spec.shape) == 4 and not spec.channels_last:
            n, c, h, w = memory_shape(spec)
            values = values.view(n, h, w, c).permute(0, 3, 1, 2)
        return values.reshape(-1)


def _pack(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put two values into each byte, the first one high."""
    if values.size % 2:
        values = np.append(values, np.uint8(0))
    return np.bitwise_or(np.left_shift(values[0::2], 4), values[1::2], dtype=np.uint8)


def _unpack(data: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Undo :func:`_pack`."""
    values = np.empty((data.size, 2), dtype=np.uint8)
    np.right_shift(data, 4, out=values[:, 0])
    np.bitwise_and(data, 15, out=values[:, 1])
    return values.reshape(-1)[:count]
