# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fold batch norms into the preceding convolutions once, when a network is loaded."""

from __future__ import annotations

import torch
from torch import fx, nn


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """
    Fold each batch norm into the preceding convolution in place, unless another step uses that convolution.

    A :class:`torch.nn.Identity` replaces the batch norm, so module names stay the same. The sums are computed in
    float64 with correctly rounded operations, so two machines get the same weights from the same file.

    :param network: in eval mode; a network that torch.fx cannot trace is returned unchanged.
    :returns: the network.
    """
    try:
        graph = fx.Tracer().trace(network)
    except Exception:  # torch.fx raises any exception that the network's own code raises on a proxy
        return network
    modules = dict(network.named_modules(remove_duplicate=False))
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        convolution, norm = modules[before.target], modules[node.target]
        shared = calls.count(before.target) > 1 or calls.count(node.target) > 1
        if shared or not isinstance(convolution, nn.Conv1d | nn.Conv2d) or norm.running_mean is None:
            continue
        _fold(convolution, norm)
        parent, _, name = node.target.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity().eval())
    return network


@torch.no_grad()
def _fold(convolution: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = convolution.weight.double()
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -norm.running_mean.double()
    if convolution.bias is not None:
        bias = bias + convolution.bias.double()
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    dtype = convolution.weight.dtype
    convolution.weight = nn.Parameter(
        (weight * scale.view(-1, *[1] * (weight.dim() - 1))).to(dtype), requires_grad=False
    )
    convolution.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
