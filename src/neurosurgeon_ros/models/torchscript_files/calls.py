# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Call the operators of a TorchScript program.

Numbers and lists are computed at once. An operator on tensors becomes a call of torch's operator of the same name, if
this is one of those listed; some are replaced by the modules and functions that the rest of the program knows best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from neurosurgeon_ros.models.graphs.builder import MOST_ELEMENTS, Builder, Unconvertible, Value
from neurosurgeon_ros.models.torchscript_files import known, lists
from neurosurgeon_ros.models.torchscript_files.settings import adapted
from neurosurgeon_ros.models.torchscript_files.values import Tensor, tensors_of, values_of


class Calls:
    """
    Operators of one program.

    :param builder: makes the graph.
    :param version: version of the operators.
    :param replaced: what replaces operators, by their names; called with these calls and the arguments.
    :ivar last: name of the operator that is being called, for messages.
    """

    def __init__(self, builder: Builder, version: int, replaced: Mapping[str, Callable[..., Any]]) -> None:
        self.builder = builder
        self._replaced = replaced
        self.version = version
        self.last = ""

    def run(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """
        Call an operator.

        :param name: its name, with the name of its library if it is not torch's: ``add``, ``prim.NumToTensor``.
        :raises Unconvertible: it is not converted.
        """
        self.last = name
        convert = self._replaced.get(name)
        if name in lists.ALWAYS or (name in lists.LISTS and args and isinstance(args[0], list | dict | str | tuple)):
            return (lists.ALWAYS.get(name) or lists.LISTS[name])(*args)
        if name in lists.NUMBERS and not any(tensors_of([*args, *kwargs.values()])):
            return lists.NUMBERS[name](*args, **kwargs)
        if convert is not None:
            return convert(self, *args, **kwargs)
        if name.endswith("_") and not name.endswith("__"):
            target = self.tensor(args[0])
            return self.write(target, self.run(name[:-1], args, kwargs))
        return self.call(name, *args, **kwargs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """
        Call torch's operator of this name.

        :returns: a tensor, or a list of tensors.
        :raises Unconvertible: it is not one of those that only compute.
        """
        if name not in known.OPERATORS:
            raise Unconvertible("it is a custom operator" if "." in name else "it is not converted")
        kwargs = {key: one for key, one in kwargs.items() if not (key == "alpha" and one == 1)}
        given, named = values_of(args), values_of(kwargs)
        simple = known.FUNCTIONS.get(name)
        if simple is not None and not named:
            return self.wrap(self.builder.call(simple, *given))
        packet = getattr(torch.ops.aten, name)
        chosen = torch._C._jit_resolve_packet(f"aten::{name}", *_examples(given), **_examples(named))
        operator = getattr(packet, chosen or "default")
        given, named = adapted(operator, given, named)
        check_size(operator, given, named)
        result = self.builder.call(operator, *given, **named)
        if operator._schema.returns[0].alias_info is None or not isinstance(args[0], Tensor):
            return self.wrap(result)
        return self._viewed(operator, args[0], result, given[1:], named)

    def wrap(self, result: Any) -> Any:
        """Return tensors for values."""
        if isinstance(result, fx.Node | torch.Tensor):
            return Tensor(result)
        return [self.wrap(one) for one in result] if isinstance(result, tuple | list) else result

    def _viewed(
        self, operator: torch._ops.OpOverload, base: Tensor, result: Any, rest: Any, named: dict[str, Any]
    ) -> Any:
        """Return tensors that know whose elements they share."""

        def view(value: Value, index: int | None = None) -> Value:
            found = self.builder.call(operator, value, *rest, **named)
            taken: Value = found if index is None else found[index]
            return taken

        def own(value: Value, index: int | None = None) -> Tensor:
            made = Tensor(value)
            if _storage(made.example) != _storage(base.example):
                return made  # a copy, for this layout in memory
            return base.viewed(value, lambda other: view(other, index))

        if isinstance(result, tuple | list):
            return [own(one, index) for index, one in enumerate(result)]
        return own(result)

    def write(self, target: Tensor, source: Tensor) -> Tensor:
        """Write to a tensor, and return it; the source may be smaller, or of another type."""
        value, wanted = source.value, target.example
        if source.example.dtype != wanted.dtype:
            value = self.builder.call(torch.Tensor.to, value, wanted.dtype)
        if source.example.shape != wanted.shape:
            value = self.builder.call(torch.Tensor.expand, value, tuple(wanted.shape))
        target.write(value, self.builder)
        return target

    def tensor(self, value: Any) -> Tensor:
        """Return a value that has to be a tensor."""
        if not isinstance(value, Tensor):
            raise Unconvertible(f"it is given {type(value).__name__.lower()} where a tensor is expected")
        return value

    def constant(self, value: Tensor, what: str) -> torch.Tensor:
        """
        Return a tensor that does not depend on the image.

        :param what: what the tensor decides, for the message.
        :raises Unconvertible: it depends on the image.
        """
        found = value.value
        if isinstance(found, fx.Node):
            raise Unconvertible(f"{what} depends on the image")
        return found

    def number(self, value: Any, what: str) -> Any:
        """Return a number; that of a tensor, if it does not depend on the image."""
        return self.constant(value, what).item() if isinstance(value, Tensor) else value


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _examples(arguments: Any) -> Any:
    return fx.node.map_aggregate(arguments, lambda one: one.meta["value"] if isinstance(one, fx.Node) else one)


def check_size(operator: Any, args: Any, kwargs: Any) -> None:
    """
    Check the size of a result before memory is taken for it.

    :param operator: an operator of torch, or a function that calls one.
    :raises Unconvertible: it is too large.
    """
    given, named = (
        fx.node.map_aggregate(part, lambda one: one.to("meta") if isinstance(one, torch.Tensor) else one)
        for part in (_examples(args), _examples(kwargs))
    )
    schema = getattr(operator, "_schema", None)
    if schema is not None and any(one.name == "device" for one in schema.arguments):
        named = {**named, "device": torch.device("meta")}
    try:
        result = operator(*given, **named)
    except Exception:  # some operators do not tell the size of their results; the call itself says what is wrong
        return
    for one in result if isinstance(result, tuple | list) else (result,):
        if isinstance(one, torch.Tensor) and math.prod(one.shape) > MOST_ELEMENTS:
            raise Unconvertible(
                f"it makes a value of shape {list(one.shape)}, of which the limit is {MOST_ELEMENTS:,} elements"
            )
