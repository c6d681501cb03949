# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Whole networks that skip the padding rows of letterboxed images.

Padding is found in the pixels, regardless of its origin: rows above and below the image that all have one value. The
outputs are the same, bit for bit, as with the padding; see :mod:`neurosurgeon_ros.partition.padding`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurosurgeon_ros.partition import PartitionedNetwork, Rows, WholeWithoutPadding
from neurosurgeon_ros.partition.padding import WORTH

#: Number of consecutive images with the same padding before a network is made for them. Making one takes several times
#: as long as a run of the network.
IMAGES_BEFORE_MAKING = 4

#: Maximum number of networks to keep, one per image size. The most recently used ones are kept.
MOST = 4


class Padding(NamedTuple):
    """
    Padding of an input.

    :param value: value of every padding pixel, by channel.
    :param rows: rows that are not padding.
    """

    value: tuple[float, ...]
    rows: Rows

    def covers(self, other: Padding) -> bool:
        """Return whether an input with the other padding also has this padding."""
        inside = self.rows.first <= other.rows.first and other.rows.end <= self.rows.end
        return inside and self.value == other.value


class PaddingElimination:
    """
    Finds padding, and keeps the networks that skip it. Use from one thread only.

    :param partitioned: network that runs on the CPU.
    """

    def __init__(self, partitioned: PartitionedNetwork) -> None:
        self._partitioned = partitioned
        self._made: OrderedDict[Padding, WholeWithoutPadding | None] = OrderedDict()
        self._missed: Padding | None = None
        self._times = 0

    def find(self, inputs: Sequence[torch.Tensor]) -> WholeWithoutPadding | None:
        """
        Return the network that skips the padding that all of these inputs share.

        :returns: None if there is no such network, or not yet.
        """
        padding = _common([find_padding(x) for x in inputs])
        if padding is None:
            return None
        for known, network in self._made.items():
            if known.covers(padding):
                self._made.move_to_end(known)
                return network
        self._times = self._times + 1 if padding == self._missed else 1
        self._missed = padding
        return None

    def prepare(self) -> None:
        """Make the network that was missed often enough. Call this when idle."""
        if self._missed is not None and self._times >= IMAGES_BEFORE_MAKING:
            self._make(self._missed)
            self._missed = None

    def expect(self, x: torch.Tensor) -> WholeWithoutPadding | None:
        """Return the network for inputs with this one's padding; make it if it is missing. Call this when idle."""
        padding = find_padding(x)
        if padding is not None and not any(known.covers(padding) for known in self._made):
            self._make(padding)
        return self.find((x,))

    def _make(self, padding: Padding) -> None:
        example = self._partitioned.points[0].tensors[0]
        empty = torch.empty(example.shape, dtype=getattr(torch, example.dtype), memory_format=torch.channels_last)
        empty[:] = torch.tensor(padding.value).view(1, -1, 1, 1)
        self._made[padding] = self._partitioned.without_padding(empty, padding.rows)
        while len(self._made) > MOST:
            self._made.popitem(last=False)


def _common(several: Sequence[Padding | None]) -> Padding | None:
    """Return the padding that several inputs share; None if they share none."""
    found = [one for one in several if one is not None]
    if len(found) < len(several) or len({one.value for one in found}) > 1:
        return None
    return Padding(found[0].value, Rows(min(one.rows.first for one in found), max(one.rows.end for one in found)))


def find_padding(x: torch.Tensor) -> Padding | None:
    """
    Find the rows above and below the image that all have one value.

    :param x: a network's input, on the CPU.
    :returns: None if the input is not an image, or has only few such rows.
    """
    if x.dim() != 4 or len(x) != 1 or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    pixels = x[0].permute(1, 2, 0).numpy()
    height, value = len(pixels), pixels[0, 0]
    if not ((pixels[0] == value).all() and (pixels[-1] == value).all()):
        return None
    rows = pixels.reshape(height, -1)
    filled = np.flatnonzero((rows != rows[0]).any(axis=1))
    if not len(filled) or filled[-1] + 1 - filled[0] > WORTH * height:
        return None
    return Padding(tuple(map(float, value)), Rows(int(filled[0]), int(filled[-1]) + 1))
