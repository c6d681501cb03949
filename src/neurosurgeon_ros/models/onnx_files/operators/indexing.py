# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Operators that read or write elements at places that other inputs name."""

from __future__ import annotations

import torch
from torch import fx
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value, example
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result, check_size


def _places(node: Node, index: int, size: int) -> Value:
    """Return an input that holds places, counted from 0: negative ones count from the end."""
    places = node.input(index)
    if isinstance(places, torch.Tensor):
        if places.numel() and not -size <= int(places.min()) <= int(places.max()) < size:
            raise Unconvertible(f"its places lie outside the {size} elements of its input")
        return torch.where(places < 0, places + size, places).to(torch.int64)
    return places if example(places).dtype == torch.int64 else node.call(torch.Tensor.to, places, torch.int64)


def _gather(node: Node) -> Result:
    axis, shape = node.axis(0), node.shape(0)
    places = _places(node, 1, shape[axis])
    if isinstance(places, torch.Tensor) and isinstance(node.x, fx.Node) and places.dim() == 0:
        return node.call(torch.select, node.x, axis, int(places))
    wanted = example(places).shape
    check_size([*shape[:axis], *wanted, *shape[axis + 1 :]])
    flat = places if len(wanted) == 1 else node.call(torch.reshape, places, (-1,))
    found = node.call(torch.index_select, node.x, axis, flat)
    if len(wanted) == 1:
        return found
    return node.call(torch.reshape, found, (*shape[:axis], *wanted, *shape[axis + 1 :]))


def _gather_elements(node: Node) -> Result:
    axis = node.axis(0)
    return node.call(torch.gather, node.x, axis, _places(node, 1, node.shape(0)[axis]))


def _gather_nd(node: Node) -> Result:
    if node.integer("batch_dims", 0):
        raise Unconvertible("it has batch_dims")
    depth, places = node.shape(1)[-1], node.input(1)
    parts = tuple(node.call(torch.select, places, -1, index) for index in range(depth))
    return node.call(torch.ops.aten.index.Tensor, node.x, list(parts))


def _scatter_nd(node: Node) -> Result:
    reduction = node.text("reduction", "none")
    if reduction not in ("none", "add"):
        raise Unconvertible(f"its reduction {reduction!r} is not known")
    depth, places = node.shape(1)[-1], node.input(1)
    parts = tuple(node.call(torch.select, places, -1, index) for index in range(depth))
    return node.call(torch.index_put, node.x, parts, node.input(2), reduction == "add")


def _scatter_elements(node: Node) -> Result:
    reduction, axis = node.text("reduction", "none"), node.axis(0)
    places, values = _places(node, 1, node.shape(0)[axis]), node.input(2)
    if reduction == "none":
        return node.call(torch.scatter, node.x, axis, places, values)
    kinds = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    if reduction not in kinds:
        raise Unconvertible(f"its reduction {reduction!r} is not known")
    return node.call(torch.scatter_reduce, node.x, axis, places, values, kinds[reduction])


def _one_hot(node: Node) -> Result:
    depth, values = node.constant(1), node.constant(2)
    if depth is None or values is None:
        raise Unconvertible("its depth or its values are missing")
    classes = int(depth.item())
    check_size([*node.shape(0), classes])
    rank = len(node.shape(0)) + 1
    hot = node.call(functional.one_hot, node.call(torch.remainder, node.x, classes), classes)
    chosen = node.call(torch.where, node.call(torch.eq, hot, 1), values[1], values[0])
    axis = node.integer("axis", -1) % rank
    return chosen if axis == rank - 1 else node.call(torch.movedim, chosen, -1, axis)


def _cumulative_sum(node: Node) -> Result:
    axis = node.constant(1)
    if axis is None or node.integer("exclusive", 0):
        raise Unconvertible("it leaves out an element")
    along = int(axis.item())
    if not node.integer("reverse", 0):
        return node.call(torch.cumsum, node.x, along)
    return node.call(torch.flip, node.call(torch.cumsum, node.call(torch.flip, node.x, [along]), along), [along])


def _non_zero(node: Node) -> Result:
    given = node.constant(0)
    assert given is not None
    return torch.nonzero(given).transpose(0, 1).contiguous()


def _grid_sample(node: Node) -> Result:
    modes = {"linear": "bilinear", "cubic": "bicubic"}
    mode = node.text("mode", "bilinear")
    padding, aligned = node.text("padding_mode", "zeros"), bool(node.integer("align_corners", 0))
    return node.call(functional.grid_sample, node.x, node.input(1), modes.get(mode, mode), padding, aligned)


OPERATORS: dict[str, Convert] = {
    "CumSum": _cumulative_sum,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "GridSample": _grid_sample,
    "NonZero": _non_zero,
    "OneHot": _one_hot,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
}
