# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Normalisation, softmax and reductions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value, example
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result

#: Opset from which softmax is along one axis; before, along all from that axis on.
_SOFTMAX_OF_ONE_AXIS = 13
#: Opset from which scale and bias of groups are those of channels.
_GROUPS_OF_CHANNELS = 21


def _batch_normalization(node: Node) -> Result:
    if node.integer("training_mode", 0) or node.outputs > 1:
        raise Unconvertible("it is in training mode")
    x, scale, bias, mean, variance = (node.input(index) for index in range(5))
    return node.call(
        functional.batch_norm, x, mean, variance, scale, bias, training=False, eps=node.number("epsilon", 1e-5)
    )


def _layer_normalization(node: Node) -> Result:
    if node.outputs > 1:
        raise Unconvertible("it returns mean and deviation")
    shape = node.shape(0)[node.axis(-1) :]
    scale, bias = node.input(1), node.optional(2)
    fit = all(example(one).shape == torch.Size(shape) for one in (scale, bias) if one is not None)
    if fit:
        return node.call(functional.layer_norm, node.x, shape, scale, bias, node.number("epsilon", 1e-5))
    plain = node.call(functional.layer_norm, node.x, shape, None, None, node.number("epsilon", 1e-5))
    scaled: Value = node.call(torch.mul, plain, scale)
    return scaled if bias is None else node.call(torch.add, scaled, bias)


def _instance_normalization(node: Node) -> Result:
    scale, bias = node.input(1), node.input(2)
    return node.call(functional.instance_norm, node.x, None, None, scale, bias, True, eps=node.number("epsilon", 1e-5))


def _group_normalization(node: Node) -> Result:
    groups, channels = node.integer("num_groups", 1), node.shape(0)[1]
    scale, bias = node.input(1), node.input(2)
    if node.opset < _GROUPS_OF_CHANNELS:
        scale, bias = (node.call(torch.repeat_interleave, one, channels // groups) for one in (scale, bias))
    return node.call(functional.group_norm, node.x, groups, scale, bias, node.number("epsilon", 1e-5))


def _lp_normalization(node: Node) -> Result:
    return node.call(functional.normalize, node.x, float(node.integer("p", 2)), node.axis(-1), 0.0)


def _local_response(node: Node) -> Result:
    alpha, beta, bias = node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("bias", 1.0)
    return node.call(functional.local_response_norm, node.x, node.integer("size", 1), alpha, beta, bias)


def _softmax(function: Callable[..., Any], node: Node) -> Result:
    if node.opset >= _SOFTMAX_OF_ONE_AXIS:
        return node.call(function, node.x, node.axis(-1))
    shape, axis = node.shape(0), node.axis(1)
    if math.prod(shape[axis:]) == shape[axis]:
        return node.call(function, node.x, axis)
    return node.call(torch.reshape, node.call(function, node.call(torch.flatten, node.x, axis), axis), shape)


def _axes(node: Node) -> list[int] | None:
    """Return the axes of a reduction; None if it does nothing."""
    axes, rank = node.integers("axes", 1), len(node.shape(0))
    if not axes:
        return None if node.integer("noop_with_empty_axes", 0) else list(range(rank))
    if not all(-rank <= axis < rank for axis in axes):
        raise Unconvertible(f"its axes {axes} lie outside a value of {rank} dimensions")
    return sorted(axis % rank for axis in axes)


def _reduce(function: Callable[..., Any], node: Node) -> Result:
    axes = _axes(node)
    if axes is None:
        return node.x
    return node.call(function, node.x, axes, keepdim=bool(node.integer("keepdims", 1)))


def _product(node: Node) -> Result:
    axes, keep, x = _axes(node), bool(node.integer("keepdims", 1)), node.x
    for axis in reversed(axes or []):
        x = node.call(torch.prod, x, axis, keepdim=keep)
    return x


def _norm(degree: int, node: Node) -> Result:
    axes = _axes(node)
    if axes is None:
        return node.x
    return node.call(torch.linalg.vector_norm, node.x, degree, axes, keepdim=bool(node.integer("keepdims", 1)))


def _after(function: Callable[..., Any], node: Node) -> Result:
    """Sum what a function gives for each element."""
    axes = _axes(node)
    x = node.call(function, node.x)
    return x if axes is None else node.call(torch.sum, x, axes, keepdim=bool(node.integer("keepdims", 1)))


def _log_sum(node: Node) -> Result:
    return node.call(torch.log, _reduce(torch.sum, node))


def _extreme_place(function: Callable[..., Any], node: Node) -> Result:
    axis, keep = node.axis(0), bool(node.integer("keepdims", 1))
    if not node.integer("select_last_index", 0):
        return node.call(function, node.x, axis, keepdim=keep)
    found = node.call(function, node.call(torch.flip, node.x, [axis]), axis, keepdim=keep)
    return node.call(torch.rsub, found, node.shape(0)[axis] - 1)


def _top_k(node: Node) -> Result:
    count = node.constant(1)
    if count is None:
        raise Unconvertible("its number of elements is missing")
    axis, number = node.axis(-1), int(count.item())
    if not 0 <= number <= node.shape(0)[axis]:
        raise Unconvertible(f"it takes {number} of {node.shape(0)[axis]} elements")
    # Of equal elements ONNX takes the first, where torch.topk takes any.
    largest = bool(node.integer("largest", 1))
    values, places = node.call_for_several(torch.sort, node.x, stable=True, dim=axis, descending=largest)
    return tuple(node.call(torch.narrow, one, axis, 0, number) for one in (values, places))


OPERATORS: dict[str, Convert] = {
    "ArgMax": functools.partial(_extreme_place, torch.argmax),
    "ArgMin": functools.partial(_extreme_place, torch.argmin),
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LRN": _local_response,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": functools.partial(_softmax, torch.log_softmax),
    "LpNormalization": _lp_normalization,
    "ReduceL1": functools.partial(_norm, 1),
    "ReduceL2": functools.partial(_norm, 2),
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": functools.partial(_reduce, torch.logsumexp),
    "ReduceMax": functools.partial(_reduce, torch.amax),
    "ReduceMean": functools.partial(_reduce, torch.mean),
    "ReduceMin": functools.partial(_reduce, torch.amin),
    "ReduceProd": _product,
    "ReduceSum": functools.partial(_reduce, torch.sum),
    "ReduceSumSquare": functools.partial(_after, torch.square),
    "Softmax": functools.partial(_softmax, torch.softmax),
    "TopK": _top_k,
}
