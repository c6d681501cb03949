# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pooling."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result
from neurosurgeon_ros.models.onnx_files.operators.windows import Sizes, check_windows, pad, pads_of, window

_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _max_pool(node: Node) -> Result:
    if node.outputs > 1:
        raise Unconvertible("it returns the places of the maxima")
    kernel, stride, dilation = window(node)
    pads = pads_of(node, kernel, stride, dilation)
    check_windows(node, pads, 1)
    x, padding = _padded(node, pads, kernel, -math.inf)
    ceil = bool(node.integer("ceil_mode", 0))
    if len(kernel) == 2 and not isinstance(x, torch.Tensor):
        return node.builder.call_module(nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil), x)
    return node.call(_MAX[len(kernel)], x, kernel, stride, padding, dilation, ceil)


def _padded(node: Node, pads: tuple[Sizes, Sizes], kernel: Sizes, value: float) -> tuple[Value, Sizes]:
    """Pad maps beforehand if torch does not support the padding: more than half a window, or less on one side."""
    too_much = any(2 * size > length for size, length in zip(pads[0], kernel, strict=True))
    x, padding = pad(node, node.x, pads, value)
    if not too_much or x is not node.x:
        return x, padding
    order = [size for one in reversed(pads[0]) for size in (one, one)]
    return node.call(functional.pad, x, order, value=value), (0,) * len(kernel)


def _average_pool(node: Node) -> Result:
    kernel, stride, dilation = window(node)
    if set(dilation) != {1}:
        raise Unconvertible("it has gaps between the averaged elements")
    ceil, counts = bool(node.integer("ceil_mode", 0)), bool(node.integer("count_include_pad", 0))
    pads = pads_of(node, kernel, stride, dilation)
    pool = _AVERAGE[len(kernel)]
    if pads[0] == pads[1] and all(2 * size <= length for size, length in zip(pads[0], kernel, strict=True)):
        return node.call(pool, node.x, kernel, stride, pads[0], ceil, counts)
    if ceil:
        raise Unconvertible("it rounds sizes up with padding that differs before and after")
    order = [size for pair in reversed(list(zip(*pads, strict=True))) for size in pair]
    pooled: Value = node.call(pool, node.call(functional.pad, node.x, order), kernel, stride)
    if counts:
        return pooled
    ones = functional.pad(torch.ones(1, 1, *node.shape(0)[2:]), order)
    return node.call(torch.div, pooled, pool(ones, kernel, stride))


def _global_average(node: Node) -> Result:
    if len(node.shape(0)) == 4:
        return node.call(functional.adaptive_avg_pool2d, node.x, 1)
    return node.call(torch.mean, node.x, list(range(2, len(node.shape(0)))), keepdim=True)


def _global_max(node: Node) -> Result:
    return node.call(torch.amax, node.x, list(range(2, len(node.shape(0)))), keepdim=True)


OPERATORS: dict[str, Convert] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "MaxPool": _max_pool,
}
