# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Replace steps that exporters write out by the one step that they were, and fold batch norms into convolutions."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.utils import fuse_conv_bn_weights

from neurosurgeon_ros.models.graphs.scopes import SCOPE


def fuse(graph: fx.Graph) -> None:
    """Find SiLU, GELU, linear layers and folded batch norms in a module's graph, and make each of them one step."""
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        _fuse_silu(graph, node)
        _fuse_gelu(graph, node)
        _fuse_linear(graph, node)
        _fold_batch_norm(graph, node)
    graph.eliminate_dead_code()


def _fuse_silu(graph: fx.Graph, node: fx.Node) -> None:
    """x * sigmoid(x)."""  # noqa: D403
    if node.target is not torch.mul:
        return
    for x, gate in (node.args, node.args[::-1]):
        if _is(gate, torch.sigmoid) and gate.args[0] is x and len(gate.users) == 1:  # type: ignore[union-attr]
            _exchange(graph, node, functional.silu, (x,), "Silu", {})
            return


def _fuse_gelu(graph: fx.Graph, node: fx.Node) -> None:
    """x * 0.5 * (1 + erf(x / sqrt(2))), in the orders in which torch's exporters write it."""  # noqa: D403
    factors = _factors(node)
    if factors is None:
        return
    numbers, values = factors
    if not math.isclose(numbers, 0.5, rel_tol=1e-6) or len(values) != 2:
        return
    for x, gate in (values, values[::-1]):
        erf = gate.args[0] if _is(gate, torch.add) and gate.args[1] == 1 else None
        if not _is(erf, torch.erf):
            continue
        scaled = _factors(erf.args[0], divisions=True)  # type: ignore[union-attr]
        if scaled is not None and math.isclose(scaled[0], math.sqrt(0.5), rel_tol=1e-6) and scaled[1] == [x]:
            _exchange(graph, node, functional.gelu, (x,), "Gelu", {"approximate": "none"})
            return


def _factors(node: Any, divisions: bool = False) -> tuple[float, list[Any]] | None:
    """Return a product of at most two steps as its number and its values; None if it is no product."""
    number, values, waiting, seen = 1.0, [], [node], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, int | float):
            number *= one
        elif seen < 2 and _is(one, torch.mul) and (one is node or len(one.users) == 1):
            seen += 1
            waiting.extend(one.args[::-1])
        elif divisions and one is node and _is(one, torch.div) and isinstance(one.args[1], int | float):
            seen += 1
            number /= one.args[1]
            waiting.append(one.args[0])
        else:
            values.append(one)
    return (number, values) if seen else None


def _fuse_linear(graph: fx.Graph, node: fx.Node) -> None:
    """x @ W + b, with constant W and b."""  # noqa: D403
    if node.target is not torch.add or node.kwargs:
        return
    pairs: tuple[Any, ...] = (node.args, node.args[::-1])
    for product, bias in pairs:
        if not _is(product, torch.matmul) or not _is_constant(bias) or len(product.users) != 1:
            continue
        x, weight = product.args
        table: torch.Tensor | None = weight.meta.get("value") if _is_constant(weight) else None
        if table is None or table.dim() != 2 or _example(bias).shape != table.shape[1:]:
            continue
        name = f"{weight.target}_rows"
        _owner(graph).register_buffer(name, table.T.contiguous())
        with graph.inserting_before(node):
            rows = graph.get_attr(name)
        _exchange(graph, node, functional.linear, (x, rows, bias), "Gemm", {})
        return


def _fold_batch_norm(graph: fx.Graph, node: fx.Node) -> None:
    if node.target is not functional.batch_norm:
        return
    args: tuple[Any, ...] = node.args
    before, *constants = args
    module = _owner(graph).get_submodule(str(before.target)) if _is_module(before) else None
    alone = len(before.users) == 1 and all(map(_is_constant, constants))
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) or not alone:
        return
    mean, variance, scale, shift = map(_example, constants)
    small: Any = node.kwargs["eps"]
    weight, bias = fuse_conv_bn_weights(module.weight, module.bias, mean, variance, small, scale, shift)
    module.weight, module.bias = (nn.Parameter(one.detach(), requires_grad=False) for one in (weight, bias))
    node.replace_all_uses_with(before)
    graph.erase_node(node)


def _owner(graph: fx.Graph) -> fx.GraphModule:
    assert graph.owning_module is not None
    return graph.owning_module


def _is_module(node: object) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_module"


def _is(node: object, function: object) -> bool:
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target is function and not node.kwargs


def _is_constant(node: object) -> bool:
    return isinstance(node, fx.Node) and node.op == "get_attr"


def _example(node: Any) -> torch.Tensor:
    found: torch.Tensor = node.meta["value"]
    return found


def _exchange(
    graph: fx.Graph, node: fx.Node, function: Any, args: tuple[Any, ...], operator: str, kwargs: dict[str, Any]
) -> None:
    with graph.inserting_before(node):
        made = graph.call_function(function, args, kwargs)
    made.meta.update(node.meta)
    if SCOPE in made.meta:
        made.meta[SCOPE] = dataclasses.replace(made.meta[SCOPE], operator=operator)
    node.replace_all_uses_with(made)
    graph.erase_node(node)
