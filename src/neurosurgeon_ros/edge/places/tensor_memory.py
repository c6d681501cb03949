# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Tensors in memory that two processes share.

The memory is an anonymous file (memfd) that is mapped by both processes. It has no name, so nothing stays behind when
both are gone, however they ended. Only numbers travel beside it; nothing is pickled.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Any

import torch

from neurosurgeon_ros.codecs import TensorSpec
from neurosurgeon_ros.partition.memory_format import canonical_strides, dense, lies_channels_last

#: Offsets are multiples of this, as vector instructions want them.
ALIGNMENT = 64

#: Types of values that are no tensors and may be among a network's outputs.
_PLAIN = (bool, int, float, str, type(None))

#: A value of a network's outputs as JSON: [dtype, shape, channels_last, offset] of a tensor, or [value].
Leaf = list[Any]


class TensorMemory:
    """
    Shared memory that grows as needed.

    :param fd: file descriptor of an anonymous file; stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def reserve(self, size: int) -> None:
        """Make the memory at least this many bytes large, and map all of it. Tensors of before stay valid."""
        if size <= self._bytes.numel():
            return
        if size > os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, size + size // 2)
        self._bytes = torch.frombuffer(mmap.mmap(self._fd, os.fstat(self._fd).st_size), dtype=torch.uint8)

    def view(self, offset: int, dtype: torch.dtype, shape: Sequence[int], *, channels_last: bool) -> torch.Tensor:
        """Return the tensor that lies at an offset; the memory must be reserved."""
        size = dtype.itemsize * _numel(shape)
        return (
            self._bytes[offset : offset + size].view(dtype).as_strided(shape, canonical_strides(shape, channels_last))
        )

    def store(self, leaves: Sequence[Any]) -> list[Leaf]:
        """
        Copy the tensors of a network's outputs into the memory.

        :returns: for each value, what :meth:`load` needs.
        :raises TypeError: a value is neither a tensor nor a plain value; the message is one sentence.
        """
        stored: list[Leaf] = []
        placed: list[tuple[torch.Tensor, Leaf]] = []
        end = 0
        for value in leaves:
            if isinstance(value, torch.Tensor):
                channels_last = lies_channels_last(value)
                dtype = str(value.dtype).removeprefix("torch.")
                leaf: Leaf = [dtype, list(value.shape), channels_last, end]
                placed.append((dense(value, channels_last), leaf))
                end = aligned(end + value.dtype.itemsize * value.numel())
            elif isinstance(value, _PLAIN):
                leaf = [value]
            else:
                raise TypeError(f"the network returns a {type(value).__name__}, which another process cannot be sent")
            stored.append(leaf)
        self.reserve(end)
        for tensor, (_, shape, channels_last, offset) in placed:
            self.view(offset, tensor.dtype, shape, channels_last=channels_last).copy_(tensor)
        return stored

    def load(self, leaves: Sequence[Leaf]) -> list[Any]:
        """Return copies of what the other process has stored."""
        return [self._load(*leaf) if len(leaf) > 1 else leaf[0] for leaf in leaves]

    def _load(self, dtype: str, shape: Sequence[int], channels_last: bool, offset: int) -> torch.Tensor:
        kind: torch.dtype = getattr(torch, dtype)
        self.reserve(offset + kind.itemsize * _numel(shape))
        return self.view(offset, kind, shape, channels_last=channels_last).clone(memory_format=torch.preserve_format)


class InputMemory:
    """
    Memory for the tensors of one run: both processes find each tensor at the same place, so none is described.

    :param fd: as for :class:`TensorMemory`.
    :param points: the tensors of each partition point.
    :param requests: maximum number of requests in a run.
    """

    def __init__(self, fd: int, points: Sequence[Sequence[TensorSpec]], requests: int) -> None:
        self._memory = TensorMemory(fd)
        self._points = points
        self._span = max(sum(map(_size, specs)) for specs in points)
        self._memory.reserve(max(1, self._span * requests))
        self._views: dict[tuple[int, int], tuple[torch.Tensor, ...]] = {}

    def tensors(self, point: int, index: int) -> tuple[torch.Tensor, ...]:
        """Return the tensors of one request of a run, in the memory."""
        known = self._views.get((point, index))
        if known is None:
            known = self._views[point, index] = tuple(self._make(point, index))
        return known

    def _make(self, point: int, index: int) -> list[torch.Tensor]:
        offset, tensors = index * self._span, []
        for spec in self._points[point]:
            dtype = getattr(torch, spec.dtype)
            tensors.append(self._memory.view(offset, dtype, spec.shape, channels_last=spec.channels_last))
            offset += _size(spec)
        return tensors


def aligned(size: int) -> int:
    """Return the next multiple of :data:`ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _size(spec: TensorSpec) -> int:
    dtype: torch.dtype = getattr(torch, spec.dtype)
    return aligned(dtype.itemsize * _numel(spec.shape))


def _numel(shape: Sequence[int]) -> int:
    return torch.Size(shape).numel()
