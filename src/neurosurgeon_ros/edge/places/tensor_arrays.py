# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors as arrays of bytes, which Ray carries without a copy of its own, with the layout that they had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.partition.memory_format import canonical_strides, dense, lies_channels_last

#: A tensor as (bytes, dtype, shape, channels_last), or another value as (value,).
Packed = tuple[Any, ...]


def pack(value: Any) -> Packed:
    """Return a tensor's bytes, in the order in which they lie in memory, and its layout; other values as they are."""
    if not isinstance(value, torch.Tensor):
        return (value,)
    channels_last = lies_channels_last(value)
    flat = dense(value, channels_last).as_strided((value.numel(),), (1,)).view(torch.uint8)
    return flat.numpy(), str(value.dtype).removeprefix("torch."), tuple(value.shape), channels_last


def unpack(packed: Packed) -> Any:
    """Return what was packed. A tensor shares the array's memory, unless that may only be read."""
    if len(packed) == 1:
        return packed[0]
    data, dtype, shape, channels_last = packed
    return _tensor(data, getattr(torch, dtype), shape, channels_last)


def _tensor(data: NDArray[np.uint8], dtype: torch.dtype, shape: Sequence[int], channels_last: bool) -> torch.Tensor:
    if not data.size:
        return torch.empty(tuple(shape), dtype=dtype)
    flat = torch.from_numpy(data if data.flags.writeable else data.copy()).view(dtype)
    return flat.as_strided(shape, canonical_strides(shape, channels_last))
