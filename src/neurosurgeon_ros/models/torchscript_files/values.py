# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Tensors of a program, which may write to them, while the steps of the graph never write.

A write gives the tensor a new value. A view is taken again from its base when the base has a new value, and a write to
a view puts the values back into its base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from neurosurgeon_ros.models.graphs.builder import Builder, Unconvertible, Value, example

#: Takes a view of a value.
View = Callable[[Value], Value]


class Tensor:
    """
    Tensor of a program.

    :param value: its value.
    :param base: the tensor whose elements it shares; it is no view itself.
    :param view: takes this view of the base.
    """

    def __init__(self, value: Value, base: Tensor | None = None, view: View | None = None) -> None:
        self._value = value
        self._base, self._view = base, view
        self._writes = 0
        self._seen = base._writes if base is not None else 0

    @property
    def value(self) -> Value:
        """Return its value at this time."""
        if self._base is not None and self._view is not None and self._seen != self._base._writes:
            self._value, self._seen = self._view(self._base._value), self._base._writes
        return self._value

    @property
    def example(self) -> torch.Tensor:
        """Return an example of its value."""
        return example(self.value)

    def viewed(self, value: Value, view: View) -> Tensor:
        """
        Return a view of this tensor.

        :param value: the value of the view.
        :param view: takes the view.
        """
        if self._base is None:
            return Tensor(value, self, view)
        outer = self._view
        assert outer is not None
        return Tensor(value, self._base, lambda base: view(outer(base)))

    def write(self, value: Value, builder: Builder) -> None:
        """
        Give it a new value of the same shape and type.

        :raises Unconvertible: the value has another shape or type.
        """
        old, new = self.example, example(value)
        if old.shape != new.shape or old.dtype != new.dtype:
            raise Unconvertible(f"it writes {_kind(new)} to a tensor of {_kind(old)}")
        base = self._base
        if base is None:
            self._value = value
            self._writes += 1
            return
        assert self._view is not None
        given = base._value
        shape = example(given).shape
        places = self._view(torch.arange(shape.numel()).reshape(shape))
        assert isinstance(places, torch.Tensor)
        flat = builder.call(torch.reshape, given, (-1,))
        values = builder.call(torch.reshape, value, (-1,))
        mixed = builder.call(torch.scatter, flat, 0, places.reshape(-1), values)
        base._value = builder.call(torch.reshape, mixed, tuple(shape))
        base._writes += 1
        self._value, self._seen = value, base._writes


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Module or other object, with the path that led to it.

    :param object: the object.
    :param path: such as ``model.4.cv2``; empty for the outermost.
    """

    object: Any
    path: str


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_of(one)
    elif isinstance(value, dict):
        yield from tensors_of(list(value.values()))


def values_of(value: Any) -> Any:
    """Return nested lists, tuples and dicts with the value of each tensor in place of the tensor."""
    if isinstance(value, Tensor):
        return value.value
    if isinstance(value, list):
        return [values_of(one) for one in value]
    if isinstance(value, tuple):
        return tuple(values_of(one) for one in value)
    if isinstance(value, dict):
        return {key: values_of(one) for key, one in value.items()}
    return value
