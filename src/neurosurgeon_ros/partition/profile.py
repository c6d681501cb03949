# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the delays of front-ends and back-ends on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from neurosurgeon_ros.partition.graph import steps
from neurosurgeon_ros.partition.network import PartitionedNetwork
from neurosurgeon_ros.partition.work import Work

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StepProfile:
    """
    One step of the graph.

    :param name: name as used by partition points.
    :param operation: module type or function.
    :param work: its work as counted in the contextual features.
    :param seconds: median duration.
    """

    name: str
    operation: str
    work: Work
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """
    Delays on this machine, with the thread count of the calling thread.

    The fastest pass counts, because no other load on the machine slowed it down.

    :param front_s: shortest duration of the front-end of each p, in seconds; 0 for p = 0. Shape (P + 1,).
    :param back_s: shortest duration of the back-end of each p, in seconds; 0 for p = P. Shape (P + 1,).
    :param steps: each step of the graph, in order.
    """

    front_s: Floats
    back_s: Floats
    steps: tuple[StepProfile, ...]


def profile(
    partitioned: PartitionedNetwork, x: torch.Tensor | Sequence[torch.Tensor], *, repeats: int = 20, warmup: int = 3
) -> Profile:
    """
    Measure each step in full passes through the network; all points use the same passes.

    :param partitioned: the network.
    :param x: its input.
    :param repeats: number of measured passes, at least 1.
    :param warmup: number of passes before them that are not measured.
    :returns: delays of front-ends and back-ends from the fastest passes, and medians of the steps.
    :raises ValueError: `repeats` is less than 1 or `warmup` less than 0.
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"A profile of {repeats} repeats after {warmup} is none; give at least 1 after 0 or more.")
    inputs = partitioned.check_inputs(x)
    order = steps(partitioned.graph_module.graph)
    stopwatch = _Stopwatch(partitioned.graph_module)
    rows = []
    with torch.inference_mode():
        for _ in range(warmup + repeats):
            stopwatch.seconds = {}
            stopwatch.run(*inputs)
            rows.append([stopwatch.seconds[node] for node in order])
    times = np.array(rows[warmup:], dtype=np.float64)
    elapsed = np.concatenate([np.zeros((repeats, 1)), np.cumsum(times, axis=1)], axis=1)
    cuts = list(partitioned.positions)
    return Profile(
        front_s=np.min(elapsed[:, cuts], axis=0),
        back_s=np.min(elapsed[:, -1:] - elapsed[:, cuts], axis=0),
        steps=tuple(
            StepProfile(
                node.meta["label"], _operation(partitioned.graph_module, node), node.meta["work"], float(seconds)
            )
            for node, seconds in zip(order, np.median(times, axis=0), strict=True)
        ),
    )


class _Stopwatch(fx.Interpreter):
    """Run the graph and time each step, without the interpreter's overhead."""

    seconds: dict[fx.Node, float]

    def run_node(self, n: fx.Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        run = getattr(self, n.op)
        start = time.perf_counter()
        result = run(n.target, args, kwargs)
        self.seconds[n] = time.perf_counter() - start
        return result


def _operation(module: fx.GraphModule, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__.removeprefix("Packed").removeprefix("Halving")
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
