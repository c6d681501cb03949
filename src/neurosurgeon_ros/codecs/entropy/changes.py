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
:mod:`neurosurgeon_ros.codecs.entropy.probabilities`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from constriction import stream
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.entropy.layout import DISTANCES, ENDS, GROUPS, LEVELS, Indices, Layout, Levels
from neurosurgeon_ros.codecs.entropy.probabilities import (
    SHARES,
    WEIGHTS,
    eight_flags,
    from_weights,
    in_proportion,
    pack_ranks,
    ranks,
    unpack_ranks,
)

_FITTING_STEPS = 3
#: Occurrences that are assumed of each distance and each level before any are counted.
_PRIOR = 0.3
_SHARE_VALUES = np.array(SHARES) / 65536

_CLASS_BYTES = (len(ENDS) + 1) // 2
_VALUE_RANKS = len(DISTANCES) + len(LEVELS)
#: Bytes of the parameters; the words of the range coder follow.
HEADER = _CLASS_BYTES + len(GROUPS) + (_VALUE_RANKS + 1) // 2


class DamagedChanges(ValueError):
    """Raised if data was not written by :func:`encode_changes`; the message says what is wrong with it."""


def max_bytes(layout: Layout) -> int:
    """Return the maximum number of bytes that changes take: no symbol takes more than 24 bits."""
    return HEADER + 3 * layout.max_symbols + 16


def encode_changes(held: Levels, changed: Indices, new: Levels, layout: Layout) -> bytes:
    """
    Encode which values change, and to which level.

    :param held: levels that both ends hold, shape (values,).
    :param changed: positions of the values that change, in ascending order.
    :param new: their new levels, each different from the held one.
    """
    counts = np.bincount(changed // layout.cell, minlength=layout.cells)
    classes = layout.classes[counts]
    class_ranks = ranks(np.bincount(classes, minlength=len(ENDS)).astype(np.float64))
    contexts, active = _contexts(held, classes, layout)
    number = np.bincount(contexts, minlength=len(ENDS) << 3)
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
    words: bytes = coder.get_compressed().astype("<u4").tobytes()
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
    class_ranks = unpack_ranks(data[:_CLASS_BYTES], len(ENDS))
    offsets = np.frombuffer(data[_CLASS_BYTES : _CLASS_BYTES + len(GROUPS)], np.int8)
    value_ranks = unpack_ranks(data[_CLASS_BYTES + len(GROUPS) : HEADER], _VALUE_RANKS)
    words = bytes(data[HEADER:]) + bytes(-(len(data) - HEADER) % 4)
    coder = stream.queue.RangeDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
    try:
        classes = coder.decode(from_weights(WEIGHTS[class_ranks]), layout.cells).astype(np.uint8)
        contexts, active = _contexts(held, classes, layout)
        number = np.bincount(contexts, minlength=len(ENDS) << 3)
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
    groups = layout.groups.take(held)
    shifted: Levels = classes << np.uint8(3)
    if layout.values != layout.cells * layout.cell:
        return np.repeat(shifted, layout.cell)[: layout.values] | groups, None
    rows = groups.reshape(layout.cells, layout.cell)
    active = np.flatnonzero(classes)
    if active.size == layout.cells:
        return (rows | shifted[:, None]).reshape(-1), None
    return (rows[active] | shifted[active][:, None]).reshape(-1), active


def _rows_of(values: NDArray[np.bool_], active: Indices, layout: Layout) -> NDArray[np.bool_]:
    """Return the values in the cells with changes."""
    return values.reshape(layout.cells, layout.cell)[active].reshape(-1)


def _positions(within: Indices, active: Indices | None, layout: Layout) -> Indices:
    """Convert positions among the values of cells with changes to positions in the map."""
    if active is None:
        return within
    row, column = np.divmod(within, layout.cell)
    found: Indices = active[row] * layout.cell + column
    return found


def _share_of_context(offsets: NDArray[np.int8], layout: Layout) -> Levels:
    """Return the index of the share of each context: its class's, moved by the offset of its group."""
    moved = layout.typical_shares[:, None] + offsets.astype(np.intp)
    return moved.clip(0, len(SHARES) - 1).astype(np.uint8).reshape(-1)


def _by_share(contexts: Levels, number: Indices, offsets: NDArray[np.int8], layout: Layout) -> tuple[Indices, Indices]:
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
    by_group = number.reshape(len(ENDS), len(GROUPS))
    total = by_group.sum(axis=0).clip(1)
    wanted = _logit(np.bincount(layout.groups[old], minlength=len(GROUPS)) / total)
    offsets = np.zeros(len(GROUPS), dtype=np.int8)
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
    by_distance = np.bincount(distances.reshape(-1), pairs, len(DISTANCES) + 1) + _PRIOR
    by_target = np.bincount(targets, pairs.reshape(number, number).sum(axis=0), len(LEVELS)) + _PRIOR
    of_distance, of_target = np.ones(len(DISTANCES) + 1), np.ones(len(LEVELS))
    of_distance[-1] = 0.0
    for _ in range(_FITTING_STEPS):
        kernel, aim = of_distance[distances], of_target[targets]
        model = kernel * (by_old / (kernel @ aim))[:, None] * aim
        of_distance *= by_distance / (np.bincount(distances.reshape(-1), model.reshape(-1)) + _PRIOR)
        kernel = of_distance[distances]
        expected = aim * ((by_old / (kernel @ aim)) @ kernel)
        of_target *= by_target / (np.bincount(targets, expected, len(LEVELS)) + _PRIOR)
    return np.concatenate(
        (ranks(of_distance[:-1] * (by_distance[:-1] > _PRIOR)), ranks(of_target * (by_target > _PRIOR)))
    )


def _value_models(old: Levels, value_ranks: Levels, layout: Layout) -> Iterator[tuple[int, stream.model.Categorical]]:
    """Yield for each old level that occurs, in ascending order, how often it does, and how likely each new level is."""
    weights = WEIGHTS[value_ranks]
    of_distance, of_target = np.append(weights[: len(DISTANCES)], 0), weights[len(DISTANCES) :]
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
