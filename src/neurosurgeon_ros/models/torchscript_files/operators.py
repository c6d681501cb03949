# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Operators of a TorchScript program that are replaced by something else than torch's operator of the same name.

To add one, add a function and a line to the table. To add an operator as it is, add its name to :mod:`.known`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from neurosurgeon_ros.models.graphs.builder import Unconvertible
from neurosurgeon_ros.models.torchscript_files.calls import Calls
from neurosurgeon_ros.models.torchscript_files.layers import LAYERS
from neurosurgeon_ros.models.torchscript_files.settings import dtype_of, number_of
from neurosurgeon_ros.models.torchscript_files.values import Tensor

#: Version from which the division of integers gives a fraction.
_TRUE_DIVISION = 4


def _dropout(_calls: Calls, x: Tensor, _share: float = 0.5, training: bool = False, *_: object) -> Tensor:
    if training:
        raise Unconvertible("it is in training mode; call eval() before the network is traced")
    return x


def _same(_calls: Calls, x: Any, *_: object, **__: object) -> Any:
    return x


def _copied(_calls: Calls, x: Tensor, **_: object) -> Tensor:
    return Tensor(x.value)


def _view(calls: Calls, x: Tensor, shape: Any) -> Tensor:
    if not isinstance(shape, list):
        raise Unconvertible("it reads elements as another type")
    # Maps may lie otherwise in memory than when the network was traced.
    result: Tensor = calls.call("reshape", x, shape)
    return result


def _to(calls: Calls, x: Tensor, *given: Any, **named: Any) -> Tensor:
    wanted = named.get("dtype")
    for one in given[:2]:
        if isinstance(one, Tensor):
            wanted = one.example.dtype
        elif type(one) is int:
            wanted = one
    return _cast(calls, x, None if wanted is None else dtype_of(wanted))


def _cast(calls: Calls, x: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or x.example.dtype == dtype:
        return x
    return Tensor(calls.builder.call(torch.Tensor.to, x.value, dtype))


def _type_as(calls: Calls, x: Tensor, other: Tensor) -> Tensor:
    return _cast(calls, x, other.example.dtype)


def _cast_by_name(dtype: torch.dtype, calls: Calls, x: Tensor, *_: object) -> Tensor:
    return _cast(calls, x, dtype)


def _div(calls: Calls, x: Tensor, other: Any, **kwargs: Any) -> Any:
    numbers = [one.example if isinstance(one, Tensor) else torch.tensor(one) for one in (x, other)]
    if calls.version < _TRUE_DIVISION and not kwargs and not any(one.is_floating_point() for one in numbers):
        kwargs = {"rounding_mode": "trunc"}
    return calls.call("div", x, other, **kwargs)


def _size(_calls: Calls, x: Tensor, axis: int | None = None) -> Any:
    shape = list(x.example.shape)
    return shape if axis is None else shape[axis]


def _stride(_calls: Calls, x: Tensor, axis: int | None = None) -> Any:
    raise Unconvertible("how a tensor lies in memory is not fixed")


def _make_tensor(_calls: Calls, data: Any, *_: object, dtype: Any = None, **__: object) -> Tensor:
    return Tensor(torch.tensor(data, dtype=None if dtype is None else dtype_of(dtype)))


def _zeros_for(name: str, calls: Calls, *args: Any, **kwargs: Any) -> Any:
    """Make zeros where a program makes a tensor without values."""
    return calls.call(name, *args, **kwargs)


def _where(calls: Calls, condition: Tensor, *values: Any) -> Any:
    if not values:
        raise Unconvertible("the size of its result depends on the image")
    return calls.call("where", condition, *values)


def _index(name: str, calls: Calls, x: Tensor, places: Sequence[Tensor | None], *values: Any) -> Any:
    for one in places:
        if one is not None and one.example.dtype in (torch.bool, torch.uint8) and isinstance(one.value, fx.Node):
            raise Unconvertible("the number of elements that it takes depends on the image")
    return calls.call(name, x, list(places), *values)


def _repeat_interleave(calls: Calls, *args: Any, **kwargs: Any) -> Any:
    for one in args[1:2]:
        calls.number(one, "the number of repeats") if isinstance(one, Tensor) and one.example.numel() == 1 else one
    return calls.call("repeat_interleave", *args, **kwargs)


def _one_hot(calls: Calls, x: Tensor, classes: int = -1) -> Any:
    if classes < 0:
        raise Unconvertible("the size of its result depends on the image")
    return calls.call("one_hot", x, classes)


def _copy_in(calls: Calls, x: Tensor, source: Any, *_: object) -> Tensor:
    return calls.write(x, source if isinstance(source, Tensor) else Tensor(torch.tensor(source)))


def _zero_in(calls: Calls, x: Tensor) -> Tensor:
    return calls.write(x, Tensor(torch.zeros((), dtype=x.example.dtype)))


Convert = Callable[..., Any]

OPERATORS: dict[str, Convert] = {
    **LAYERS,
    "IntImplicit": lambda calls, x: calls.number(x, "a number"),
    "Int": lambda calls, x: int(calls.number(x, "a number")),
    "Float": lambda calls, x: float(calls.number(x, "a number")),
    "Bool": lambda calls, x: bool(calls.number(x, "a number")),
    "ScalarImplicit": lambda calls, x: calls.number(x, "a number"),
    "__not__": lambda calls, x: not calls.number(x, "a branch"),
    "_cast_Float": functools.partial(_cast_by_name, torch.float32),
    "_shape_as_tensor": lambda calls, x: Tensor(torch.tensor(x.example.shape)),
    "alias": _same,
    "alpha_dropout": _dropout,
    "clone": _copied,
    "contiguous": _same,
    "copy_": _copy_in,
    "cpu": _same,
    "cuda": _same,
    "detach": _same,
    "device": _same,
    "dim": lambda calls, x: x.example.dim(),
    "div": _div,
    "dropout": _dropout,
    "empty": functools.partial(_zeros_for, "zeros"),
    "empty_like": functools.partial(_zeros_for, "zeros_like"),
    "feature_alpha_dropout": _dropout,
    "feature_dropout": _dropout,
    "fill_": _copy_in,
    "index": functools.partial(_index, "index"),
    "index_put": functools.partial(_index, "index_put"),
    "is_complex": lambda calls, x: False,
    "is_contiguous": lambda calls, x, *_: True,
    "is_floating_point": lambda calls, x: x.example.is_floating_point(),
    "item": lambda calls, x: calls.number(x, "a number"),
    "len": lambda calls, x: x.example.shape[0],
    "lift_fresh": _same,
    "new_empty": functools.partial(_zeros_for, "new_zeros"),
    "numel": lambda calls, x: x.example.numel(),
    "one_hot": _one_hot,
    "prim.NumToTensor": lambda calls, x: Tensor(torch.tensor(x)),
    "prim.data": _same,
    "prim.device": lambda calls, x: "cpu",
    "prim.dtype": lambda calls, x: number_of(x.example.dtype),
    "prim.is_cuda": lambda calls, x: False,
    "prim.is_quantized": lambda calls, x: False,
    "prim.layout": lambda calls, x: 0,
    "prim.requires_grad": lambda calls, x: False,
    "repeat_interleave": _repeat_interleave,
    "requires_grad_": _same,
    "scalar_tensor": _make_tensor,
    "size": _size,
    "stride": _stride,
    "tensor": _make_tensor,
    "to": _to,
    "type_as": _type_as,
    "view": _view,
    "view_as": lambda calls, x, other: _view(calls, x, list(other.example.shape)),
    "where": _where,
    "zero_": _zero_in,
}
