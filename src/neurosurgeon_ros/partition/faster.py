# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Replace steps that torch runs slowly with faster equivalents.

Max-pooling: torch's own kernel stores the index of each maximum, which costs a branch per element. With few channels,
it takes as long as the preceding convolution. Pixels: a division accepts bytes directly, without a copy as floats.
"""

from __future__ import annotations

import operator
from collections.abc import Collection

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.graph import is_tensor
from neurosurgeon_ros.partition.memory_format import lies_channels_last


class HalvingMaxPool2d(nn.Module):
    """2 x 2 max-pooling with stride 2 for channels-last maps with even height and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        Return the maximum of each pair of rows, then of each pair of columns.

        :param x: shape (N, C, H, W), with channels-last strides.
        :returns: shape (N, C, H / 2, W / 2), channels-last.
        """
        n, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w * c)
        pairs = torch.maximum(rows[:, :, 0], rows[:, :, 1]).view(n, h // 2, w // 2, 2 * c)
        return torch.maximum(pairs[..., :c], pairs[..., c:]).permute(0, 3, 1, 2)


def exchange_slow_steps(module: fx.GraphModule, crossing: Collection[fx.Node] = ()) -> None:
    """
    Replace steps of a normalised graph with faster ones if the result stays the same.

    :param module: graph whose nodes hold example values; called modules are replaced only in this graph.
    :param crossing: nodes whose own values are sent.
    """
    _exchange_max_pools(module)
    for node in module.graph.nodes:
        if node not in crossing and _is_needless_copy(node):
            node.target, node.op, node.args, node.kwargs = as_it_is, "call_function", (node.args[0],), {}


def as_it_is(x: torch.Tensor) -> torch.Tensor:
    """Return the input unchanged; replaces a step whose work another step does."""
    return x


def _is_needless_copy(node: fx.Node) -> bool:
    """Return whether a step converts bytes to floats only for a division by a number that converts them itself."""
    user = next(iter(node.users), None)
    converts = node.op == "call_method" and node.target in ("to", "float") and len(node.all_input_nodes) == 1
    if not converts or user is None or len(node.users) > 1 or not is_tensor(node.all_input_nodes[0]):
        return False
    divides = user.target in ("div", torch.div, operator.truediv) and user.args[0] is node and not user.kwargs
    if not divides or len(user.args) != 2 or not isinstance(user.args[1], float | int) or not is_tensor(user):
        return False
    x, result = node.all_input_nodes[0].meta["value"], user.meta["value"]
    if x.dtype != torch.uint8 or result.dtype != torch.float32 or x.device.type != "cpu":
        return False
    every = torch.arange(256, dtype=torch.uint8)
    mine, wanted = every / user.args[1], every.to(torch.float32) / user.args[1]
    return torch.equal(mine, wanted) and (x / user.args[1]).stride() == result.stride()


def _exchange_max_pools(module: fx.GraphModule) -> None:
    users: dict[str, list[fx.Node]] = {}
    for node in module.graph.nodes:
        if node.op == "call_module":
            users.setdefault(str(node.target), []).append(node)
    for target, nodes in users.items():
        called = module.get_submodule(target)
        if isinstance(called, nn.MaxPool2d) and all(_halves(called, node) for node in nodes):
            parent, _, name = target.rpartition(".")
            setattr(module.get_submodule(parent), name, HalvingMaxPool2d().eval())


def _halves(pool: nn.MaxPool2d, node: fx.Node) -> bool:
    settings = [
        part if isinstance(part, tuple) else (part, part) for part in (pool.kernel_size, pool.stride, pool.padding)
    ]
    plain = type(pool) is nn.MaxPool2d and settings == [(2, 2), (2, 2), (0, 0)] and not pool.return_indices
    maker = node.all_input_nodes[0]
    if not plain or pool.dilation not in (1, (1, 1)) or not is_tensor(maker) or not is_tensor(node):
        return False
    x: torch.Tensor = maker.meta["value"]
    suits = x.dim() == 4 and x.dtype == torch.float32 and x.device.type == "cpu" and lies_channels_last(x)
    if not suits or x.shape[2] % 2 or x.shape[3] % 2 or not x.numel():
        return False
    probe = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        mine, wanted = HalvingMaxPool2d()(probe), pool(probe)
    return torch.equal(mine, wanted) and mine.stride() == wanted.stride()
