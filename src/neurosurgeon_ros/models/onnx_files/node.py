# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One node of an ONNX graph: its operator, attributes and inputs, as the functions that convert it need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from neurosurgeon_ros.models.graphs.builder import MOST_ELEMENTS, Builder, Unconvertible, Value, example

#: Result of a node: a value for each of its outputs, or the value of its only one.
Result = Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """
    Node of a graph.

    :param builder: makes the steps that replace the node.
    :param operator: its name, such as ``Conv``.
    :param opset: version of the operators.
    :param inputs: values; None for an optional one that is left out.
    :param outputs: number of its outputs, including trailing ones that nobody uses.
    :param attributes: numbers, strings, tensors, or lists of numbers.
    """

    builder: Builder
    operator: str
    opset: int
    inputs: tuple[Value | None, ...]
    outputs: int
    attributes: Mapping[str, Any]

    @property
    def x(self) -> Value:
        """Return the first input."""
        return self.input(0)

    def input(self, index: int) -> Value:
        """
        Return an input.

        :raises Unconvertible: it is left out.
        """
        found = self.optional(index)
        if found is None:
            raise Unconvertible(f"its input {index} is missing")
        return found

    def optional(self, index: int) -> Value | None:
        """Return an input; None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> torch.Tensor | None:
        """
        Return an input that fixes a size or a setting; None if it is left out.

        :raises Unconvertible: it depends on the image.
        """
        found = self.optional(index)
        if isinstance(found, fx.Node):
            raise Unconvertible(f"its input {index}, which fixes a size or a setting, depends on the image")
        return found

    def integers(self, name: str, index: int) -> list[int] | None:
        """Return a list of integers, an attribute in older opsets and an input in newer ones; None if left out."""
        given = self.attributes.get(name)
        if given is not None:
            return [int(one) for one in given]
        found = self.constant(index)
        return None if found is None else [int(one) for one in found.reshape(-1).tolist()]

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is an integer."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number."""
        return float(self.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a string."""
        return str(self.attributes.get(name, default))

    def axis(self, default: int, name: str = "axis") -> int:
        """Return the attribute `axis` as a number from 0."""
        rank = self.shape(0)
        axis = self.integer(name, default)
        if not -len(rank) <= axis < max(1, len(rank)):
            raise Unconvertible(f"its axis {axis} lies outside a value of {len(rank)} dimensions")
        return axis % max(1, len(rank))

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an input."""
        return tuple(example(self.input(index)).shape)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Value:
        """Add a step that returns one value; see :meth:`Builder.call`."""
        result: Value = self.builder.call(function, *args, **kwargs)
        return result

    def call_for_several(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Value, ...]:
        """Add a step that returns several values."""
        return tuple(self.builder.call(function, *args, **kwargs))


#: Conversion of a node.
Convert = Callable[[Node], Result]


def check_size(shape: list[int]) -> list[int]:
    """
    Return the shape of a value that is to be made from sizes in the file.

    :raises Unconvertible: it is negative, or too large.
    """
    count = 1
    for size in shape:
        count *= size
    if any(size < 0 for size in shape) or count > MOST_ELEMENTS:
        raise Unconvertible(f"it makes a value of shape {shape}, of which the limit is {MOST_ELEMENTS:,} elements")
    return shape
