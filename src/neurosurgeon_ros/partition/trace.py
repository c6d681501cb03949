# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Record a network as a graph: with torch.fx, with torch.export if that fails, or as a single step.

torch.fx keeps the network's own modules and their names. It does not support control flow that depends on sizes, or
writes through views; torch.export supports both. Control flow that depends on values cannot be recorded as a graph.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from neurosurgeon_ros.partition.errors import PartitionError, first_line

#: Maximum length of the name of a value; matches the bound of the message field that carries it.
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """
    A recorded network.

    :param module: its graph; each node stores a human-readable name in ``meta["label"]``.
    :param restore: converts what the graph returns to what the network returns.
    :param obstacle: one sentence on why the network is a single step; None if it is not.
    """

    module: fx.GraphModule
    restore: Callable[[Any], Any]
    obstacle: str | None = None


def run_example(network: nn.Module, inputs: Sequence[torch.Tensor]) -> None:
    """
    Run a network once on its example.

    :raises PartitionError: the network is in training mode, or does not accept the example.
    """
    name = type(network).__name__
    if any(map(_trains, network.modules())):
        raise PartitionError(f"Network {name} is in training mode; call its eval() before it is cut.")
    try:
        with torch.no_grad():
            network(*(tensor.clone() for tensor in inputs))
    except Exception as error:
        shapes = ", ".join(f"{tensor.dtype} {tuple(tensor.shape)}".removeprefix("torch.") for tensor in inputs)
        raise PartitionError(
            f"Network {name} does not accept the example input {shapes} ({first_line(error)}); give one that it "
            "accepts."
        ) from error


def _trains(module: nn.Module) -> bool:
    """Return whether training mode is on and can affect the result; containers made by torch never leave that mode."""
    own = not type(module).__module__.startswith("torch.")
    modal = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd)
    return module.training and (own or modal)


def trace_with_fx(network: nn.Module) -> Trace:
    """
    Record a network with torch.fx.

    :raises Exception: any exception that the network's own code raises when it receives a proxy instead of a tensor.
    """
    module = fx.GraphModule(network, fx.Tracer().trace(network))
    _label(module.graph)
    return Trace(module, _same)


def trace_with_export(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Trace:
    """
    Record a network with torch.export.

    :raises Exception: any exception that torch.export raises if it fails.
    """
    # torch prints the graph up to the obstacle: thousands of lines for a detector.
    with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        program = torch.export.export(network, tuple(inputs)).run_decompositions({})
    return trace_of_program(program)


def trace_of_program(program: torch.export.ExportedProgram) -> Trace:
    """Return the graph of a program without in-place writes."""
    module = program.module()
    assert isinstance(module, fx.GraphModule)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        if node.op == "output":
            graph.output(fx.map_arg(node.args[0], copies.__getitem__))
        elif not (node.op == "call_module" and str(node.target).startswith("_guards")):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    out_spec = program.call_spec.out_spec
    _label(graph)

    def restore(flat: Any) -> Any:
        return pytree.tree_unflatten(list(flat), out_spec)

    return Trace(fx.GraphModule(module, graph), restore)


def trace_as_one_step(network: nn.Module, inputs: Sequence[torch.Tensor], error: Exception) -> Trace:
    """
    Return a graph with a single step: the network.

    :param error: the reason why it has no other graph.
    """
    root = nn.Module()
    root.add_module("network", network)
    graph = fx.Graph()
    step = graph.call_module("network", tuple(graph.placeholder(f"input_{index}") for index in range(len(inputs))))
    graph.output(step)
    _label(graph)
    obstacle = (
        f"Network {type(network).__name__} cannot be cut: {_place(network, error)}; it runs as a whole, on the robot "
        "or at the edge."
    )
    return Trace(fx.GraphModule(root, graph), _same, obstacle)


def _same(outputs: Any) -> Any:
    return outputs


def _label(graph: fx.Graph) -> None:
    """Name each node after the module that it belongs to, and number calls that have the same name."""
    seen: set[str] = set()
    for node in graph.nodes:
        label = _plain_label(node).replace("/", ".")[-(LONGEST_NAME - 5) :].lstrip(".")
        numbered = (f"{label}_{number}" for number in itertools.count(2))
        node.meta["label"] = next(name for name in itertools.chain([label], numbered) if name not in seen)
        seen.add(node.meta["label"])


def _plain_label(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    if node.op not in ("call_function", "call_method"):
        return node.name
    stack = list((node.meta.get("nn_module_stack") or {"": ("", None)}).values())
    scope = str(stack[-1][0])
    return f"{scope}.{operation_name(node)}".lstrip(".")


def operation_name(node: fx.Node) -> str:
    """Return the bare name of a function or method, without overload and in-place markers."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    name = name.split(".")[0].strip("_")
    return {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "truediv"}.get(name, name)


def _place(network: nn.Module, error: Exception) -> str:
    """Return the module and line where tracing failed."""
    names = {module: name for name, module in network.named_modules()}
    for frame, line in reversed(list(_frames(error.__traceback__))):
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and owner in names and not type(owner).__module__.startswith("torch."):
            where = f"module {names[owner]!r}" if names[owner] else "its own forward"
            code = traceback.linecache.getline(frame.f_code.co_filename, line).strip()  # type: ignore[attr-defined]
            return f"{where}, line {line} of {frame.f_code.co_filename}, depends on values ({code})"
    return first_line(error)


def _frames(trace: TracebackType | None) -> Any:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
