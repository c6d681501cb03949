# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Find the module of the original network to which a node of an ONNX file belongs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neurosurgeon_ros.models.graphs.scopes import Scope, class_of

if TYPE_CHECKING:
    from onnx import NodeProto

#: Key of torch's exporter for the modules around a node, outermost first, each with its class.
_NAMESPACE = "namespace"
_WEIGHTS = re.compile(r"(?P<path>[\w.]+)\.(weight|bias)")


def scope_of(node: NodeProto, number: int) -> Scope:
    """
    Return the module to which a node belongs.

    It is known from what torch's exporter wrote beside the node, otherwise from the node's name, such as
    ``/model.4/cv2/conv/Conv``, otherwise from the names of its weights.

    :param number: number of the node in the file.
    """
    weights = (_WEIGHTS.fullmatch(name) for name in list(node.input)[1:3])
    holder = next((match["path"] for match in weights if match), "")
    kind = class_of(node.op_type) if holder else ""
    told = {entry.key: entry.value for entry in node.metadata_props}
    namespace = next((value for key, value in told.items() if key.rpartition(".")[2] == _NAMESPACE), None)
    if namespace is not None:
        # Of a convolution with a folded batch norm, the exporter names the batch norm.
        return Scope(holder, node.op_type, number, kind) if kind else _from_namespace(namespace, node.op_type, number)
    path = _joined(node.name.strip("/").split("/")[:-1]) if "/" in node.name else holder
    # The exporter numbers the calls of a module that is called several times.
    again = re.fullmatch(rf"{re.escape(holder)}_\d+", path) if holder else None
    if again or path == holder:
        return Scope(holder, node.op_type, number, kind)
    return Scope(path, node.op_type, number)


def _joined(parts: list[str]) -> str:
    """Join the parts of a path; one in a list of modules repeats the name of the list: cv3.0, cv3.0.1."""
    path: list[str] = []
    for part in filter(None, parts):
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return ".".join(path)


def _from_namespace(text: str, operator: str, number: int) -> Scope:
    """
    Read the modules around a node.

    They are written as ``: Net/model.0: Block/model.0.conv: torch.nn.modules.conv.Conv2d/conv2d: aten.conv2d.default``.
    """
    modules = [part.rpartition(": ")[::2] for part in text.split("/")[:-1]]
    inner = [(path, kind) for path, kind in modules if path]
    return Scope(inner[-1][0], operator, number, inner[-1][1]) if inner else Scope("", operator, number)
