# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convert the nodes of an ONNX file, one after the other, to steps of a torch graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.graphs.builder import Builder, Unconvertible, Value
from neurosurgeon_ros.models.onnx_files.file import STANDARD, OnnxFile
from neurosurgeon_ros.models.onnx_files.names import scope_of
from neurosurgeon_ros.models.onnx_files.node import Node
from neurosurgeon_ros.models.onnx_files.operators import OPERATORS
from neurosurgeon_ros.models.onnx_files.tensors import read_tensor

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto

_LOOPS = ("Loop", "Scan", "If")
_HOW_TO_GO_ON = (
    "export the network without it, or give the network as a program of torch.export or as package.module:factory"
)


class Converter:
    """
    Conversion of one file.

    :param file: the file.
    :param builder: makes the graph.
    """

    def __init__(self, file: OnnxFile, builder: Builder) -> None:
        self._file = file
        self._builder = builder
        self._folder: Path = file.path.parent
        self._values: dict[str, Value] = {}
        self._number = 0

    def run(self, inputs: dict[str, Value]) -> dict[str, Value]:
        """
        Convert the whole graph.

        :param inputs: values of the inputs.
        :returns: the outputs.
        :raises FileProblem: a node cannot be converted; the message names it.
        """
        self._values.update(inputs)
        graph = self._file.model.graph
        self._run(graph)
        lost = [one.name for one in graph.output if one.name not in self._values]
        if lost or not graph.output:
            raise FileProblem(f"{self._file.path} does not compute its output {lost[:1]}: export or copy it again")
        return {one.name: self._values[one.name] for one in graph.output}

    def _run(self, graph: GraphProto) -> None:
        if graph.sparse_initializer:
            raise FileProblem(f"{self._file.path} has sparse weights, which are not converted: export it without")
        try:
            for tensor in graph.initializer:
                self._values[tensor.name] = read_tensor(tensor, self._folder)
        except Unconvertible as error:
            raise FileProblem(f"{self._file.path} cannot be read: {error}: export or copy it again") from None
        for node in self._in_order(graph.node):
            try:
                self._convert(node)
            except FileProblem:
                raise
            except Exception as error:  # torch may refuse what a file asks for with any exception
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
                raise FileProblem(
                    f"{self._file.path} cannot be converted: its node {node.name or self._number!r} has the operator "
                    f"{_operator(node)}, {_problem(error, reason)}: {_HOW_TO_GO_ON}"
                ) from error

    def _in_order(self, nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
        """Yield nodes after those whose results they read; some tools append nodes out of order."""
        waiting = list(nodes)
        while waiting:
            later = []
            for node in waiting:
                if all(not name or name in self._values for name in node.input):
                    yield node
                else:
                    later.append(node)
            if len(later) == len(waiting):
                yield later[0]  # converting it names the missing input
                return
            waiting = later

    def _convert(self, node: NodeProto) -> None:
        number, self._number = self._number, self._number + 1
        if node.domain not in STANDARD:
            raise Unconvertible("which is not of the standard")
        inputs = tuple(self._input(name) for name in node.input)
        if node.op_type == "If" and isinstance(inputs[0], torch.Tensor):
            self._branch(node, bool(inputs[0].item()))
            return
        if node.op_type in _LOOPS:
            raise Unconvertible("whose course depends on the image")
        convert = OPERATORS.get(node.op_type)
        if node.op_type == "Constant":
            self._values[node.output[0]] = self._constant(node)
            return
        if convert is None:
            raise Unconvertible("which is not converted")
        self._builder.scope = scope_of(node, number)
        attributes = {one.name: self._attribute(one) for one in node.attribute}
        result = convert(Node(self._builder, node.op_type, self._file.opset, inputs, len(node.output), attributes))
        results = (result,) if isinstance(result, fx.Node | torch.Tensor) else result
        self._values.update(zip(node.output, results, strict=False))

    def _input(self, name: str) -> Value | None:
        if not name:
            return None
        if name not in self._values:
            raise Unconvertible(f"whose input {name!r} no earlier node computes")
        return self._values[name]

    def _branch(self, node: NodeProto, condition: bool) -> None:
        """Convert the one branch that is taken whatever the image is."""
        wanted = "then_branch" if condition else "else_branch"
        branch = next(one.g for one in node.attribute if one.name == wanted)
        self._run(branch)
        for outer, inner in zip(node.output, branch.output, strict=True):
            self._values[outer] = self._values[inner.name]

    def _constant(self, node: NodeProto) -> torch.Tensor:
        given = node.attribute[0]
        value = self._attribute(given)
        if isinstance(value, torch.Tensor):
            return value
        return torch.tensor(value, dtype=torch.int64 if "int" in given.name else torch.float32)

    def _attribute(self, given: AttributeProto) -> Any:
        from onnx import AttributeProto

        if given.ref_attr_name:
            raise Unconvertible(f"whose attribute {given.name} is that of a function")
        if given.type == AttributeProto.TENSOR:
            return read_tensor(given.t, self._folder)
        plain = {
            AttributeProto.FLOAT: given.f,
            AttributeProto.INT: given.i,
            AttributeProto.STRING: given.s.decode(errors="replace"),
            AttributeProto.FLOATS: list(given.floats),
            AttributeProto.INTS: list(given.ints),
            AttributeProto.STRINGS: [one.decode(errors="replace") for one in given.strings],
        }
        if given.type not in plain:
            raise Unconvertible(f"whose attribute {given.name} is of a type that is not converted")
        return plain[given.type]


def _operator(node: NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in STANDARD else node.op_type


def _problem(error: Exception, reason: str) -> str:
    """Return the problem of a node as a part of a sentence."""
    if isinstance(error, Unconvertible):
        return reason if reason.startswith(("which", "whose")) else f"which is not supported here: {reason}"
    return f"which torch refuses ({reason})"


def outputs_of(values: dict[str, Value]) -> Value | dict[str, Value]:
    """Return the only output, or all of them by their names."""
    return next(iter(values.values())) if len(values) == 1 else values


def inputs_of(graph: GraphProto) -> Iterable[Any]:
    """Return the inputs of a graph that are not weights."""
    weights = {tensor.name for tensor in graph.initializer}
    return [one for one in graph.input if one.name not in weights]
