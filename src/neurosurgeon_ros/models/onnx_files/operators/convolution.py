# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value, example
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result, check_size
from neurosurgeon_ros.models.onnx_files.operators.windows import check_windows, pad, pads_of, window

_CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_CONVOLVE_BACK = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def _conv(node: Node) -> Result:
    x, weight, bias = node.input(0), node.input(1), node.optional(2)
    sizes = node.shape(1)[2:]
    kernel, stride, dilation = window(node, sizes)
    if kernel != tuple(sizes):
        raise Unconvertible(f"its kernel_shape {list(kernel)} is not that of its weights, {list(sizes)}")
    pads = pads_of(node, kernel, stride, dilation)
    check_windows(node, pads, node.shape(1)[0])
    x, padding = pad(node, x, pads)
    settings: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": node.integer("group", 1),
    }
    fixed = isinstance(weight, torch.Tensor) and not isinstance(bias, fx.Node)
    if isinstance(x, fx.Node) and fixed and len(sizes) in _CONVOLUTIONS:
        return node.builder.call_module(_module(weight, bias, settings), x)  # type: ignore[arg-type]
    return node.call(_CONVOLVE[len(sizes)], x, weight, bias, **settings)


def _module(weight: torch.Tensor, bias: torch.Tensor | None, settings: dict[str, Any]) -> nn.Module:
    made = _CONVOLUTIONS[weight.dim() - 2](
        weight.shape[1] * settings["groups"],
        weight.shape[0],
        tuple(weight.shape[2:]),
        bias=bias is not None,
        device="meta",
        **settings,
    )
    made.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made


def _conv_transpose(node: Node) -> Result:
    x, weight, bias = node.input(0), node.input(1), node.optional(2)
    sizes = node.shape(1)[2:]
    kernel, stride, dilation = window(node, sizes)
    if "output_shape" in node.attributes or node.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unconvertible("it computes its padding from the size of its output")
    pads = [int(one) for one in node.attributes.get("pads", [0] * (2 * len(sizes)))]
    padding = [int(one) for one in node.attributes.get("output_padding", [0] * len(sizes))]
    before, after = pads[: len(sizes)], pads[len(sizes) :]
    # More padding at the end cuts off rows of the result; less leaves rows that output padding makes.
    added = [one + low - high for one, low, high in zip(padding, before, after, strict=True)]
    groups = node.integer("group", 1)
    reached = zip(node.shape(0)[2:], stride, dilation, kernel, added, strict=True)
    sides = [(size - 1) * step + gap * (length - 1) + 1 + max(0, more) for size, step, gap, length, more in reached]
    check_size([node.shape(0)[0], node.shape(1)[1] * groups, *sides])
    if min(added) < 0:
        whole = node.call(_CONVOLVE_BACK[len(sizes)], x, weight, bias, stride, 0, padding, groups, dilation)
        for axis, (low, high) in enumerate(zip(before, after, strict=True), start=2):
            whole = node.call(torch.narrow, whole, axis, low, example(whole).shape[axis] - low - high)
        return whole
    return node.call(_CONVOLVE_BACK[len(sizes)], x, weight, bias, stride, before, added, groups, dilation)


def _gemm(node: Node) -> Result:
    a, b, c = node.input(0), node.input(1), node.optional(2)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    if node.integer("transA", 0):
        a = node.call(torch.transpose, a, 0, 1)
    plain = alpha == beta == 1.0 and (
        c is None or node.shape(2) == (node.shape(1)[0 if node.integer("transB", 0) else 1],)
    )
    if plain:
        return node.call(functional.linear, a, _rows(node, b, bool(node.integer("transB", 0))), c)
    if node.integer("transB", 0):
        b = node.call(torch.transpose, b, 0, 1)
    product = _times(node, node.call(torch.matmul, a, b), alpha)
    return product if c is None else node.call(torch.add, product, _times(node, c, beta))


def _rows(node: Node, b: Value, transposed: bool) -> Value:
    """Return weights in the order of torch's linear layers: a row for each output."""
    if transposed:
        return b
    turned: Value = node.call(torch.transpose, b, 0, 1)
    return turned.contiguous() if isinstance(turned, torch.Tensor) else turned


def _times(node: Node, x: Value, factor: float) -> Value:
    result: Value = x if factor == 1.0 else node.call(torch.mul, x, factor)
    return result


def _matmul(node: Node) -> Result:
    return node.call(torch.matmul, node.input(0), node.input(1))


def _einsum(node: Node) -> Result:
    values: Sequence[Value] = [node.input(index) for index in range(len(node.inputs))]
    return node.call(torch.einsum, node.text("equation", "").replace(" ", ""), *values)


OPERATORS: dict[str, Convert] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
