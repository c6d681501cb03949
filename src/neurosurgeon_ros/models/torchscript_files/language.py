# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names, conversions and types of the language of TorchScript programs."""

from __future__ import annotations

import ast
from typing import Any

from neurosurgeon_ros.models.graphs.builder import Unconvertible
from neurosurgeon_ros.models.torchscript_files.pickles import ScriptObject
from neurosurgeon_ros.models.torchscript_files.values import Tensor

#: Functions that convert a value.
CONVERSIONS = {"int": int, "float": float, "bool": bool, "str": str}
#: Types that a tensor of one element can become.
SCALARS = (*CONVERSIONS, "number", "Scalar")


def full_name(part: ast.expr) -> str:
    """Return names joined by dots, such as ``torch.add``; empty for any other expression."""
    found: list[str] = []
    while isinstance(part, ast.Attribute):
        found.append(part.attr)
        part = part.value
    return ".".join([part.id, *reversed(found)]) if isinstance(part, ast.Name) else ""


def new_object(qualified: str) -> ScriptObject:
    """Return an object without attributes, of a class of the file."""
    made: ScriptObject = type("ScriptClass", (ScriptObject,), {"qualified": qualified})()
    return made


def is_a(value: Any, kind: str) -> bool:
    """Return whether a value is of a type of the language, such as ``Tensor`` or ``List[int]``."""
    if kind.startswith("("):
        return any(is_a(value, one.strip()) for one in kind.strip("()").split(","))
    plain = {
        "Tensor": Tensor,
        "int": int,
        "float": float,
        "bool": bool,
        "str": str,
        "NoneType": type(None),
        "List": list,
        "Tuple": tuple,
        "Dict": dict,
    }
    wanted = plain.get(kind.partition("[")[0])
    if wanted is None:
        raise Unconvertible(f"whether a value is of type {kind} is not known")
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
