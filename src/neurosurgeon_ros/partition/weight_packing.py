# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Pack the weights of convolutions once for this processor, and fuse the following activation into each convolution.

Otherwise oneDNN packs the weights on every call, which takes much of the time of a deep layer on a small map. A
separate activation reads and writes the map once more. The sums, and therefore the bits, are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional

from neurosurgeon_ros.partition.faster import as_it_is
from neurosurgeon_ros.partition.graph import is_tensor
from neurosurgeon_ros.partition.memory_format import lies_channels_last


class Activation(NamedTuple):
    """
    Operation on each element of a convolution's result.

    :param name: its name in oneDNN's pointwise convolution.
    :param numbers: its settings.
    """

    name: str
    numbers: tuple[float, ...] = ()


#: Padding, stride and dilation of rows and columns, and number of groups.
Settings = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]

NOTHING = Activation("none")
_RELUS = (functional.relu, torch.relu, "relu")


class PackedConv2d(nn.Module):
    """
    Convolution with weights packed by oneDNN for one input shape. It holds the weights only in this form.

    :param weight: float32, on the CPU.
    :param bias: None for no bias.
    :param settings: settings of the convolution, which pads with zeros.
    :param input_shape: shape of the inputs that it will receive.
    :param activation: fused into the convolution.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        settings: Settings,
        input_shape: torch.Size,
        activation: Activation = NOTHING,
    ) -> None:
        super().__init__()
        self.activation = activation
        # Plain attributes: these are a packed form of the network's weights, not weights of the network.
        self._bias, self._settings, self._shape = bias, settings, input_shape
        reorder = getattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")  # noqa: B009 - torch's stub lacks arguments
        self._weight: torch.Tensor = reorder(weight.to_mkldnn(), *settings, list(input_shape))

    @classmethod
    def of(cls, convolution: nn.Conv2d, input_shape: torch.Size) -> PackedConv2d:
        """Pack a convolution with numeric padding."""
        assert not isinstance(convolution.padding, str)
        settings = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        return cls(convolution.weight.detach(), convolution.bias, settings, input_shape)

    @property
    def window(self) -> tuple[int, int, int]:
        """Return the number of input rows that one result row depends on, the row stride, and the rows of padding."""
        padding, stride, dilation, _ = self._settings
        return dilation[0] * (self._weight.shape[2] - 1) + 1, stride[0], padding[0]

    def for_rows(self, height: int) -> PackedConv2d:
        """Return the same convolution for inputs of another height that already include the padding above and below."""
        padding, stride, dilation, groups = self._settings
        settings = ((0, padding[1]), stride, dilation, groups)
        shape = torch.Size((*self._shape[:2], height, self._shape[3]))
        return PackedConv2d(self._weight.to_dense(), self._bias, settings, shape, self.activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution of `x`, followed by the activation."""
        name, numbers = self.activation
        result: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._settings, name, numbers, ""
        )
        return result


def pack(module: fx.GraphModule, crossing: Collection[fx.Node] = ()) -> None:
    """
    Replace each convolution of a normalised graph that this build of torch can pack with the same result.

    A step that does nothing replaces an activation that is fused into the preceding convolution. Steps and cuts
    therefore stay the same.

    :param module: graph whose nodes hold example values; called modules are replaced only in this graph.
    :param crossing: nodes whose own values are sent; no activation may change these values.
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
            packed = PackedConv2d.of(called, x.shape)
            with torch.no_grad():
                given, wanted = packed(x), called(x)
        except (AttributeError, RuntimeError):  # another build of torch, or a shape that oneDNN does not support
            continue
        if given.stride() == wanted.stride() and _is_close(given, wanted):
            _exchange(module, node, packed)
            if node not in crossing:
                _fuse(module, node, packed, x)


def _is_close(given: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Compare like torch.allclose, which allocates six times as much memory; `wanted` is overwritten."""
    excess = (given - wanted).abs_().sub_(wanted.abs_(), alpha=1e-4)
    return bool(excess.max() <= 1e-5)


def _fuse(module: fx.GraphModule, node: fx.Node, packed: PackedConv2d, x: torch.Tensor) -> None:
    """Fuse an activation into the preceding convolution if the result stays bit-identical."""
    user = next(iter(node.users), None)
    if user is None or len(node.users) > 1 or user.all_input_nodes != [node]:
        return
    activation = _activation(module, user)
    if activation == NOTHING:
        return
    probe = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted = _run(module, user, packed(probe))
        packed.activation = activation
        try:
            same = torch.equal(packed(probe), wanted)
        except RuntimeError:  # an activation that this build of torch does not support
            same = False
    if not same:
        packed.activation = NOTHING
    else:
        user.op, user.target, user.args, user.kwargs = "call_function", as_it_is, (node,), {}


def _activation(module: fx.GraphModule, node: fx.Node) -> Activation:
    """Return the oneDNN activation of a step; ``NOTHING`` for any other step."""
    if node.op != "call_module":
        return Activation("relu") if node.target in _RELUS and len(node.args) == 1 else NOTHING
    called = module.get_submodule(str(node.target))
    if type(called) is nn.ReLU:
        return Activation("relu")
    if type(called) is nn.LeakyReLU:
        return Activation("leaky_relu", (float(called.negative_slope),))
    if isinstance(called, nn.Hardtanh):  # includes ReLU6
        return Activation("hardtanh", (float(called.min_val), float(called.max_val)))
    return NOTHING


def _run(module: fx.GraphModule, node: fx.Node, x: torch.Tensor) -> torch.Tensor:
    """Return the result of a step with one input for `x`."""
    result: torch.Tensor = getattr(fx.Interpreter(module), node.op)(node.target, (x,), dict(node.kwargs))
    return result


def _exchange(module: fx.GraphModule, node: fx.Node, by: nn.Module) -> None:
    parent, _, name = str(node.target).rpartition(".")
    setattr(module.get_submodule(parent), name, by)


def _can_be_packed(convolution: nn.Conv2d, x: torch.Tensor) -> bool:
    plain = type(convolution) is nn.Conv2d and convolution.padding_mode == "zeros"
    suits = x.dtype == convolution.weight.dtype == torch.float32 and lies_channels_last(x)
    return plain and suits and not isinstance(convolution.padding, str) and x.device.type == "cpu"
