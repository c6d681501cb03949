# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convolutions with their weights packed once for this processor, and with the activation after them done on the way out.

oneDNN otherwise packs the weights on every call, which for a deep layer on a small map is a good part of its time, and
an activation of its own reads and writes the map once more; the sums, and so the bits, are the same.
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
    What happens to each element of a convolution's result.

    :param name: as oneDNN's pointwise convolution calls it.
    :param numbers: its settings.
    """

    name: str
    numbers: tuple[float, ...] = ()


#: Padding, stride and dilation of rows and columns, and groups.
Settings = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]

NOTHING = Activation("none")
_RELUS = (functional.relu, torch.relu, "relu")


class PackedConv2d(nn.Module):
    """
    A convolution whose weights lie as oneDNN wants them for one shape of input.

    :param weight: on the CPU, float32.
    :param bias: None for none.
    :param settings: of the convolution; it is padded with zeros.
    :param input_shape: of the inputs to come.
    :param activation: done on the way out.
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
        # Plain attributes, as they are no weights of the network but a form of them.
        self._plain, self._bias, self._settings, self._shape = weight, bias, settings, input_shape
        reorder = getattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")  # noqa: B009 - torch's stub lacks arguments
        self._weight: torch.Tensor = reorder(weight.to_mkldnn(), *settings, list(input_shape))

    @classmethod
    def of(cls, convolution: nn.Conv2d, input_shape: torch.Size) -> PackedConv2d:
        """Pack a convolution whose padding is given by numbers."""
        assert not isinstance(convolution.padding, str)
        settings = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        return cls(convolution.weight.detach(), convolution.bias, settings, input_shape)

    @property
    def window(self) -> tuple[int, int, int]:
        """Rows of the input that a row of the result sees, the stride from one to the next, and rows of padding."""
        padding, stride, dilation, _ = self._settings
        return dilation[0] * (self._plain.shape[2] - 1) + 1, stride[0], padding[0]

    def for_rows(self, height: int) -> PackedConv2d:
        """Return the same convolution for inputs of another height, whose padding above and below is a part of them."""
        padding, stride, dilation, groups = self._settings
        settings = ((0, padding[1]), stride, dilation, groups)
        shape = torch.Size((*self._shape[:2], height, self._shape[3]))
        return PackedConv2d(self._plain, self._bias, settings, shape, self.activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution of `x`, and the activation of that."""
        name, numbers = self.activation
        result: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._settings, name, numbers, ""
        )
        return result


def pack(module: fx.GraphModule, crossing: Collection[fx.Node] = ()) -> None:
    """
    Exchange the convolutions of a normalised graph, where this build of torch can pack them and the result is the same.

    An activation that becomes a part of the convolution before it leaves a step that does nothing in its place, so that
    steps and cuts stay as they are.

    :param module: its nodes have an example of their values; called modules are exchanged in it alone.
    :param crossing: the nodes whose own values are sent somewhere, so that no activation may change them.
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
        except (AttributeError, RuntimeError):  # another build of torch, or a shape that oneDNN does not know
            continue
        if given.stride() == wanted.stride() and _is_close(given, wanted):
            _exchange(module, node, packed)
            if node not in crossing:
                _fuse(module, node, packed, x)


def _is_close(given: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Compare as torch.allclose does, which takes six times as much new memory; `wanted` is used up."""
    excess = (given - wanted).abs_().sub_(wanted.abs_(), alpha=1e-4)
    return bool(excess.max() <= 1e-5)


def _fuse(module: fx.GraphModule, node: fx.Node, packed: PackedConv2d, x: torch.Tensor) -> None:
    """Fuse an activation into the convolution before it, where not a bit differs by that."""
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
        except RuntimeError:  # an activation that this build of torch does not have
            same = False
    if not same:
        packed.activation = NOTHING
    else:
        user.op, user.target, user.args, user.kwargs = "call_function", as_it_is, (node,), {}


def _activation(module: fx.GraphModule, node: fx.Node) -> Activation:
    """Return what an activation is to oneDNN; nothing for any other step."""
    if node.op != "call_module":
        return Activation("relu") if node.target in _RELUS and len(node.args) == 1 else NOTHING
    called = module.get_submodule(str(node.target))
    if type(called) is nn.ReLU:
        return Activation("relu")
    if type(called) is nn.LeakyReLU:
        return Activation("leaky_relu", (float(called.negative_slope),))
    if isinstance(called, nn.Hardtanh):  # ReLU6 is one
        return Activation("hardtanh", (float(called.min_val), float(called.max_val)))
    return NOTHING


def _run(module: fx.GraphModule, node: fx.Node, x: torch.Tensor) -> torch.Tensor:
    """Return what a step of one input makes of `x`."""
    result: torch.Tensor = getattr(fx.Interpreter(module), node.op)(node.target, (x,), dict(node.kwargs))
    return result


def _exchange(module: fx.GraphModule, node: fx.Node, by: nn.Module) -> None:
    parent, _, name = str(node.target).rpartition(".")
    setattr(module.get_submodule(parent), name, by)


def _can_be_packed(convolution: nn.Conv2d, x: torch.Tensor) -> bool:
    plain = type(convolution) is nn.Conv2d and convolution.padding_mode == "zeros"
    suits = x.dtype == convolution.weight.dtype == torch.float32 and lies_channels_last(x)
    return plain and suits and not isinstance(convolution.padding, str) and x.device.type == "cpu"
