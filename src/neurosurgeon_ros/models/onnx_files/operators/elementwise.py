# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Operators that compute each element from the elements at its place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value, example
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result

#: Operators with one input and no settings.
_UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Asin": torch.asin,
    "Atan": torch.atan,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": functional.hardswish,
    "IsInf": torch.isinf,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}

#: Operators with two inputs that are broadcast.
_BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}

#: Operators with any number of inputs that are broadcast.
_VARIADIC: dict[str, Callable[..., Any]] = {
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sum": torch.add,
}

#: Operators whose second input torch takes as a number.
_TAKE_NUMBERS = ("Add", "Mul", "Sub", "Div", "Pow")


def _unary(node: Node) -> Result:
    return node.call(_UNARY[node.operator], node.x)


def _binary(node: Node) -> Result:
    return node.call(_BINARY[node.operator], *_pair(node))


def _pair(node: Node) -> tuple[Any, Any]:
    """Return two inputs; the second as a number if it is a constant with one element."""
    first, second = node.input(0), node.input(1)
    if isinstance(first, fx.Node) and isinstance(second, torch.Tensor) and node.operator in _TAKE_NUMBERS:
        x = example(first)
        if second.numel() == 1 and second.dim() <= x.dim() and second.dtype == x.dtype:
            return first, second.item()
    return first, second


def _variadic(node: Node) -> Result:
    function = _VARIADIC[node.operator]
    values = [node.input(index) for index in range(len(node.inputs))]
    return functools.reduce(functools.partial(node.call, function), values)


def _mean(node: Node) -> Result:
    values = [node.input(index) for index in range(len(node.inputs))]
    return node.call(torch.div, functools.reduce(functools.partial(node.call, torch.add), values), len(values))


def _div(node: Node) -> Result:
    first, second = _pair(node)
    whole = not example(node.x).is_floating_point()
    return node.call(torch.div, first, second, **({"rounding_mode": "trunc"} if whole else {}))


def _pow(node: Node) -> Result:
    first, second = _pair(node)
    result = node.call(torch.pow, first, second)
    wanted = example(node.x).dtype
    return result if example(result).dtype == wanted else node.call(torch.Tensor.to, result, wanted)


def _mod(node: Node) -> Result:
    return node.call(torch.fmod if node.integer("fmod", 0) else torch.remainder, node.input(0), node.input(1))


def _where(node: Node) -> Result:
    return node.call(torch.where, node.input(0), node.input(1), node.input(2))


def _clip(node: Node) -> Result:
    low, high = (None if one is None else one.item() for one in (node.constant(1), node.constant(2)))
    if low is None and high is None:
        return node.x
    if (low, high) == (0, 6) and example(node.x).is_floating_point():
        return node.call(functional.relu6, node.x)
    return node.call(torch.clamp, node.x, low, high)


def _leaky_relu(node: Node) -> Result:
    return node.call(functional.leaky_relu, node.x, node.number("alpha", 0.01))


def _elu(node: Node) -> Result:
    return node.call(functional.elu, node.x, node.number("alpha", 1.0))


def _celu(node: Node) -> Result:
    return node.call(functional.celu, node.x, node.number("alpha", 1.0))


def _selu(node: Node) -> Result:
    alpha, gamma = node.number("alpha", 1.67326319), node.number("gamma", 1.05070102)
    if math.isclose(alpha, 1.67326319, rel_tol=1e-6) and math.isclose(gamma, 1.05070102, rel_tol=1e-6):
        return node.call(functional.selu, node.x)
    return node.call(torch.mul, node.call(functional.elu, node.x, alpha), gamma)


def _thresholded_relu(node: Node) -> Result:
    return node.call(functional.threshold, node.x, node.number("alpha", 1.0), 0.0)


def _hard_sigmoid(node: Node) -> Result:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return node.call(functional.hardsigmoid, node.x)
    return node.call(torch.clamp, node.call(torch.add, node.call(torch.mul, node.x, alpha), beta), 0.0, 1.0)


def _gelu(node: Node) -> Result:
    return node.call(functional.gelu, node.x, approximate=node.text("approximate", "none"))


def _prelu(node: Node) -> Result:
    x, slope = node.input(0), node.input(1)
    shape, rank = node.shape(1), len(node.shape(0))
    one_for_each_channel = len(shape) == rank - 1 and all(size == 1 for size in shape[1:])
    if rank >= 2 and (one_for_each_channel or shape == (1,)):
        return node.call(functional.prelu, x, node.call(torch.reshape, slope, (-1,)))
    negative = node.call(torch.mul, x, slope)
    return node.call(torch.where, node.call(torch.lt, x, 0), negative, x)


def _identity(node: Node) -> Result:
    return node.x


def _dropout(node: Node) -> Result:
    training = node.constant(2)
    if training is not None and bool(training.item()):
        raise Unconvertible("it drops values, as in training")
    everything = torch.ones(node.shape(0), dtype=torch.bool)
    return (node.x, everything)[: max(1, node.outputs)]


def _cast_to(node: Node, dtype: torch.dtype) -> Value:
    if example(node.x).dtype == dtype:
        return node.x
    result: Value = node.call(torch.Tensor.to, node.x, dtype)
    return result


def _cast(node: Node) -> Result:
    from neurosurgeon_ros.models.onnx_files.tensors import dtype_of

    return _cast_to(node, dtype_of(node.integer("to", 1)))


def _cast_like(node: Node) -> Result:
    return _cast_to(node, example(node.input(1)).dtype)


OPERATORS: dict[str, Convert] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_VARIADIC, _variadic),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Celu": _celu,
    "Clip": _clip,
    "Div": _div,
    "Dropout": _dropout,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "LeakyRelu": _leaky_relu,
    "Mean": _mean,
    "Mod": _mod,
    "PRelu": _prelu,
    "Pow": _pow,
    "Selu": _selu,
    "ThresholdedRelu": _thresholded_relu,
    "Where": _where,
}
