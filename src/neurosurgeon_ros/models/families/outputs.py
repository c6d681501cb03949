# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Describe a network's outputs by name, shape and element type, whatever tuples, lists and dicts they come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

#: Maximum number of outputs in a message.
_MOST_SHOWN = 6

#: Keys and indices that lead from what a network returned to one of its tensors.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """
    One tensor of a network's outputs.

    :param name: its name; empty if it has none.
    :param shape: its shape for one image.
    :param path: its place in what the network returns.
    :param integral: whether its elements are integers.
    :param example: its values for some image, which tell apart families of one shape; None if they are not known.
    """

    name: str
    shape: tuple[int, ...]
    path: Path
    integral: bool = False
    example: torch.Tensor | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What is known of a network, from which the family of its outputs is recognised.

    :param outputs: its outputs.
    :param height: height of its input, in pixels.
    :param width: width of its input, in pixels.
    """

    outputs: tuple[Output, ...]
    height: int
    width: int

    def unknown(self) -> Seen:
        """Return the same without the outputs' values."""
        return replace(self, outputs=tuple(replace(one, example=None) for one in self.outputs))

    @property
    def shapes(self) -> str:
        """Return the outputs' names and shapes, for a message."""
        texts = [
            f"{one.name} {'x'.join(map(str, one.shape)) or 'a number'}".strip() for one in self.outputs[:_MOST_SHOWN]
        ]
        more = len(self.outputs) - len(texts)
        return (", ".join(texts) or "(no tensors)") + (f" and {more} more" if more > 0 else "")


def list_outputs(returned: object, names: Sequence[str] = ()) -> tuple[Output, ...]:
    """
    List all tensors that a network returned.

    :param returned: a tensor, or tuples, lists and dicts of tensors.
    :param names: names of the elements, if `returned` is a tuple or list whose elements have names, as in ONNX.
    """
    return tuple(_walk(returned, (), "", names))


def _walk(value: object, path: Path, name: str, names: Sequence[str] = ()) -> Iterator[Output]:
    if isinstance(value, torch.Tensor):
        integral = not (value.is_floating_point() or value.is_complex())
        yield Output(name, tuple(value.shape), path, integral, value.detach())
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key), str(key))
    elif isinstance(value, tuple | list):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index), names[index] if index < len(names) else name)


def take(returned: Any, path: Path) -> torch.Tensor:
    """Return the tensor at a path; without a copy."""
    for key in path:
        returned = returned[key]
    return returned  # type: ignore[no-any-return]
