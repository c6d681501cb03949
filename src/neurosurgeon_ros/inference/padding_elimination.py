# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Whole networks for images that fill only some rows of their input, as letterboxes leave it.

Which rows these are is read from the pixels, so that it holds whatever made them: rows above and below that all have
one value. The outputs have the same bits as without it; see :mod:`neurosurgeon_ros.partition.padding`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurosurgeon_ros.partition import PartitionedNetwork, Rows, WholeWithoutPadding
from neurosurgeon_ros.partition.padding import WORTH

#: Images of the same padding that come one after the other before anything is made for them: it takes several times
#: as long as a run of the network.
IMAGES_BEFORE_MAKING = 4

#: Networks that are kept, those used last: as many sizes of image.
MOST = 4


class Padding(NamedTuple):
    """
    What there is of an input before the image is in it.

    :param value: of every padding pixel, by channel.
    :param rows: that are not padding.
    """

    value: tuple[float, ...]
    rows: Rows

    def covers(self, other: Padding) -> bool:
        """Whether an input with that padding has this, too."""
        inside = self.rows.first <= other.rows.first and other.rows.end <= self.rows.end
        return inside and self.value == other.value


class PaddingElimination:
    """
    Finds padding and keeps the networks that leave it out. For one thread.

    :param partitioned: runs on the CPU.
    """

    def __init__(self, partitioned: PartitionedNetwork) -> None:
        self._partitioned = partitioned
        self._made: OrderedDict[Padding, WholeWithoutPadding | None] = OrderedDict()
        self._missed: Padding | None = None
        self._times = 0

    def find(self, inputs: Sequence[torch.Tensor]) -> WholeWithoutPadding | None:
        """
        Return the network that leaves out what is padding in all of these inputs.

        :returns: None if there is none, or none yet.
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
        """Make what was missed often enough; to be called while nobody waits."""
        if self._missed is not None and self._times >= IMAGES_BEFORE_MAKING:
            self._make(self._missed)
            self._missed = None

    def expect(self, x: torch.Tensor) -> WholeWithoutPadding | None:
        """Make what inputs with this one's padding need, unless it is there; to be called while nobody waits."""
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
    """Return what is padding in all of several inputs; None if nothing is."""
    found = [one for one in several if one is not None]
    if len(found) < len(several) or len({one.value for one in found}) > 1:
        return None
    return Padding(found[0].value, Rows(min(one.rows.first for one in found), max(one.rows.end for one in found)))


def find_padding(x: torch.Tensor) -> Padding | None:
    """
    Find the rows above and below the image that all have one value.

    :param x: a network's input, on the CPU.
    :returns: None where it is no image, or they are few.
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
