# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of operators that programs write as numbers: element types, devices, layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from neurosurgeon_ros.models.graphs.builder import Unconvertible

#: Element types by their numbers in programs. Values of 16 bits are computed with 32.
_DTYPES = {
    0: torch.uint8,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.int64,
    5: torch.float32,
    6: torch.float32,
    7: torch.float64,
    11: torch.bool,
    15: torch.float32,
}
_NUMBERS = {dtype: number for number, dtype in _DTYPES.items() if number not in (5, 15)}


def dtype_of(number: Any) -> torch.dtype:
    """
    Return an element type.

    :raises Unconvertible: it is not needed for images, such as complex numbers.
    """
    if isinstance(number, torch.dtype):
        return number
    if number not in _DTYPES:
        raise Unconvertible(f"its element type {number} is not converted")
    return _DTYPES[number]


def number_of(dtype: torch.dtype) -> int:
    """Return the number of an element type in programs."""
    return _NUMBERS[dtype]


def adapted(
    operator: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments of an operator for the processor, with element types in place of their numbers."""
    given, named = list(args), dict(kwargs)
    for index, one in enumerate(operator._schema.arguments):
        kind = str(one.real_type)
        place: Any = given if index < len(given) else named
        key: Any = index if index < len(given) else one.name
        if "Device" in kind:
            if index < len(given) or one.name in named:
                place[key] = torch.device("cpu")
        elif (index < len(given) or one.name in named) and place[key] is not None:
            if "ScalarType" in kind:
                place[key] = dtype_of(place[key])
            elif "Layout" in kind or "MemoryFormat" in kind or one.name == "pin_memory":
                place[key] = None
    return tuple(given), named
