# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether robot and edge run the same network: a digest of graph, weights and partition points."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.points import PartitionPoint

_PLAIN = (bool, int, float, str, type(None))


def fingerprint(module: fx.GraphModule, points: Sequence[PartitionPoint]) -> str:
    """
    Give the digest that both sides compare before they share a network.

    It covers each step with its parameters, each weight with its bits, and each partition point with its tensors. It
    does not depend on names that torch gives, on where the files lie, or on how weights lie in memory.

    :param module: as :func:`~neurosurgeon_ros.partition.graph.trace` makes it.
    :param points: its partition points.
    :returns: sha256 in hexadecimal.
    """
    digest = hashlib.sha256()
    number = {node: index for index, node in enumerate(module.graph.nodes)}
    for node in module.graph.nodes:
        args, kwargs = (fx.map_arg(part, lambda n: _Reference(number[n])) for part in (node.args, node.kwargs))
        digest.update(f"{node.op} {_target(node)} {args!r} {sorted(kwargs.items())!r}\n".encode())
        if node.op == "call_module":
            called = module.get_submodule(str(node.target))
            digest.update(f"{type(called).__qualname__} {_settings(called)!r}\n".encode())
            for name, tensor in sorted([*called.named_parameters(), *called.named_buffers()]):
                _add(digest, name, tensor)
        elif node.op == "get_attr":
            value = node.meta["value"]
            if isinstance(value, torch.Tensor):
                _add(digest, str(node.target), value)
    for point in points:
        digest.update(f"{point.index} {point.name} {[_plain(spec) for spec in point.tensors]!r}\n".encode())
    return digest.hexdigest()


class _Reference(int):
    """Another node, by its number."""

    def __repr__(self) -> str:
        return f"%{int(self)}"


def _target(node: fx.Node) -> str:
    if node.op == "call_function":
        return str(getattr(node.target, "__name__", node.target))
    return str(node.target) if node.op in ("call_method", "call_module") else ""


def _settings(module: nn.Module) -> list[tuple[str, Any]]:
    """Give what a module was made with: torch lists it in ``__constants__``; else its plain public attributes."""
    names = getattr(module, "__constants__", None) or [
        name for name, value in vars(module).items() if not name.startswith("_") and isinstance(value, (*_PLAIN, tuple))
    ]
    return [(name, repr(getattr(module, name, None))) for name in sorted(names) if name not in ("training", "inplace")]


def _plain(spec: Any) -> tuple[Any, ...]:
    return spec.name, spec.shape, spec.dtype, spec.channels_last


def _add(digest: Any, name: str, tensor: torch.Tensor) -> None:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(flat.view(torch.uint8).numpy() if flat.numel() else b"")
