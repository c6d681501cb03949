# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Batching of several robots' requests, at the partition points where warm-up finds it faster and correct."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import torch_threads

#: A batch is used if it takes at most this share of the time of its requests one after another.
WORTH = 0.95

#: Maximum difference between a request's outputs in a batch and alone, as a share of each output's range.
TOLERANCE = 1e-3

#: Number of comparisons of a batch with its requests one after another; the fastest counts.
TRIES = 2

#: Seconds after which no more batches are tried, so that the edge is ready soon. A batch that is not tried is not used.
LONGEST_S = 1.5

Tensors = Sequence[torch.Tensor]


@dataclass(frozen=True, slots=True)
class Batching:
    """
    Useful batches of a network's requests.

    :param stretch: for each partition point and each useful batch size, the time of the batch's back-end divided by the
        time of one request's back-end.
    """

    stretch: Mapping[int, Mapping[int, float]] = field(default_factory=dict)

    def sizes(self, point: int) -> tuple[int, ...]:
        """Return the useful batch sizes after this point, the largest first."""
        return tuple(sorted(self.stretch.get(point, ()), reverse=True))

    def alone_s(self, point: int, size: int, batch_s: float) -> float:
        """Return the seconds that one request would take alone, derived from the seconds of its batch."""
        return batch_s / self.stretch.get(point, {}).get(size, 1.0) if size > 1 else batch_s

    def split(self, point: int, number: int) -> list[int]:
        """Divide `number` requests into the largest useful batches."""
        parts = []
        for size in (*self.sizes(point), 1):
            parts += [size] * (number // size)
            number %= size
        return parts


#: No batches: each request runs alone.
ALONE = Batching()


def try_batches(engine: Engine, *, largest: int, threads: int = 0, longest_s: float = LONGEST_S) -> Batching:
    """
    Run the back-ends of a network in batches of 2, 4, ... requests, and check which batches are correct and faster.

    A network whose graph has a fixed batch size of 1, or that mixes its inputs, gives different results in a batch. It
    then gets no batches.

    :param largest: maximum number of requests in a batch.
    :param threads: number of torch threads; 0 keeps the calling thread's number.
    :param longest_s: seconds after which no further batch is tried.
    """
    if largest < 2:
        return ALONE
    with torch_threads(threads), torch.inference_mode():
        return _try_all(engine, _different_inputs(engine.model.example_input, largest), longest_s)


def _try_all(engine: Engine, inputs: Sequence[torch.Tensor], longest_s: float) -> Batching:
    end = time.perf_counter() + longest_s
    stretch: dict[int, dict[int, float]] = {point: {} for point in range(engine.on_device)}
    hopeful = list(stretch)
    size = 2
    while size <= len(inputs):
        for point in list(hopeful):
            if time.perf_counter() > end:
                return Batching(stretch)
            longer = _try(engine, point, inputs[:size])
            if longer is None:
                hopeful.remove(point)
            else:
                stretch[point][size] = longer
        size *= 2
    return Batching(stretch)


def _try(engine: Engine, point: int, inputs: Sequence[torch.Tensor]) -> float | None:
    """Return a batch's seconds divided by one request's; None if the batch is wrong or not faster enough."""
    fronts = [engine.partitioned.run_front(x, point)[point] for x in inputs]
    try:
        together = engine.run_back_together(fronts, point)
        if not all(_agree(one, engine.run_back(tensors, point)) for one, tensors in zip(together, fronts, strict=True)):
            return None
    except Exception:  # a graph with a fixed batch size may raise anything
        return None
    single_s, batch_s = _seconds(engine, point, fronts)
    return max(1.0, batch_s / single_s) if batch_s <= WORTH * len(inputs) * single_s else None


def _seconds(engine: Engine, point: int, fronts: Sequence[Tensors]) -> tuple[float, float]:
    """Return the minimum seconds of one request and of the whole batch, measured alternately."""
    single_s, batch_s = [], []
    for _ in range(TRIES):
        begin = time.perf_counter()
        for tensors in fronts:
            engine.run_back(tensors, point)
        between = time.perf_counter()
        engine.run_back_together(fronts, point)
        single_s.append((between - begin) / len(fronts))
        batch_s.append(time.perf_counter() - between)
    return min(single_s), min(batch_s)


def _different_inputs(example: torch.Tensor, number: int) -> list[torch.Tensor]:
    """Return different inputs with the example's shape and type, from dark to bright."""
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for index in range(number):
        noise = torch.rand(example.shape, generator=generator) * (index + 1) / number
        x = torch.empty_like(example)  # in the example's memory format
        x.copy_(noise if example.is_floating_point() else 255 * noise)
        inputs.append(x)
    return inputs


def _agree(one: Any, other: Any) -> bool:
    """Return whether two outputs are the same except for rounding."""
    mine, structure = pytree.tree_flatten(one)
    wanted, wanted_structure = pytree.tree_flatten(other)
    return structure == wanted_structure and all(map(_close, mine, wanted))


def _close(mine: torch.Tensor, wanted: torch.Tensor) -> bool:
    if mine.shape != wanted.shape or mine.dtype != wanted.dtype:
        return False
    if not wanted.is_floating_point() or not wanted.numel():
        return torch.equal(mine, wanted)
    scale = float(wanted.max() - wanted.min()) or 1.0
    return bool(torch.allclose(mine, wanted, rtol=0.0, atol=TOLERANCE * scale))
