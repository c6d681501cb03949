# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Memory layout of tensors.

A received tensor must have the same layout as a local one. Otherwise kernels may sum in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def canonical_strides(shape: Sequence[int], channels_last: bool) -> tuple[int, ...]:
    """Return the strides of a dense tensor."""
    order = (0, 2, 3, 1) if channels_last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for dimension in reversed(tuple(order)):
        strides[dimension] = step
        step *= max(shape[dimension], 1)
    return tuple(strides)


def lies_channels_last(tensor: torch.Tensor) -> bool:
    """Return whether N, H, W, C is the better order for a tensor: it matches exactly, or better than N, C, H, W."""
    if tensor.dim() != 4:
        return False
    if tensor.stride() == canonical_strides(tensor.shape, channels_last=True):
        return tensor.stride() != canonical_strides(tensor.shape, channels_last=False)
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def is_dense(tensor: torch.Tensor) -> bool:
    """Return whether a tensor already has the strides that it would have after transport."""
    return tensor.stride() == canonical_strides(tensor.shape, lies_channels_last(tensor))


def dense(tensor: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """
    Return the tensor with the strides that it would have after transport; copy only if elements are not adjacent.

    torch infers channels-last from the strides, even if a dimension has one element and both orders are the same.
    """
    strides = canonical_strides(tensor.shape, channels_last)
    if tensor.stride() == strides:
        return tensor
    tensor = tensor.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    return tensor if tensor.stride() == strides else tensor.as_strided(tensor.shape, strides)
