# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Names of the modules to which the steps of a graph from a file belong.

They are stored in the form in which torch.export stores them, so that steps have the same names however a network came.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from torch import fx, nn

#: Key under which a step holds its scope while the graph is made.
SCOPE = "scope"

#: Modules of torch that consist of one operation, by the name of that operation in ONNX.
_MODULES: dict[str, type[nn.Module]] = {
    "AveragePool": nn.AvgPool2d,
    "BatchNormalization": nn.BatchNorm2d,
    "Clip": nn.ReLU6,
    "Conv": nn.Conv2d,
    "ConvTranspose": nn.ConvTranspose2d,
    "DepthToSpace": nn.PixelShuffle,
    "Elu": nn.ELU,
    "Flatten": nn.Flatten,
    "Gelu": nn.GELU,
    "Gemm": nn.Linear,
    "GlobalAveragePool": nn.AdaptiveAvgPool2d,
    "GlobalMaxPool": nn.AdaptiveMaxPool2d,
    "GroupNormalization": nn.GroupNorm,
    "HardSigmoid": nn.Hardsigmoid,
    "HardSwish": nn.Hardswish,
    "InstanceNormalization": nn.InstanceNorm2d,
    "LayerNormalization": nn.LayerNorm,
    "LeakyRelu": nn.LeakyReLU,
    "LogSoftmax": nn.LogSoftmax,
    "MatMul": nn.Linear,
    "MaxPool": nn.MaxPool2d,
    "Mish": nn.Mish,
    "PRelu": nn.PReLU,
    "Relu": nn.ReLU,
    "Resize": nn.Upsample,
    "Sigmoid": nn.Sigmoid,
    "Silu": nn.SiLU,
    "Softmax": nn.Softmax,
    "Tanh": nn.Tanh,
}


#: Those of them that have weights, which tell them apart.
_WITH_WEIGHTS = frozenset(
    (
        *("BatchNormalization", "Conv", "ConvTranspose", "Gemm", "GroupNormalization", "InstanceNormalization"),
        *("LayerNormalization", "MatMul", "PRelu"),
    )
)


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Place of a step in the original network.

    :param path: the innermost module, such as ``model.4.cv2.conv``; empty if it is not known.
    :param operator: name of the operation in ONNX; empty if `kind` is known.
    :param number: number of the node in the file; several steps can come from one node.
    :param kind: class of the module, such as ``torch.nn.modules.conv.Conv2d``; empty if it is not known.
    """

    path: str = ""
    operator: str = ""
    number: int = 0
    kind: str = ""


def class_of(operator: str) -> str:
    """Return the class of the module that does an operation of ONNX and has weights; empty if there is none."""
    found = _MODULES.get(operator) if operator in _WITH_WEIGHTS else None
    return f"{found.__module__}.{found.__qualname__}" if found else ""


def name_modules(graph: fx.Graph) -> None:
    """
    Store in each step the module to which it belongs, as torch.export does.

    A module of which only one operation is known, with no module inside, is taken for the module of torch that does
    this operation.
    """
    scopes: dict[fx.Node, Scope] = {node: node.meta.pop(SCOPE) for node in graph.nodes if SCOPE in node.meta}
    known = {(scope.path, scope.operator) for scope in scopes.values()}
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    outer: set[str] = set()
    for scope in scopes.values():
        if scope.path:
            numbers[scope.path].add(scope.number)
            outer.update(scope.path[:end] for end, letter in enumerate(scope.path) if letter == ".")
    for node, scope in scopes.items():
        alone = scope.path and len(numbers[scope.path]) == 1 and scope.path not in outer
        guessed = _MODULES.get(scope.operator, nn.Module) if alone else nn.Module
        path = _first_call(scope, known) if alone else scope.path
        node.meta["nn_module_stack"] = {path: (path, scope.kind or guessed)}


def _first_call(scope: Scope, known: set[tuple[str, str]]) -> str:
    """Return the path of a module; exporters number the calls of a module that is called several times: act, act_1."""
    stem, _, number = scope.path.rpartition("_")
    if scope.operator not in _MODULES or scope.operator in _WITH_WEIGHTS or not number.isdecimal():
        return scope.path
    earlier = (stem, *(f"{stem}_{index}" for index in range(1, min(int(number), len(known)))))
    return stem if all((path, scope.operator) in known for path in earlier) else scope.path
