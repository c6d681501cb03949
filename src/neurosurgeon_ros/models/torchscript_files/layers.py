# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Layers of a TorchScript program, which become the modules of torch that the rest of the program knows best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible
from neurosurgeon_ros.models.torchscript_files.calls import Calls, check_size
from neurosurgeon_ros.models.torchscript_files.values import Tensor

_CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_CONVOLVE_BACK = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def _module(calls: Calls, module: nn.Module, x: Tensor) -> Tensor | None:
    """Return what a module makes of a tensor; None if the tensor is a constant."""
    return Tensor(calls.builder.call_module(module, x.value)) if isinstance(x.value, fx.Node) else None


def _convolution(
    calls: Calls,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_: object,
) -> Tensor:
    sizes = len(weight.example.shape) - 2
    values = [x.value, weight.value, None if bias is None else bias.value]
    if transposed:
        more = (stride, padding, output_padding, groups, dilation)
        check_size(_CONVOLVE_BACK[sizes], (*values, *more), {})
        return Tensor(calls.builder.call(_CONVOLVE_BACK[sizes], *values, *more))
    settings: dict[str, Any] = {
        "stride": tuple(stride),
        "padding": tuple(padding),
        "dilation": tuple(dilation),
        "groups": groups,
    }
    check_size(_CONVOLVE[sizes], values, settings)
    fixed = all(one is None or isinstance(one, torch.Tensor) for one in values[1:])
    batched = len(x.example.shape) == sizes + 2
    if not fixed or not batched or not isinstance(x.value, fx.Node):
        return Tensor(calls.builder.call(_CONVOLVE[sizes], *values, **settings))
    shape = weight.example.shape
    made = _CONVOLUTIONS[sizes](
        shape[1] * groups, shape[0], tuple(shape[2:]), bias=bias is not None, device="meta", **settings
    )
    made.weight = nn.Parameter(weight.example, requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.example, requires_grad=False)
    return Tensor(calls.builder.call_module(made, x.value))


def _plain_convolution(
    calls: Calls,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    sizes = len(weight.example.shape) - 2
    stride, dilation = _each(stride, sizes), _each(dilation, sizes)
    if padding == "valid":
        padding = 0
    if isinstance(padding, str):
        whole = [step * (size - 1) for step, size in zip(dilation, weight.example.shape[2:], strict=True)]
        if any(one % 2 for one in whole):
            raise Unconvertible("its padding differs before and after")
        padding = [one // 2 for one in whole]
    zeros = [0] * sizes
    return _convolution(calls, x, weight, bias, stride, _each(padding, sizes), dilation, False, zeros, groups)


def _transposed_convolution(
    calls: Calls,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    sizes = len(weight.example.shape) - 2
    stride, padding, dilation, added = (_each(one, sizes) for one in (stride, padding, dilation, output_padding))
    return _convolution(calls, x, weight, bias, stride, padding, dilation, True, added, groups)


def _each(number: Any, count: int) -> list[int]:
    found = list(number) if isinstance(number, list | tuple) else [number]
    return found * count if len(found) == 1 else found


def _batch_norm(
    calls: Calls,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    _momentum: float,
    eps: float,
    *_: object,
) -> Tensor:
    if training:
        raise Unconvertible("it is in training mode; call eval() before the network is traced")
    values = [None if one is None else one.value for one in (mean, variance, weight, bias)]
    return Tensor(calls.builder.call(functional.batch_norm, x.value, *values, training=False, eps=eps))


def _max_pool2d(
    calls: Calls,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil: bool = False,
) -> Tensor:
    sides = [tuple(_each(one, 2)) for one in (kernel, stride or kernel, padding, dilation)]
    made = _module(calls, nn.MaxPool2d(*sides, return_indices=False, ceil_mode=ceil), x)  # type: ignore[misc, arg-type]
    result: Tensor = made or calls.call("max_pool2d", x, *sides, ceil)
    return result


def _leaky_relu(calls: Calls, x: Tensor, slope: float = 0.01) -> Tensor:
    result: Tensor = _module(calls, nn.LeakyReLU(slope), x) or calls.call("leaky_relu", x, slope)
    return result


def _hardtanh(calls: Calls, x: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    module = nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)
    result: Tensor = _module(calls, module, x) or calls.call("hardtanh", x, low, high)
    return result


def _relu6(calls: Calls, x: Tensor) -> Tensor:
    return _hardtanh(calls, x, 0.0, 6.0)


LAYERS: dict[str, Callable[..., Any]] = {
    "_convolution": _convolution,
    "_convolution_mode": _plain_convolution,
    "batch_norm": _batch_norm,
    "conv1d": _plain_convolution,
    "conv2d": _plain_convolution,
    "conv3d": _plain_convolution,
    "conv_transpose1d": _transposed_convolution,
    "conv_transpose2d": _transposed_convolution,
    "conv_transpose3d": _transposed_convolution,
    "convolution": _convolution,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "max_pool2d": _max_pool2d,
    "relu6": _relu6,
}
