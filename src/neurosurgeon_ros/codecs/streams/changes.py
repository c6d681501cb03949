# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Entropy coding of the changes of a quantised map that both ends hold.

Changes gather in some cells, the channels of one place: most cells have none, some have many. So the number of changes
of each cell is sent first, in 15 classes. A value's class and the level that it has so far give the probability that
it changes. Values of equal probability are put together and their flags are coded eight at a time, which is why this
takes NumPy about a millisecond for 86 k values. The new level of a value that changes is coded with a probability that
depends on its distance from the old level and on the new level itself: large changes are rare, and so are large values.

All these parameters are fitted to each frame and take 28 bytes. The coder keeps no statistics from frame to frame, so
both ends agree if they hold the same map. No step depends on floating-point numbers of the decoder, see
:mod:`neurosurgeon_ros.codecs.streams.probabilities`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from constriction import stream
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.streams.probabilities import (
    SHARES,
    WEIGHTS,
    eight_flags,
    from_weights,
    in_proportion,
    nearest_share,
    pack_ranks,
    ranks,
    unpack_ranks,
)

#: Smallest and largest cell, in values.
_FEWEST, _MOST = 32, 256
#: Upper ends of the classes of cells, as changed values out of 128. The first class has no changes.
_ENDS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: Lower ends of the groups of levels, relative to the level of 0. Values of one group change equally often.
_GROUPS = (-256, -1, 0, 1, 2, 3, 4, 5)
#: Lower ends of the groups of distances between the old and the new level; the distance 0 does not occur.
_DISTANCES = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33)
#: Lower ends of the groups of new levels, relative to the level of 0.
_LEVELS = (-256, -3, -1, 0, 1, 2, 3, 5, 8, 12, 20, 32)
_FITTING_STEPS = 3
#: Occurrences that are assumed of each distance and each level before any are counted.
_PRIOR = 0.3
_SHARE_VALUES = np.array(SHARES) / 65536

_CLASS_BYTES = (len(_ENDS) + 1) // 2
_VALUE_RANKS = len(_DISTANCES) + len(_LEVELS)
#: Bytes of the parameters; the words of the range coder follow.
HEADER = _CLASS_BYTES + len(_GROUPS) + (_VALUE_RANKS + 1) // 2

Indices = NDArray[np.intp]
Levels = NDArray[np.uint8]


