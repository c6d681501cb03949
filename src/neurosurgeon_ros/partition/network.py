# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cut a network in two at any of its partition points, and run the parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.errors import PartitionError
from neurosurgeon_ros.partition.faster import exchange_slow_steps
from neurosurgeon_ros.partition.fingerprint import fingerprint, graph_digest
from neurosurgeon_ros.partition.graph import SharedWrite, normalise, steps
from neurosurgeon_ros.partition.joint_run import join, take_apart
from neurosurgeon_ros.partition.padding import Rows, without_padding
from neurosurgeon_ros.partition.points import Cut, PartitionPoint, describe, find_cuts
from neurosurgeon_ros.partition.running import BeforeStep, Tensors, WholeWithoutPadding, check, run
from neurosurgeon_ros.partition.trace import (
    Trace,
    run_example,
    trace_as_one_step,
    trace_with_export,
    trace_with_fx,
)
from neurosurgeon_ros.partition.weight_packing import pack


class PartitionedNetwork:
    """
    Traced network with its partition points; :func:`partition` makes it.

    Front-ends and back-ends are built on first use, share the weights, and are cached. Several threads can run them at
    the same time.

    :ivar points: from p = 0 (``input``) to p = P (``on_device``).
    :ivar left_out: number of cuts that are not in `points` because an earlier cut carries no more.
    :ivar fingerprint: sha256 of graph, weights and points, in hexadecimal.
    :ivar obstacle: one sentence on why the network has only the points ``input`` and ``on_device``; None otherwise.
    """

    def __init__(self, trace: Trace, digest: bytes, cuts: Sequence[Cut], left_out: int) -> None:
        module = trace.module
        self.points: tuple[PartitionPoint, ...] = describe(module.graph, cuts)
        self.left_out = left_out
        self.fingerprint = fingerprint(digest, [(point.name, point.tensors) for point in self.points])
        self.obstacle = trace.obstacle
        self._module = module
        self._restore = trace.restore
        self._cuts = tuple(cuts)
        self._fronts: dict[tuple[int, ...], fx.GraphModule] = {}
        self._backs: dict[int, fx.GraphModule] = {}
        for node in module.graph.nodes:  # the example values are no longer needed and hold memory
            node.meta.pop("value", None)

    @property
    def graph_module(self) -> fx.GraphModule:
        """Return the traced graph in the order in which it is cut; do not modify it."""
        return self._module

    @property
    def positions(self) -> tuple[int, ...]:
        """Return, for each p, the number of graph steps in its front-end."""
        return tuple(cut.position for cut in self._cuts)

    def run_front(
        self,
        x: torch.Tensor | Sequence[torch.Tensor],
        p: int,
        keep: Sequence[int] = (),
        before_step: BeforeStep | None = None,
    ) -> dict[int, Any]:
        """
        Run the front-end.

        :param x: the network's input, or a sequence of inputs if it has several.
        :param p: partition point, 0 to P.
        :param keep: earlier partition points whose tensors are also returned.
        :param before_step: called before each step; an exception that it raises ends the run.
        :returns: for p, and for each q in `keep` with q < p, the tensors that cross there, in the order of
            ``points[p].tensors``; for P, what the network returns.
        :raises PartitionError: `x` does not match the network's input, or there is no such point.
        """
        wanted = (self._check_point(p), *sorted({self._check_point(q) for q in keep if q < p}))
        front = self._fronts.get(wanted)
        if front is None:
            front = self._fronts[wanted] = self._build_front(wanted)
        inputs = self.check_inputs(x)
        with torch.inference_mode():
            results = run(front, inputs, before_step)
        given = dict(zip(wanted, results, strict=True))
        last = len(self.points) - 1
        return {q: self._restore(value) if q == last else value for q, value in given.items()}

    def run_back(self, tensors: Sequence[torch.Tensor], p: int, before_step: BeforeStep | None = None) -> Any:
        """
        Run the back-end.

        :param tensors: the tensors that cross at p; for P, what the network returned.
        :param p: partition point, 0 to P.
        :param before_step: called before each step; an exception that it raises ends the run.
        :returns: what the network returns, in its own structure.
        :raises PartitionError: the tensors do not match this point.
        """
        if self._check_point(p) == len(self.points) - 1:
            return tensors
        checked = check(tensors, self.points[p])
        with torch.inference_mode():
            return self._restore(run(self._back(p), checked, before_step))

    def run_back_together(self, many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        """
        Run the back-end once for several inputs, each of batch size 1.

        The graph is recorded from the example, which fixes its sizes. The network may return other results for a batch
        than for single inputs; :func:`neurosurgeon_ros.inference.batching.try_batches` tests this.

        :param many: for each input, the tensors that cross at p.
        :param p: partition point, 0 to P - 1.
        :returns: for each input, what the network returns, in its own structure; views of one batch.
        :raises PartitionError: the tensors do not match this point or cannot be joined, or the outputs cannot be split.
        """
        if self._check_point(p) == len(self.points) - 1:
            raise PartitionError(f"Nothing runs after partition point {self.points[p].name}; give an earlier one.")
        joined = join([check(tensors, self.points[p]) for tensors in many], self.points[p])
        with torch.inference_mode():
            return take_apart(self._restore(self._back(p).forward(*joined)), len(many))

    def without_padding(self, empty: torch.Tensor, rows: Rows) -> WholeWithoutPadding | None:
        """
        Return the whole network for inputs that differ from `empty` only in some rows; see :mod:`.padding`.

        :param empty: an input without an image.
        :param rows: the only rows in which an input differs from `empty`.
        :returns: None if nothing would be left out.
        """
        trimmed = without_padding(self._back(0), empty, rows) if len(self.points[0].tensors) == 1 else None
        return None if trimmed is None else WholeWithoutPadding(trimmed, self._restore, self.points[0])

    def run_whole(self, x: torch.Tensor | Sequence[torch.Tensor], before_step: BeforeStep | None = None) -> Any:
        """Run the whole network like :meth:`run_front` at P, and return what it returns."""
        last = len(self.points) - 1
        return self.run_front(x, last, before_step=before_step)[last]

    def check_inputs(self, x: torch.Tensor | Sequence[torch.Tensor]) -> Tensors:
        """
        Return the inputs as the graph takes them; copy only inputs with another memory layout.

        :raises PartitionError: the inputs do not match the network.
        """
        return check((x,) if isinstance(x, torch.Tensor) else x, self.points[0])

    def _check_point(self, p: int) -> int:
        if not 0 <= p < len(self.points):
            raise PartitionError(f"There is no partition point {p}; they go from 0 to {len(self.points) - 1}.")
        return p

    def _back(self, p: int) -> fx.GraphModule:
        back = self._backs.get(p)
        if back is None:
            back = self._backs[p] = self._build_back(p)
        return back

    def _build_front(self, wanted: tuple[int, ...]) -> fx.GraphModule:
        """Build the steps up to the furthest of `wanted`; the graph returns a tuple with the result for each point."""
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        front = set(steps(self._module.graph)[: max(self._cuts[p].position for p in wanted)])
        for node in self._module.graph.nodes:
            if node.op == "placeholder" or node in front or _is_constant_of(node, front):
                copies[node] = graph.node_copy(node, copies.__getitem__)
        last = len(self._cuts) - 1
        results = [
            fx.map_arg(self._output().args[0] if p == last else self._cuts[p].crossing, copies.__getitem__)
            for p in wanted
        ]
        return self._finish(graph, tuple(results))

    def _build_back(self, p: int) -> fx.GraphModule:
        """Build the steps after p, with the crossing tensors as inputs."""
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        cut = self._cuts[p]
        for index, node in enumerate(cut.crossing):
            copies[node] = graph.placeholder(f"crossing_{index}")
        back = {*cut.again, *steps(self._module.graph)[cut.position :]}
        for node in self._module.graph.nodes:
            if node in back or _is_constant_of(node, back):
                copies[node] = graph.node_copy(node, copies.__getitem__)
        return self._finish(graph, fx.map_arg(self._output().args[0], copies.__getitem__))

    def _output(self) -> fx.Node:
        output: fx.Node = next(iter(reversed(self._module.graph.nodes)))
        return output

    def _finish(self, graph: fx.Graph, result: Any) -> fx.GraphModule:
        graph.output(result)
        return fx.GraphModule(self._module, graph)


def _is_constant_of(node: fx.Node, part: set[fx.Node]) -> bool:
    """Return whether a node is a constant that this part of the graph, or the output, reads."""
    return node.op == "get_attr" and any(user in part or user.op == "output" for user in node.users)


def partition(
    network: nn.Module,
    example_inputs: torch.Tensor | Sequence[torch.Tensor],
    *,
    max_tensors: int = 8,
    keep_all: bool = False,
) -> PartitionedNetwork:
    """
    Find every place where a network can be cut.

    :param network: in eval mode; both halves share its weights. Convolutions keep a copy of their weights packed for
        this processor, so later changes to the weights have no effect on them.
    :param example_inputs: one input, or one for each argument of ``forward``; they fix shapes, element types and memory
        formats.
    :param max_tensors: maximum number of tensors that may cross a cut, at least 1; a request has room for 8.
    :param keep_all: also keep each cut for which an earlier cut carries no more elements. By default such cuts are left
        out, because a later cut that carries more can only be better if the edge is slower than the robot.
    :returns: the network, ready to run in parts.
    :raises PartitionError: the network is in training mode, or does not accept the example.
    :raises ValueError: `max_tensors` is less than 1.
    """
    if max_tensors < 1:
        raise ValueError(f"max_tensors is {max_tensors}; at least 1 tensor crosses any cut, so give 1 or more.")
    inputs = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    run_example(network, inputs)
    trace, digest = _trace(network, inputs)
    cuts, left_out = find_cuts(trace.module.graph, max_tensors, keep_all)
    crossing = {node for cut in cuts for node in cut.crossing}
    pack(trace.module, crossing)
    exchange_slow_steps(trace.module, crossing)
    return PartitionedNetwork(trace, digest, cuts, left_out)


def _trace(network: nn.Module, inputs: Tensors) -> tuple[Trace, bytes]:
    """Record a network with the first method that works, and convert it into the form that can be cut."""
    obstacle: Exception | None = None
    for record in (trace_with_fx, trace_with_export):
        try:
            trace = record(network, inputs)
            digest = graph_digest(trace.module)
            normalise(trace.module, inputs)
        except Exception as error:  # tracing runs the network's own code, which can raise any exception
            if obstacle is None or isinstance(obstacle, SharedWrite):
                obstacle = error
        else:
            return trace, digest
    assert obstacle is not None
    trace = trace_as_one_step(network, inputs, obstacle)
    digest = graph_digest(trace.module)
    normalise(trace.module, inputs)
    return trace, digest
