# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compute a digest of graph, weights and partition points to check that robot and edge run the same network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.codecs.tensor import TensorSpec

_PLAIN = (bool, int, float, str, type(None))


def graph_digest(module: fx.GraphModule) -> bytes:
    """
    Return the digest of a recorded graph: each step with its parameters, and the bits of each weight.

    The digest does not depend on names that torch generates, on file locations, or on the memory layout of weights.
    Compute it before anything is derived from the weights, because processors differ in the last bits.
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
            parent, _, name = str(node.target).rpartition(".")
            value = getattr(module.get_submodule(parent), name)
            if isinstance(value, torch.Tensor):
                _add(digest, "", value)
    return digest.digest()


def fingerprint(graph: bytes, points: Sequence[tuple[str, Sequence[TensorSpec]]]) -> str:
    """
    Return the digest that both sides compare before they share a network.

    :param graph: result of :func:`graph_digest`.
    :param points: name and tensor specifications of each partition point.
    :returns: sha256 in hexadecimal.
    """
    digest = hashlib.sha256(graph)
    for name, specs in points:
        digest.update(f"{name} {[(s.name, s.shape, s.dtype, s.channels_last) for s in specs]!r}\n".encode())
    return digest.hexdigest()


class _Reference(int):
    """Reference to another node by its number."""

    def __repr__(self) -> str:
        return f"%{int(self)}"


def _target(node: fx.Node) -> str:
    if node.op == "call_function":
        return str(getattr(node.target, "__name__", node.target))
    return str(node.target) if node.op in ("call_method", "call_module") else ""


def _settings(module: nn.Module) -> list[tuple[str, str]]:
    """Return the settings of a module: those that torch lists in ``__constants__``, or its plain public attributes."""
    names = getattr(module, "__constants__", None) or [
        name for name, value in vars(module).items() if not name.startswith("_") and isinstance(value, (*_PLAIN, tuple))
    ]
    return [(name, repr(getattr(module, name, None))) for name in sorted(names) if name not in ("training", "inplace")]


def _add(digest: Any, name: str, tensor: torch.Tensor) -> None:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(flat.view(torch.uint8).numpy() if flat.numel() else b"")