class DamagedChanges(ValueError):
    """Raised if data was not written by :func:`encode_changes`; the message says what is wrong with it."""


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
    def max_bytes(self) -> int:
        """Return the maximum number of encoded bytes: each symbol takes at most 24 bits."""
        return HEADER + 3 * (self.cells + self.values // 8 + len(SHARES) + self.values) + 16

    @cached_property
    def classes(self) -> Levels:
        """Return the class of each possible number of changes in a cell."""
        ends = [end * self.cell // 128 for end in _ENDS[:-1]]
        found: Levels = np.searchsorted(ends, np.arange(self.cell + 1)).astype(np.uint8)
        found[1:] = np.maximum(found[1:], 1)
        return found

    @cached_property
    def typical_shares(self) -> Indices:
        """Return the index of the share of changes that is typical of each class."""
        found = []
        for kind in range(len(_ENDS)):
            counts = np.flatnonzero(self.classes == kind)
            low, high = (int(counts[0]), int(counts[-1])) if counts.size else (1, 1)
            found.append(nearest_share(low + high, 2 * self.cell))
        return np.array(found)

    @cached_property
    def groups(self) -> Levels:
        """Return the group of each level."""
        return self._grouped(_GROUPS)

    @cached_property
    def targets(self) -> Indices:
        """Return the group of each level as the aim of a change."""
        return self._grouped(_LEVELS).astype(np.intp)

    @cached_property
    def distances(self) -> Indices:
        """Return the group of each pair of old and new level, shape (levels, levels); the last group is distance 0."""
        levels = np.arange(1 << self.bits)
        apart = np.abs(levels[:, None] - levels)
        groups = np.searchsorted(_DISTANCES, apart, side="right") - 1
        groups[apart == 0] = len(_DISTANCES)
        return groups

    def _grouped(self, lower_ends: tuple[int, ...]) -> Levels:
        relative = np.arange(1 << self.bits) - self.zero
        return (np.searchsorted(lower_ends, relative, side="right") - 1).astype(np.uint8)


def encode_changes(held: Levels, changed: Indices, new: Levels, layout: Layout) -> bytes:
    """
    Encode which values change, and to which level.

    :param held: levels that both ends hold, shape (values,).
    :param changed: positions of the values that change, in ascending order.
    :param new: their new levels, each different from the held one.
    """
    counts = np.bincount(changed // layout.cell, minlength=layout.cells)
    classes = layout.classes[counts]
    class_ranks = ranks(np.bincount(classes, minlength=len(_ENDS)).astype(np.float64))
    contexts, active = _contexts(held, classes, layout)
    number = np.bincount(contexts, minlength=len(_ENDS) << 3)
    offsets = _fit_offsets(number, held[changed], layout)
    order, sizes = _by_share(contexts, number, offsets, layout)
    flags = np.zeros(layout.values, dtype=np.bool_)
    flags[changed] = True
    of_active = (flags if active is None else _rows_of(flags, active, layout))[order]
    levels = np.empty(layout.values, dtype=np.uint8)
    levels[changed] = new
    at = _positions(order[np.flatnonzero(of_active)], active, layout)
    old, aims = held[at], levels[at]
    value_ranks = _fit_value_ranks(old, aims, layout)

    coder = stream.queue.RangeEncoder()
    coder.encode(classes.astype(np.int32), from_weights(WEIGHTS[class_ranks]))
    packed = np.packbits(of_active).astype(np.int32)
    for share, start, end in _byte_runs(sizes):
        coder.encode(packed[start:end], eight_flags(share))
    ordered = aims[np.argsort(old, kind="stable")].astype(np.int32)
    start = 0
    for size, model in _value_models(old, value_ranks, layout):
        coder.encode(ordered[start : start + size], model)
        start += size
    words = coder.get_compressed().astype("<u4").tobytes()
    # The decoder reads zeros after the end.
    return pack_ranks(class_ranks) + offsets.tobytes() + pack_ranks(value_ranks) + words.rstrip(b"\0")


def decode_changes(data: memoryview, held: Levels, layout: Layout) -> tuple[Indices, Levels]:
    """
    Decode untrusted changes.

    :returns: positions of the values that change, in no particular order but each only once, and their new levels.
    :raises DamagedChanges: the data cannot be decoded.
    """
    if len(data) < HEADER:
        raise DamagedChanges(f"{len(data)} bytes are fewer than the {HEADER} of the parameters")
    if len(data) > HEADER and not data[-1]:
        raise DamagedChanges("the last byte is 0")
    class_ranks = unpack_ranks(data[:_CLASS_BYTES], len(_ENDS))
    offsets = np.frombuffer(data[_CLASS_BYTES : _CLASS_BYTES + len(_GROUPS)], np.int8)
    value_ranks = unpack_ranks(data[_CLASS_BYTES + len(_GROUPS) : HEADER], _VALUE_RANKS)
    words = bytes(data[HEADER:]) + bytes(-(len(data) - HEADER) % 4)
    coder = stream.queue.RangeDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
    try:
        classes = coder.decode(from_weights(WEIGHTS[class_ranks]), layout.cells).astype(np.uint8)
        contexts, active = _contexts(held, classes, layout)
        number = np.bincount(contexts, minlength=len(_ENDS) << 3)
        order, sizes = _by_share(contexts, number, offsets, layout)
        packed = np.empty(-(-order.size // 8), dtype=np.uint8)
        for share, start, end in _byte_runs(sizes):
            packed[start:end] = coder.decode(eight_flags(share), end - start)
        flags = np.unpackbits(packed, count=order.size)
        at = _positions(order[np.flatnonzero(flags)], active, layout)
        old = held[at]
        ordered = np.empty(at.size, dtype=np.uint8)
        start = 0
        for size, model in _value_models(old, value_ranks, layout):
            ordered[start : start + size] = coder.decode(model, size)
            start += size
    except AssertionError:
        raise DamagedChanges("no changes are encoded like this") from None
    if not coder.maybe_exhausted():
        raise DamagedChanges("there are bytes after the last change")
    new = np.empty(at.size, dtype=np.uint8)
    new[np.argsort(old, kind="stable")] = ordered
    return at, new


def _contexts(held: Levels, classes: Levels, layout: Layout) -> tuple[Levels, Indices | None]:
    """
    Return the context of each value in cells with changes: its cell's class and the group of its level.

    :returns: contexts, and the numbers of these cells. None if contexts has all values, because most cells changed or
        the last one is not complete.
    """
    groups = layout.groups[held]
    shifted = classes << 3
    if layout.values != layout.cells * layout.cell:
        return np.repeat(shifted, layout.cell)[: layout.values] | groups, None
    rows = groups.reshape(layout.cells, layout.cell)
    active = np.flatnonzero(classes)
    if active.size == layout.cells:
        return (rows | shifted[:, None]).reshape(-1), None
    return (rows[active] | shifted[active][:, None]).reshape(-1), active


def _rows_of(values: NDArray[np.bool_], active: Indices, layout: Layout) -> NDArray[np.bool_]:
    return values.reshape(layout.cells, layout.cell)[active].reshape(-1)


def _positions(within: Indices, active: Indices | None, layout: Layout) -> Indices:
    """Convert positions among the values of cells with changes to positions in the map."""
    if active is None:
        return within
    row, column = np.divmod(within, layout.cell)
    return active[row] * layout.cell + column


def _share_of_context(offsets: NDArray[np.int8], layout: Layout) -> Levels:
    """Return the index of the share of each context: its class's, moved by the offset of its group."""
    moved = layout.typical_shares[:, None] + offsets.astype(np.intp)
    return moved.clip(0, len(SHARES) - 1).astype(np.uint8).reshape(-1)


def _by_share(
    contexts: Levels, number: Indices, offsets: NDArray[np.int8], layout: Layout
) -> tuple[Indices, Indices]:
    """
    Return an order of the values by the share of their contexts, and how many values each share has.

    :param number: number of values of each context.
    """
    of_context = _share_of_context(offsets, layout)
    sizes = np.zeros(len(SHARES), dtype=np.intp)
    np.add.at(sizes, of_context, number)
    return np.argsort(of_context.take(contexts), kind="stable"), sizes


def _fit_offsets(number: Indices, old: Levels, layout: Layout) -> NDArray[np.int8]:
    """Return offsets of the groups by which the expected number of changes is the true one."""
    by_group = number.reshape(len(_ENDS), len(_GROUPS))
    total = by_group.sum(axis=0).clip(1)
    wanted = _logit(np.bincount(layout.groups[old], minlength=len(_GROUPS)) / total)
    offsets = np.zeros(len(_GROUPS), dtype=np.int8)
    for _ in range(_FITTING_STEPS):
        shares = _SHARE_VALUES[_share_of_context(offsets, layout)].reshape(by_group.shape)
        expected = _logit((by_group * shares).sum(axis=0) / total)
        offsets = (offsets + np.rint(4.0 * (wanted - expected))).clip(-99, 99).astype(np.int8)
    return offsets


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = share.clip(1e-5, 1.0 - 1e-5)
    found: NDArray[np.float64] = np.log(inside / (1.0 - inside))
    return found


def _fit_value_ranks(old: Levels, aims: Levels, layout: Layout) -> Levels:
    """Fit the weights of distances and aims in turn, until each occurs as often as the model expects."""
    number, distances, targets = 1 << layout.bits, layout.distances, layout.targets
    pairs = np.bincount(old.astype(np.intp) << layout.bits | aims, minlength=number * number).astype(np.float64)
    by_old = pairs.reshape(number, number).sum(axis=1)
    by_distance = np.bincount(distances.reshape(-1), pairs, len(_DISTANCES) + 1) + _PRIOR
    by_target = np.bincount(targets, pairs.reshape(number, number).sum(axis=0), len(_LEVELS)) + _PRIOR
    of_distance, of_target = np.ones(len(_DISTANCES) + 1), np.ones(len(_LEVELS))
    of_distance[-1] = 0.0
    for _ in range(_FITTING_STEPS):
        kernel, aim = of_distance[distances], of_target[targets]
        model = kernel * (by_old / (kernel @ aim))[:, None] * aim
        of_distance *= by_distance / (np.bincount(distances.reshape(-1), model.reshape(-1)) + _PRIOR)
        kernel = of_distance[distances]
        expected = aim * ((by_old / (kernel @ aim)) @ kernel)
        of_target *= by_target / (np.bincount(targets, expected, len(_LEVELS)) + _PRIOR)
    return np.concatenate(
        (ranks(of_distance[:-1] * (by_distance[:-1] > _PRIOR)), ranks(of_target * (by_target > _PRIOR)))
    )


def _value_models(
    old: Levels, value_ranks: Levels, layout: Layout
) -> Iterator[tuple[int, stream.model.Categorical]]:
    """Yield for each old level that occurs, in ascending order, how often it does, and how likely each new level is."""
    weights = WEIGHTS[value_ranks]
    of_distance, of_target = np.append(weights[: len(_DISTANCES)], 0), weights[len(_DISTANCES) :]
    sizes = np.bincount(old)
    occurring = np.flatnonzero(sizes)
    table = in_proportion(of_distance[layout.distances[occurring]] * of_target[layout.targets])
    for level, probabilities in zip(occurring, table, strict=True):
        yield int(sizes[level]), stream.model.Categorical(probabilities, perfect=False)


def _byte_runs(sizes: Indices) -> Iterator[tuple[int, int, int]]:
    """
    Yield the shares that occur, each with the start and the end of its bytes of flags.

    A byte with flags of several shares belongs to the first one.
    """
    ends = np.cumsum(sizes)
    bytes_before = -(-ends // 8)
    start = 0
    for share in np.flatnonzero(sizes).tolist():
        end = int(bytes_before[share])
        if end > start:
            yield share, start, end
        start = end
