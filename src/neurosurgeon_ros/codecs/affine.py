# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Affine quantisation to 4 to 8 bits: value = (q - zero point) x scale, q in 0 ... 2^bits - 1.

The range always includes 0, so zeros from a ReLU or padding stay 0. The range comes from each tensor, or from a
calibration if that loses less. Finding the range of a tensor takes less than a tenth of a millisecond for the largest
map that is worth sending. Scale and zero point are sent, so the decoder does not need to know the source of the range.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

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
from neurosurgeon_ros.codecs.limits import Limits, fit_limits
from neurosurgeon_ros.codecs.raw import Fp32
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Maximum number of scales in a message.
MOST_CHANNELS = 4096
#: Minimum elements per channel; below this, a scale (eight bytes with its zero point) is too large for its channel.
FEWEST_PER_CHANNEL = 32
#: Number of values of each tensor that are used to find limits.
FITTED_TO = 65536


class _Grid(NamedTuple):
    """
    Position of the steps, as float32; one value each, or one for each channel.

    :param scale: distance between two steps, above 0.
    :param zero_point: the step that represents 0, a whole number.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor


class Affine(Codec):
    """
    Integers of a few bits, with a scale and a zero point for the tensor or for each of its channels.

    Two 4-bit values share a byte; values of more bits take one byte each. The codec sends a tensor as fp32 if it has
    NaN or infinity, or values so close to the float32 maximum that one step too far is infinite.

    :param bits: 4 to 8.
    :param per_channel: one scale for each channel: the second dimension of images, the last of any other tensor.
    :param calibrated: use the limits of a calibration if they lose less than the tensor's own range.
    """

    lossless = False

    def __init__(self, bits: int, *, per_channel: bool = False, calibrated: bool = False) -> None:
        self.name = f"int{bits}{'c' if per_channel else ''}{'-cal' if calibrated else ''}"
        self.calibrated = calibrated
        self._bits = bits
        self._most = 2**bits - 1
        self._per_channel = per_channel
        self._packed = bits == 4
        self._fitted: _Grid | None = None

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept float32; per channel only if each channel is large enough for its scale."""
        if spec.dtype != "float32":
            return False
        channels = self._channels(spec)
        return channels == 1 or (channels <= MOST_CHANNELS and elements(spec) >= FEWEST_PER_CHANNEL * channels)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size, including the scales."""
        return self.max_bytes(spec) + 8 * self._channels(spec)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size of the data."""
        return (elements(spec) + 1) // 2 if self._packed else elements(spec)

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Round each value to the nearest step between the smallest and the largest value, or between the limits."""
        ordered = to_memory_order(tensor, spec)
        if not ordered.numel():
            return Fp32().encode(tensor, spec)
        by_channel = self._by_channel(ordered, spec)
        low, high = torch.aminmax(by_channel, dim=0) if self._per_channel else torch.aminmax(by_channel)
        low, high = low.double().clamp(max=0), high.double().clamp(min=0)
        if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
            return Fp32().encode(tensor, spec)
        grid = self._grid(low, high)
        if not self._stays_finite(grid):
            return Fp32().encode(tensor, spec)
        grid, steps = self._quantise(by_channel, grid)
        values = self._from_channels(steps, spec).numpy()
        return EncodedTensor(
            name=spec.name,
            dtype=spec.dtype,
            shape=spec.shape,
            codec=self.name,
            data=(_pack(values) if self._packed else values).data,
            scale=tuple(grid.scale.reshape(-1).tolist()),
            zero_point=tuple(int(z) for z in grid.zero_point.reshape(-1).tolist()),
        )

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Return the middle of each step."""
        check_spec(encoded, spec, self.name)
        data = flat_bytes(encoded)
        check_length(encoded, data, self.max_bytes(spec))
        grid = self._check_quantisation(encoded, spec)
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
        return from_memory_order(self._from_channels(values.sub_(grid.zero_point).mul_(grid.scale), spec), spec)

    def fit(self, tensors: Sequence[torch.Tensor], spec: TensorSpec) -> Limits | None:
        """Find limits from values sampled from the tensors; each sample has one value of each channel."""
        if not self.calibrated:
            return None
        channels, random = self._channels(spec), torch.Generator().manual_seed(0)
        drawn = []
        for tensor in tensors:
            rows = self._by_channel(to_memory_order(tensor, spec), spec).reshape(-1, channels)
            if len(rows):
                few = rows[torch.randint(len(rows), (max(1, FITTED_TO // channels),), generator=random)]
                drawn.append(few[torch.isfinite(few).all(dim=1)])
        values = torch.cat(drawn) if drawn else torch.empty(0, channels)
        return fit_limits(values, self._most) if len(values) else None

    def within(self, limits: Limits, spec: TensorSpec) -> Affine:
        """Return a codec of the same name that uses these limits."""
        if len(limits.low) != self._channels(spec):
            raise CodecError(
                f"Tensor {spec.name!r} was given {len(limits.low)} limits where {self.name} has "
                f"{self._channels(spec)}; calibrate again."
            )
        low, high = (torch.tensor(ends, dtype=torch.float64) for ends in (limits.low, limits.high))
        fitted = copy.copy(self)
        grid = self._grid(low, high) if self._per_channel else self._grid(low[0], high[0])
        fitted._fitted = grid if self._stays_finite(grid) else None
        return fitted

    def _grid(self, low: torch.Tensor, high: torch.Tensor) -> _Grid:
        """Divide the range between two float64 numbers into steps."""
        # The scale is sent as float32. A tensor of zeros or near-zeros has steps of the smallest normal number.
        tiny = torch.finfo(torch.float32).tiny
        scale = ((high - low) / self._most).clamp(min=tiny).float()
        return _Grid(scale, (-low / scale).round().clamp(0, self._most).float())

    def _quantise(self, by_channel: torch.Tensor, own: _Grid) -> tuple[_Grid, torch.Tensor]:
        """Return the tensor's own grid, or the calibrated one if that loses less, and the steps on that grid."""
        if self._fitted is not None:
            steps = (by_channel / self._fitted.scale).round_().add_(self._fitted.zero_point)
            kept = steps.clamp(0, self._most)
            beyond = steps.sub_(kept).square_().mean(dim=0).double()
            # Rounding alone has a mean squared error of a twelfth of a step squared.
            lost = (self._fitted.scale.double().square() * (1 / 12 + beyond)).sum()
            if lost < (own.scale.double().square() / 12).sum():
                return self._fitted, kept.to(torch.uint8)
        steps = (by_channel / own.scale).round_().add_(own.zero_point).clamp_(0, self._most)
        return own, steps.to(torch.uint8)

    def _check_quantisation(self, encoded: EncodedTensor, spec: TensorSpec) -> _Grid:
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
        grid = _Grid(scale, zero_point.float()) if self._per_channel else _Grid(scale[0], zero_point[0].float())
        if not self._stays_finite(grid):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has a scale by which values are infinite; it was damaged on the way."
            )
        return grid

    def _stays_finite(self, grid: _Grid) -> bool:
        """Return whether the ends of each range are finite in float32."""
        ends = torch.stack((grid.zero_point, self._most - grid.zero_point)) * grid.scale
        return bool(torch.isfinite(ends).all())

    def _channels(self, spec: TensorSpec) -> int:
        if not self._per_channel:
            return 1
        return spec.shape[1] if len(spec.shape) == 4 else spec.shape[-1] if spec.shape else 1

    def _by_channel(self, ordered: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
        """Return a view of shape (elements per channel, channels); flat if there is one scale."""
        if not self._per_channel:
            return ordered.reshape(-1)
        if len(spec.shape) == 4 and not spec.channels_last:
            return ordered.reshape(spec.shape).permute(0, 2, 3, 1).reshape(-1, spec.shape[1])
        return ordered.reshape(-1, self._channels(spec))

    def _from_channels(self, values: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
        """Return a flat tensor in memory order."""
        if self._per_channel and len(spec.shape) == 4 and not spec.channels_last:
            n, c, h, w = memory_shape(spec)
            values = values.view(n, h, w, c).permute(0, 3, 1, 2)
        return values.reshape(-1)


def _pack(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack two values into each byte, the first one in the high bits."""
    if values.size % 2:
        values = np.append(values, np.uint8(0))
    return np.bitwise_or(np.left_shift(values[0::2], 4), values[1::2], dtype=np.uint8)


def _unpack(data: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Undo :func:`_pack`."""
    values = np.empty((data.size, 2), dtype=np.uint8)
    np.right_shift(data, 4, out=values[:, 0])
    np.bitwise_and(data, 15, out=values[:, 1])
    return values.reshape(-1)[:count]
