# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a part of a network: check its inputs, and run step by step if something must be called between steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from neurosurgeon_ros.partition.errors import PartitionError
from neurosurgeon_ros.partition.joint_run import join, take_apart
from neurosurgeon_ros.partition.memory_format import dense
from neurosurgeon_ros.partition.points import PartitionPoint

Tensors = tuple[torch.Tensor, ...]

#: Called before each step of a network; an exception that it raises ends the run.
BeforeStep = Callable[[], None]


class WholeWithoutPadding:
    """
    Network for inputs that all have the same padding; its outputs are bit-identical to the whole network's.

    :param trimmed: maps such inputs to the network's outputs.
    :param restore: converts the outputs to the network's own structure.
    :param point: partition point of the network's input.
    """

    def __init__(self, trimmed: fx.GraphModule, restore: Callable[[Any], Any], point: PartitionPoint) -> None:
        self._trimmed = trimmed
        self._restore = restore
        self._point = point

    def run(self, tensors: Sequence[torch.Tensor], before_step: BeforeStep | None = None) -> Any:
        """Run the network like :meth:`PartitionedNetwork.run_back` at p = 0."""
        with torch.inference_mode():
            return self._restore(run(self._trimmed, check(tensors, self._point), before_step))

    def run_together(self, many: Sequence[Sequence[torch.Tensor]]) -> list[Any]:
        """Run the network like :meth:`PartitionedNetwork.run_back_together` at p = 0."""
        joined = join([check(tensors, self._point) for tensors in many], self._point)
        with torch.inference_mode():
            return take_apart(self._restore(self._trimmed(*joined)), len(many))


class _StepByStep(fx.Interpreter):
    """
    Run a graph one step after the other.

    :param before_step: called before each step.
    """

    def __init__(self, module: fx.GraphModule, before_step: BeforeStep) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self._before_step = before_step

    def run_node(self, node: fx.Node) -> Any:
        """Run one step."""
        self._before_step()
        return super().run_node(node)


def run(module: fx.GraphModule, inputs: Tensors, before_step: BeforeStep | None) -> Any:
    """Run a graph, and call `before_step` before each of its steps."""
    return module(*inputs) if before_step is None else _StepByStep(module, before_step).run(*inputs)


def check(tensors: Sequence[torch.Tensor], point: PartitionPoint) -> Tensors:
    """Check the tensors against a partition point, and return them in its memory layout."""
    if len(tensors) != len(point.tensors):
        raise PartitionError(
            f"Partition point {point.name} was given {len(tensors)} tensors; it has {len(point.tensors)}: "
            f"{', '.join(spec.name for spec in point.tensors)}."
        )
    checked = []
    for tensor, spec in zip(tensors, point.tensors, strict=True):
        if tuple(tensor.shape) != spec.shape or str(tensor.dtype) != f"torch.{spec.dtype}":
            given = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
            raise PartitionError(
                f"Tensor {spec.name!r} of partition point {point.name} was given as {given}; "
                f"it is {spec.dtype} {spec.shape}."
            )
        checked.append(dense(tensor, spec.channels_last))
    return tuple(checked)
