# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the values of a held map are grouped: by place, by level, and by the size of a change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.entropy.probabilities import SHARES, nearest_share

#: Smallest and largest cell, in values.
_FEWEST, _MOST = 32, 256
#: Upper ends of the classes of cells, as changed values out of 128. The first class has no changes.
ENDS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: Lower ends of the groups of levels, relative to the level of 0. Values of one group change equally often.
GROUPS = (-256, -1, 0, 1, 2, 3, 4, 5)
#: Lower ends of the groups of distances between the old and the new level; the distance 0 does not occur.
DISTANCES = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33)
#: Lower ends of the groups of new levels, relative to the level of 0.
LEVELS = (-256, -3, -1, 0, 1, 2, 3, 5, 8, 12, 20, 32)

Indices = NDArray[np.intp]
Levels = NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """
    Size of a map, and how its values are grouped.

    :param values: number of values.
    :param channels: number of neighbouring values that belong to one place.
    :param bits: bits of a level, up to 8.
    :param zero: level of the value 0.
    """

    values: int
    channels: int
    bits: int
    zero: int

    @cached_property
    def cell(self) -> int:
        """Return the number of values in a cell; the last cell may have fewer."""
        if self.channels > _MOST:
            return _MOST
        return self.channels * -(-_FEWEST // self.channels)

    @cached_property
    def cells(self) -> int:
        """Return the number of cells."""
        return -(-self.values // self.cell)

    @cached_property
    def max_symbols(self) -> int:
        """Return the maximum number of symbols: classes of cells, flags of eight values each, and new levels."""
        return self.cells + self.values // 8 + len(SHARES) + self.values

    @cached_property
    def classes(self) -> Levels:
        """Return the class of each possible number of changes in a cell."""
        ends = [end * self.cell // 128 for end in ENDS[:-1]]
        found: Levels = np.searchsorted(ends, np.arange(self.cell + 1)).astype(np.uint8)
        found[1:] = np.maximum(found[1:], 1)
        return found

    @cached_property
    def typical_shares(self) -> Indices:
        """Return the index of the share of changes that is typical of each class."""
        found = []
        for kind in range(len(ENDS)):
            counts = np.flatnonzero(self.classes == kind)
            low, high = (int(counts[0]), int(counts[-1])) if counts.size else (1, 1)
            found.append(nearest_share(low + high, 2 * self.cell))
        return np.array(found)

    @cached_property
    def groups(self) -> Levels:
        """Return the group of each level."""
        return self._grouped(GROUPS)

    @cached_property
    def targets(self) -> Indices:
        """Return the group of each level as the aim of a change."""
        return self._grouped(LEVELS).astype(np.intp)

    @cached_property
    def distances(self) -> Indices:
        """Return the group of each pair of old and new level, shape (levels, levels); the last group is distance 0."""
        levels = np.arange(1 << self.bits)
        apart = np.abs(levels[:, None] - levels)
        groups = np.searchsorted(DISTANCES, apart, side="right") - 1
        groups[apart == 0] = len(DISTANCES)
        return groups

    def _grouped(self, lower_ends: tuple[int, ...]) -> Levels:
        relative = np.arange(1 << self.bits) - self.zero
        return (np.searchsorted(lower_ends, relative, side="right") - 1).astype(np.uint8)
