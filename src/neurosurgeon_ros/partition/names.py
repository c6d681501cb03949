# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Name the steps of a graph after the modules of the network.

A step is called by the path of its module, such as ``model.4.cv2.conv``, followed by the operation if the module is not
one of torch's that consist of a single operation. So the same step has the same name whether torch.fx, torch.export or
an exporter to another format recorded it.
"""

from __future__ import annotations

import itertools
import re

from torch import fx, nn

#: Maximum length of the name of a value; matches the bound of the message field that carries it.
LONGEST_NAME = 64

#: Attribute of a network that names its only child, if its own name means nothing to a user.
WRAPS = "wraps"
#: Key under which a step of an inner graph holds its name in that graph.
INNER_NAME = "inner_name"

# Modules of torch that contain other modules, or more than one operation.
_COMPOSED = (
    *("Module", "Sequential", "ModuleList", "ModuleDict", "MultiheadAttention", "Transformer", "TransformerEncoder"),
    *("TransformerDecoder", "TransformerEncoderLayer", "TransformerDecoderLayer"),
)
# Part of a list of modules in a path of torch.export, and the index within it.
_PART_OF_LIST = re.compile(r"slice\((None|\d+), [^()]*\)\.(\d+)")
# Operations that differ in name alone.
_SAME = {
    one: name
    for name, others in {
        "add": ("iadd",),
        "cat": ("concat",),
        "div": ("truediv", "itruediv"),
        "max_pool2d": ("maxpool2d",),
        "mul": ("imul",),
        "permute": ("transpose", "t"),
        "reshape": ("view", "flatten", "unsafe_view"),
        "slice": ("getitem", "select"),
        "sub": ("isub",),
    }.items()
    for one in others
}


def name_steps(graph: fx.Graph, prefix: str = "") -> None:
    """
    Store in each node a name in ``meta["label"]``; number those that would have the same.

    :param prefix: path of the module whose name is left out of the others.
    """
    seen: set[str] = set()
    for node in graph.nodes:
        label = plain_name(node, prefix).replace("/", ".")[-(LONGEST_NAME - 5) :].lstrip(".")
        numbered = (f"{label}_{number}" for number in itertools.count(2))
        node.meta["label"] = next(name for name in itertools.chain([label], numbered) if name not in seen)
        seen.add(node.meta["label"])


def plain_name(node: fx.Node, prefix: str = "") -> str:
    """Return the name of a node, which others may have too."""
    if INNER_NAME in node.meta:
        return str(node.meta[INNER_NAME])
    if node.op not in ("call_function", "call_method", "call_module"):
        return node.name
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1][:2] if stack else ("", None)
    # A module made for a recorded step has a name of its own, which means nothing.
    if node.op == "call_module" and (not stack or path == node.target):
        return _without(str(node.target), prefix)
    path = _without(_PART_OF_LIST.sub(_index_in_list, str(path)), prefix)
    return path if path and _is_single(kind) else f"{path}.{operation_name(node)}".lstrip(".")


def _index_in_list(match: re.Match[str]) -> str:
    """Return the index in the whole list of a module in a part of it: slice(2, None, None).1 is 3."""
    first = 0 if match[1] == "None" else int(match[1])
    return str(first + int(match[2]))


def _without(path: str, prefix: str) -> str:
    return path[len(prefix) :].lstrip(".") if f"{path}.".startswith(f"{prefix}.") else path


def _is_single(kind: object) -> bool:
    """Return whether a module, given by its class or the name of its class, consists of a single operation."""
    name = f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
    return name.startswith(f"{nn.__name__}.modules.") and name.rpartition(".")[2] not in _COMPOSED


def operation_name(node: fx.Node) -> str:
    """Return the bare name of a function, method or module, without overload and in-place markers."""
    target = node.target
    if node.op == "call_module":
        owner = node.graph.owning_module
        assert owner is not None
        return type(owner.get_submodule(str(target))).__name__.lower()
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    name = name.split(".")[0].strip("_")
    return _SAME.get(name, name)
