# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Operators of a TorchScript program on numbers, texts, lists and dicts, which are computed at once."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from neurosurgeon_ros.models.graphs.builder import MOST_ELEMENTS, Unconvertible

#: Maximum length of a list or text that a program makes.
_LONGEST = 1_000_000


def _set(items: Any, key: Any, value: Any) -> None:
    items[key] = value


def _append(items: list[Any], value: Any) -> list[Any]:
    items.append(value)
    return items


def _slice(items: Sequence[Any], start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return items[slice(start, end, step)]


def _times(first: Any, second: Any) -> Any:
    count = len(first) * max(0, second)
    if count > _LONGEST:
        raise Unconvertible(f"it makes a list of {count:,} elements, of which the limit is {_LONGEST:,}")
    return first * second


def _joined(first: Any, second: Any) -> Any:
    if len(first) + len(second) > _LONGEST:
        raise Unconvertible(f"it makes a list of more than {_LONGEST:,} elements")
    return first + second


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > 64 or (isinstance(base, int) and abs(base) > MOST_ELEMENTS):
        return float(base) ** exponent
    return base**exponent


def _range_length(low: int, high: int, step: int) -> int:
    return len(range(low, high, step))


def _derived_index(index: int, start: int, step: int) -> int:
    return start + index * step


def _format(text: str, *values: object) -> str:
    return " ".join((text, *map(str, values)))


def _nothing(*_: object) -> None:
    return None


def _raise(*values: object) -> None:
    raise Unconvertible(f"the network raises an error for this size of the image ({values[0]})")


def _same(value: Any, *_: object) -> Any:
    return value


#: Operators on numbers and texts, if no argument is a tensor.
NUMBERS: dict[str, Callable[..., Any]] = {
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__xor__": operator.xor,
    "__derive_index": _derived_index,
    "__range_length": _range_length,
    "abs": abs,
    "add": operator.add,
    "ceil": math.ceil,
    "div": operator.truediv,
    "eq": operator.eq,
    "floor": math.floor,
    "floor_divide": operator.floordiv,
    "floordiv": operator.floordiv,
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "log": math.log,
    "lt": operator.lt,
    "mul": operator.mul,
    "ne": operator.ne,
    "neg": operator.neg,
    "pow": _power,
    "prim.abs": abs,
    "prim.max": max,
    "prim.min": min,
    "remainder": operator.mod,
    "round": round,
    "sqrt": math.sqrt,
    "sub": operator.sub,
}

#: Operators on lists, dicts and texts.
LISTS: dict[str, Callable[..., Any]] = {
    "__contains__": operator.contains,
    "__getitem__": operator.getitem,
    "_set_item": _set,
    "add": _joined,
    "append": _append,
    "clear": lambda items: items.clear(),
    "copy": lambda items: items.copy(),
    "eq": operator.eq,
    "extend": lambda items, more: items.extend(more),
    "get": lambda items, key, default=None: items.get(key, default),
    "insert": lambda items, index, value: items.insert(index, value),
    "items": lambda items: list(items.items()),
    "keys": list,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "mul": _times,
    "ne": operator.ne,
    "pop": lambda items, *index: items.pop(*index),
    "prim.max": max,
    "prim.min": min,
    "reverse": lambda items: items.reverse(),
    "slice": _slice,
    "sum": sum,
    "values": lambda items: list(items.values()),
}

#: Operators on any value.
ALWAYS: dict[str, Callable[..., Any]] = {
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "_assert": _nothing,
    "_unwrap_optional": _same,
    "format": _format,
    "is_grad_enabled": lambda: False,
    "prim.RaiseException": _raise,
    "prim.unchecked_unwrap_optional": _same,
    "warn": _nothing,
}
