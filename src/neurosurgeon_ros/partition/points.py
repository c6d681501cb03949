# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Partition points: where a graph falls in two, and what crosses there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import fx

from neurosurgeon_ros.codecs.tensor import TensorSpec
from neurosurgeon_ros.partition.graph import is_tensor, lies_channels_last, steps
from neurosurgeon_ros.partition.work import Work

#: Names of the two points that every network has.
INPUT, ON_DEVICE = "input", "on_device"
#: What one element weighs when points are compared: codecs decide later what travels.
BYTES_PER_ELEMENT = 4


@dataclass(frozen=True, slots=True)
class PartitionPoint:
    """
    A place where a network can be cut.

    :param index: p, from 0 (the input travels) to P (nothing does).
    :param name: the last module of the front-end, e.g. ``pool4``; ``input`` for p = 0 and ``on_device`` for p = P.
    :param tensors: what crosses, in the order of ``run_front``; nothing for p = P.
    :param bytes: what crosses, with each element as float32.
    :param features: the seven contextual features of the back-end, in the order of
        ``neurosurgeon_ros.learning.interface.FEATURES``, psi being `bytes`; zeros for p = P.
    """

    index: int
    name: str
    tensors: tuple[TensorSpec, ...]
    bytes: int
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """
    A cut as the graph sees it.

    :param position: number of steps in the front-end.
    :param crossing: nodes whose tensors cross.
    """

    position: int
    crossing: tuple[fx.Node, ...]

    @property
    def elements(self) -> int:
        """Number of elements that cross."""
        return sum(node.meta["value"].numel() for node in self.crossing)


def find_cuts(graph: fx.Graph, max_tensors: int, keep_all: bool) -> tuple[list[Cut], int]:
    """
    Every place between two steps where at most `max_tensors` tensors cross.

    :param graph: as :func:`~neurosurgeon_ros.partition.graph.trace` makes it.
    :param max_tensors: at least 1; the input may have more.
    :param keep_all: also those where an earlier cut carries no more elements.
    :returns: cuts in order, from the input to ``on_device``; and how many were left out.
    """
    order = steps(graph)
    position = {node: index for index, node in enumerate(order)}
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    cuts = [Cut(0, tuple(inputs))]
    fewest, left_out = cuts[0].elements, 0
    last_use = {
        node: max((position.get(user, len(order)) for user in node.users), default=-1) for node in [*inputs, *order]
    }
    live = [node for node in inputs if last_use[node] >= 0]
    for index, node in enumerate(order[:-1], start=1):
        live = [other for other in [*live, node] if last_use[other] >= index]
        if len(live) > max_tensors or not all(map(is_tensor, live)):
            continue
        cut = Cut(index, tuple(live))
        if keep_all or cut.elements < fewest:
            cuts.append(cut)
        else:
            left_out += 1
        fewest = min(fewest, cut.elements)
    cuts.append(Cut(len(order), ()))
    return cuts, left_out


def describe(graph: fx.Graph, cuts: list[Cut]) -> tuple[PartitionPoint, ...]:
    """Give the points that people and the rest of the program see."""
    order = steps(graph)
    after = [Work()]
    for node in reversed(order):
        after.append(after[-1].plus(node.meta["work"]))
    after.reverse()
    points = []
    for index, cut in enumerate(cuts):
        if index == len(cuts) - 1:
            points.append(PartitionPoint(index, ON_DEVICE, (), 0, (0.0,) * 7))
            continue
        name = order[cut.position - 1].meta["label"] if index else INPUT
        size = BYTES_PER_ELEMENT * cut.elements
        work = after[cut.position]
        points.append(
            PartitionPoint(index, name, tuple(map(spec_of, cut.crossing)), size, (*map(float, work), float(size)))
        )
    return tuple(points)


def spec_of(node: fx.Node) -> TensorSpec:
    """Give what is known of a node's tensor."""
    value = node.meta["value"]
    return TensorSpec(
        name=node.meta["label"],
        shape=tuple(value.shape),
        dtype=str(value.dtype).removeprefix("torch."),
        channels_last=lies_channels_last(value),
    )


def size_of(spec: TensorSpec) -> int:
    """Give number of elements."""
    return math.prod(spec.shape)
