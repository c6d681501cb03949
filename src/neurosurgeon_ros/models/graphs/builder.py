# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Build a graph of torch calls step by step, with an example of each value.

A call whose arguments do not depend on the network's input is made at once, so sizes and tables become constants.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from neurosurgeon_ros.models.graphs.scopes import SCOPE, Scope, name_modules

#: A value of the graph: the result of a step, which depends on the input, or a constant.
Value = fx.Node | torch.Tensor

#: Maximum number of elements of a value that is made from sizes in a file: 1 GB of float32.
MOST_ELEMENTS = 1 << 28


class Unconvertible(Exception):
    """Raised if a node of a file has no equivalent in the graph; the message is a part of a sentence."""


class Builder:
    """
    Graph in the making.

    :ivar scope: the module of the original network to which the next steps belong.
    """

    def __init__(self) -> None:
        self.scope = Scope()
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._constants: dict[int, tuple[torch.Tensor, fx.Node]] = {}
        self._modules = 0

    def add_input(self, name: str, example: torch.Tensor) -> fx.Node:
        """Add an input; the example fixes its shape and element type."""
        node = self._graph.placeholder(name)
        node.meta["value"] = example
        return node

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """
        Call a function of torch with values and settings.

        :returns: a value, or a tuple of them if the function returns several; constants if all arguments are.
        :raises Exception: any exception that the function raises for the example.
        """
        given, named = _examples(args), _examples(kwargs)
        _check_result(function, given)
        with torch.no_grad():
            result = function(*given, **named)
        if not _holds_step((args, kwargs)):
            return result
        return self._results(self._graph.call_function(function, self._read(args), self._read(kwargs)), result)

    def call_module(self, module: nn.Module, x: fx.Node) -> fx.Node:
        """Call a module that returns one tensor, whose size was checked."""
        module.eval().requires_grad_(False)
        with torch.no_grad():
            result = module(x.meta["value"])
        name = f"step_{self._modules}"
        self._modules += 1
        self._root.add_module(name, module)
        node = self._graph.call_module(name, (x,))
        self._describe(node, result)
        return node

    def finish(
        self, outputs: Value | Sequence[Value] | Mapping[str, Value], fuse: Callable[[fx.Graph], None]
    ) -> fx.GraphModule:
        """
        Return the network.

        :param outputs: what it returns, in this structure.
        :param fuse: replaces steps of the graph by fewer ones, while the steps still hold their examples.
        """
        self._graph.output(self._read(outputs))
        module = fx.GraphModule(self._root, self._graph)
        module.graph.eliminate_dead_code()
        fuse(module.graph)
        name_modules(module.graph)
        for node in module.graph.nodes:
            node.meta.pop("value", None)
        module.graph.lint()
        module.delete_all_unused_submodules()
        module.recompile()
        return module.eval().requires_grad_(False)

    def _results(self, node: fx.Node, result: Any) -> Any:
        self._describe(node, result)
        if not isinstance(result, tuple | list):
            return node
        items = [self._graph.call_function(operator.getitem, (node, index)) for index in range(len(result))]
        for item, part in zip(items, result, strict=True):
            self._describe(item, part)
        return tuple(items)

    def _describe(self, node: fx.Node, result: Any) -> None:
        node.meta["value"], node.meta[SCOPE] = result, self.scope

    def _read(self, arguments: Any) -> Any:
        """Replace constant tensors in arguments by steps that read them."""
        return fx.node.map_aggregate(
            arguments, lambda one: self._constant(one) if isinstance(one, torch.Tensor) else one
        )

    def _constant(self, tensor: torch.Tensor) -> fx.Node:
        known = self._constants.get(id(tensor))
        if known is None:
            name = f"constant_{len(self._constants)}"
            self._root.register_buffer(name, tensor)
            node = self._graph.get_attr(name)
            node.meta["value"] = tensor
            known = self._constants[id(tensor)] = (tensor, node)
        return known[1]


def example(value: Value) -> torch.Tensor:
    """Return the example of a value; a constant is its own."""
    found = value.meta["value"] if isinstance(value, fx.Node) else value
    assert isinstance(found, torch.Tensor)
    return found


def _check_result(function: Callable[..., Any], args: Any) -> None:
    """
    Check the size of a result before memory is taken for it, if it can be larger than all arguments.

    :raises Unconvertible: it is too large.
    """
    shapes: list[tuple[int, ...]] = []
    fx.node.map_aggregate(args, lambda one: shapes.append(tuple(one.shape)) if isinstance(one, torch.Tensor) else None)
    if len(shapes) < 2:
        return
    if function is torch.cat:
        count = sum(map(math.prod, shapes))
    elif function is torch.matmul and min(map(len, shapes)) >= 2:
        count = math.prod(shapes[0][:-1]) * shapes[1][-1] * max(1, math.prod(shapes[1][:-2]))
    else:
        try:
            count = math.prod(np.broadcast_shapes(*shapes))
        except ValueError:  # the function does not broadcast, or will say what is wrong
            return
    if count > MOST_ELEMENTS:
        raise Unconvertible(f"it makes a value of {count:,} elements, of which the limit is {MOST_ELEMENTS:,}")


def _examples(arguments: Any) -> Any:
    return fx.node.map_aggregate(arguments, lambda one: one.meta["value"] if isinstance(one, fx.Node) else one)


def _holds_step(arguments: Any) -> bool:
    found: list[bool] = []
    fx.node.map_aggregate(arguments, lambda one: found.append(isinstance(one, fx.Node)))
    return any(found)
