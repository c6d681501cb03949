# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Partition points: places where a graph can be cut, and the tensors that cross there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import fx, nn

from neurosurgeon_ros.codecs.tensor import TensorSpec
from neurosurgeon_ros.partition.graph import is_tensor, steps
from neurosurgeon_ros.partition.memory_format import is_dense, lies_channels_last
from neurosurgeon_ros.partition.names import operation_name
from neurosurgeon_ros.partition.work import Work

#: Names of the two points that every network has.
INPUT, ON_DEVICE = "input", "on_device"
#: Bytes per element when points are compared; the codec determines later what is sent.
BYTES_PER_ELEMENT = 4
# Operations that are cheaper to repeat than their results are to send.
_CHEAP_MODULES = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(nn.Flatten, nn.Unflatten, nn.ConstantPad2d, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
    *(nn.Upsample, nn.PixelShuffle, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh),
)
_CHEAP_OPERATIONS = frozenset(
    (
        *("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
        *("unflatten", "reshape", "permute", "squeeze", "unsqueeze", "expand"),
        *("slice", "narrow", "chunk", "split", "unbind", "dense", "contiguous", "clone", "alias"),
        *("pad", "interpolate", "upsample_nearest2d", "pixel_shuffle", "relu", "relu6", "leaky_relu", "hardtanh"),
    )
)


@dataclass(frozen=True, slots=True)
class PartitionPoint:
    """
    Place where a network can be cut.

    :param index: p, from 0 (the input is sent) to P (nothing is sent).
    :param name: the last module of the front-end, e.g. ``pool4``; ``input`` for p = 0 and ``on_device`` for p = P.
    :param tensors: tensors that cross, in the order of ``run_front``; empty for p = P.
    :param bytes: size of what crosses, with each element as float32.
    :param features: the seven contextual features of the back-end, in the order of
        ``neurosurgeon_ros.learning.interface.FEATURES``, where psi is `bytes`; zeros for p = P.
    """

    index: int
    name: str
    tensors: tuple[TensorSpec, ...]
    bytes: int
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """
    Cut in terms of the graph.

    :param position: number of steps in the front-end.
    :param crossing: nodes whose tensors cross.
    :param again: front-end steps that the back-end repeats, in order, because this is cheaper than sending.
    """

    position: int
    crossing: tuple[fx.Node, ...]
    again: tuple[fx.Node, ...] = ()

    @property
    def elements(self) -> int:
        """Return the number of elements that cross."""
        return sum(node.meta["value"].numel() for node in self.crossing)


def find_cuts(graph: fx.Graph, max_tensors: int, keep_all: bool) -> tuple[list[Cut], int]:
    """
    Find every place between two steps where at most `max_tensors` tensors cross.

    :param graph: a graph converted by :func:`~neurosurgeon_ros.partition.graph.normalise`.
    :param max_tensors: at least 1; the input may have more.
    :param keep_all: also return cuts for which an earlier cut carries no more elements.
    :returns: cuts in order, from the input to ``on_device``; and the number of cuts left out.
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
        if not all(is_tensor(other) and is_dense(other.meta["value"]) for other in live):
            continue
        crossing, again = _without_what_is_cheap(live)
        if len(crossing) > max_tensors:
            continue
        cut = Cut(index, crossing, tuple(sorted(again, key=position.__getitem__)))
        if keep_all or cut.elements < fewest:
            cuts.append(cut)
        else:
            left_out += 1
        fewest = min(fewest, cut.elements)
    cuts.append(Cut(len(order), ()))
    return cuts, left_out


def _without_what_is_cheap(live: Sequence[fx.Node]) -> tuple[tuple[fx.Node, ...], set[fx.Node]]:
    """Separate the tensors that must cross from the steps that can be repeated on those tensors."""
    crossing = list(live)
    again: set[fx.Node] = set()
    for node in reversed(live):
        others = set(crossing) - {node}
        chain: list[fx.Node] = []
        maker = node
        while maker not in others and _is_cheap(maker):
            chain.append(maker)
            maker = maker.all_input_nodes[0]
        if chain and maker in others:
            crossing.remove(node)
            again.update(chain)
    return tuple(crossing), again


def _is_cheap(node: fx.Node) -> bool:
    if len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_module":
        module = node.graph.owning_module.get_submodule(str(node.target))  # type: ignore[union-attr]
        return isinstance(module, _CHEAP_MODULES)
    return node.op in ("call_function", "call_method") and operation_name(node) in _CHEAP_OPERATIONS


def describe(graph: fx.Graph, cuts: Sequence[Cut]) -> tuple[PartitionPoint, ...]:
    """Return the partition points of the cuts, for users and the rest of the program."""
    order = steps(graph)
    after = [Work()]
    for node in reversed(order):
        after.append(after[-1].plus(node.meta["work"]))
    after.reverse()
    points = []
    for index, cut in enumerate(cuts[:-1]):
        name = order[cut.position - 1].meta["label"] if index else INPUT
        size = BYTES_PER_ELEMENT * cut.elements
        work = _sum([after[cut.position], *(node.meta["work"] for node in cut.again)])
        points.append(
            PartitionPoint(index, name, tuple(map(spec_of, cut.crossing)), size, (*map(float, work), float(size)))
        )
    points.append(PartitionPoint(len(cuts) - 1, ON_DEVICE, (), 0, (0.0,) * 7))
    return tuple(points)


def _sum(parts: Iterable[Work]) -> Work:
    total = Work()
    for part in parts:
        total = total.plus(part)
    return total


def spec_of(node: fx.Node) -> TensorSpec:
    """Return the specification of a node's tensor."""
    value = node.meta["value"]
    return TensorSpec(
        name=node.meta["label"],
        shape=tuple(value.shape),
        dtype=str(value.dtype).removeprefix("torch."),
        channels_last=lies_channels_last(value),
    )
