# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convolutions with their weights packed once for this processor.

oneDNN otherwise packs them on every call, which for a deep layer on a small map is a good part of its
time; the sums, and so the bits, are the same.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.graph import is_tensor
from neurosurgeon_ros.partition.memory import lies_channels_last


class PackedConv2d(nn.Module):
    """
    A convolution whose weights lie as oneDNN wants them for one shape of input.

    :param convolution: on the CPU, float32, padded with zeros by numbers.
    :param input_shape: of the inputs to come.
    """

    def __init__(self, convolution: nn.Conv2d, input_shape: torch.Size) -> None:
        super().__init__()
        assert not isinstance(convolution.padding, str)
        self._settings = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        weight = convolution.weight.detach().to_mkldnn()
        # Plain attributes, as they are no weights of the network but a form of them.
        reorder = getattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")  # noqa: B009 - torch's stub lacks arguments
        self._weight: torch.Tensor = reorder(weight, *self._settings, list(input_shape))
        self._bias = convolution.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the convolution of `x`."""
        result: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._settings, "none", [], ""
        )
        return result


def pack(module: fx.GraphModule) -> None:
    """
    Exchange the convolutions of a normalised graph, where this build of torch can pack them and the result is the same.

    :param module: its nodes have an example of their values; called modules are exchanged in it alone.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    calls = Counter(node.target for node in module.graph.nodes if node.op == "call_module")
    for node in module.graph.nodes:
        if calls[node.target] != 1 or len(node.all_input_nodes) != 1 or not is_tensor(node.all_input_nodes[0]):
            continue
        called, x = module.get_submodule(str(node.target)), node.all_input_nodes[0].meta["value"]
        if not isinstance(called, nn.Conv2d) or not _can_be_packed(called, x):
            continue
        try:
            packed = PackedConv2d(called, x.shape)
            with torch.no_grad():
                given, wanted = packed(x), called(x)
        except (AttributeError, RuntimeError):  # another build of torch, or a shape that oneDNN does not know
            continue
        if given.stride() == wanted.stride() and torch.allclose(given, wanted, rtol=1e-4, atol=1e-5):
            parent, _, name = str(node.target).rpartition(".")
            setattr(module.get_submodule(parent), name, packed)


def _can_be_packed(convolution: nn.Conv2d, x: torch.Tensor) -> bool:
    plain = type(convolution) is nn.Conv2d and convolution.padding_mode == "zeros"
    suits = x.dtype == convolution.weight.dtype == torch.float32 and lies_channels_last(x)
    return plain and suits and not isinstance(convolution.padding, str) and x.device.type == "cpu"
