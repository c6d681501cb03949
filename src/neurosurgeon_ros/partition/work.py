# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Count a network's work from the operations that it actually runs.

The counter works below torch's modules and functions. A convolution therefore counts the same whether a module, a
function or a custom layer calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class Work(NamedTuple):
    """
    Work by kind, counted as in the paper's contextual features.

    :param conv_macs: multiply-accumulates of convolutions.
    :param fc_macs: multiply-accumulates of fully connected layers and other matrix products (attention).
    :param act_macs: elements written by activations and normalisations.
    :param conv_layers: number of convolutions.
    :param fc_layers: number of fully connected layers and other matrix products.
    :param act_layers: number of activations and normalisations.
    """

    conv_macs: int = 0
    fc_macs: int = 0
    act_macs: int = 0
    conv_layers: int = 0
    fc_layers: int = 0
    act_layers: int = 0

    def plus(self, other: Work) -> Work:
        """Return the sum of each kind."""
        return Work(*(a + b for a, b in zip(self, other, strict=True)))


def _convolution(args: tuple[Any, ...], result: torch.Tensor) -> Work:
    image, weight, transposed = args[0], args[1], args[6]
    # weight is (out, in / groups, ...), or (in, out / groups, ...) if transposed; both shapes account for groups.
    positions = image.numel() if transposed else result.numel()
    return Work(conv_macs=positions * weight[0].numel(), conv_layers=1)


def _product(position: int) -> Callable[[tuple[Any, ...], torch.Tensor], Work]:
    def count(args: tuple[Any, ...], result: torch.Tensor) -> Work:
        return Work(fc_macs=result.numel() * args[position].shape[-1], fc_layers=1)

    return count


def _attention(args: tuple[Any, ...], result: Any) -> Work:
    query, key, value = args[:3]
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return Work(fc_macs=scores * (query.shape[-1] + value.shape[-1]), fc_layers=2, act_macs=scores, act_layers=1)


def _elementwise(args: tuple[Any, ...], result: Any) -> Work:
    written = result[0] if isinstance(result, tuple) else result
    return Work(act_macs=written.numel(), act_layers=1)


_COUNTERS: dict[Any, Callable[[tuple[Any, ...], Any], Work]] = {
    aten.convolution: _convolution,
    aten.mm: _product(0),
    aten.bmm: _product(0),
    aten.mv: _product(0),
    aten.addmm: _product(1),
    aten.baddbmm: _product(1),
    aten.addmv: _product(1),
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
_ELEMENTWISE = (
    "relu relu_ leaky_relu leaky_relu_ prelu _prelu_kernel rrelu elu elu_ celu celu_ selu selu_ gelu gelu_ silu silu_ "
    "mish mish_ sigmoid sigmoid_ log_sigmoid_forward tanh tanh_ hardtanh hardtanh_ hardswish hardswish_ hardsigmoid "
    "hardsigmoid_ softplus softshrink hardshrink threshold threshold_ glu _softmax _log_softmax native_batch_norm "
    "_native_batch_norm_legit _native_batch_norm_legit_no_training native_layer_norm native_group_norm"
)
_COUNTERS.update(
    {getattr(aten, name): _elementwise for name in _ELEMENTWISE.split() if hasattr(aten, name)},
)


class WorkCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Add up the work of all operations inside ``with``; requires gradients off or tensors without gradients."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = Work()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here. Without this, torch loads its compiler only to bypass it, which takes a second.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        count = _COUNTERS.get(func.overloadpacket)
        if count is not None:
            self.work = self.work.plus(count(args, result))
        return result
