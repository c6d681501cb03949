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
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.errors import PartitionError, first_line
from neurosurgeon_ros.partition.names import INNER_NAME, WRAPS, name_steps, plain_name


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


def trace_with_fx(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Trace:
    """
    Record a network with torch.fx. Arguments of ``forward`` that have no input keep their defaults.

    :raises Exception: any exception that the network's own code raises when it receives a proxy instead of a tensor.
    """
    if isinstance(network, fx.GraphModule):
        return _trace_of_graph(network)
    graph = _Tracer().trace(network)
    _insert_defaults(graph, len(inputs))
    module = fx.GraphModule(network, graph)
    name_steps(module.graph, getattr(network, WRAPS, ""))
    return Trace(module, _same)


def _insert_defaults(graph: fx.Graph, inputs: int) -> None:
    """Replace the arguments after the first ones by their defaults."""
    arguments = [node for node in graph.nodes if node.op == "placeholder"]
    defaults = {argument: argument.args[0] for argument in arguments[inputs:] if argument.args}
    for user in {user for argument in defaults for user in argument.users}:
        user.args, user.kwargs = fx.map_arg((user.args, user.kwargs), lambda node: defaults.get(node, node))
    for argument in defaults:
        graph.erase_node(argument)


class _Tracer(fx.Tracer):
    """Tracer that takes graphs within the network as they are, with the names of their steps."""

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record the call of a module."""
        if isinstance(m, fx.GraphModule) and not kwargs:
            return self._inline(m, args)
        return super().call_module(m, forward, args, kwargs)

    def _inline(self, module: fx.GraphModule, args: tuple[Any, ...]) -> Any:
        place = self.path_of_module(module)
        given = iter(module.graph.process_inputs(*args))
        values: dict[fx.Node, Any] = {}
        for node in module.graph.nodes:
            inner_args, inner_kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            if node.op == "placeholder":
                values[node] = next(given)
            elif node.op == "output":
                return module.graph.process_outputs(inner_args[0])
            elif not _is_guard(node):
                own = f"{place}.{node.target}" if node.op in ("call_module", "get_attr") else node.target
                values[node] = self.create_proxy(node.op, own, inner_args, inner_kwargs)
                values[node].node.meta[INNER_NAME] = plain_name(node)
        raise AssertionError("a graph without an output")


def _is_guard(node: fx.Node) -> bool:
    """Return whether a step only checks the shapes of the inputs."""
    return node.op == "call_module" and str(node.target).startswith("_guards")


def trace_with_export(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Trace:
    """
    Record a network with torch.export.

    :raises Exception: any exception that torch.export raises if it fails.
    """
    # torch prints the graph up to the obstacle: thousands of lines for a detector.
    with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        program = torch.export.export(network, tuple(inputs)).run_decompositions({})
    module = program.module()
    assert isinstance(module, fx.GraphModule)
    return _trace_of_graph(module, getattr(network, WRAPS, ""))


def _trace_of_graph(module: fx.GraphModule, prefix: str = "") -> Trace:
    """Return a recorded graph, and how it arranges its outputs."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        if node.op == "output":
            graph.output(fx.map_arg(node.args[0], copies.__getitem__))
        elif not _is_guard(node):
            copies[node] = graph.node_copy(node, copies.__getitem__)
            if node.target is torch.ops.aten.view.default:
                # Tensors may lie otherwise in memory than torch.export believed.
                copies[node].target = torch.ops.aten.reshape.default
    recorded = fx.GraphModule(module, graph)
    name_steps(recorded.graph, prefix)
    return Trace(recorded, module.graph.process_outputs)


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
    recorded = fx.GraphModule(root, graph)
    name_steps(recorded.graph)
    obstacle = (
        f"Network {type(network).__name__} cannot be cut: {_place(network, error)}; it runs as a whole, on the robot "
        "or at the edge."
    )
    return Trace(recorded, _same, obstacle)


def _same(outputs: Any) -> Any:
    return outputs


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
