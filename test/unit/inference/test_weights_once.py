# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An engine holds each weight once, in the form in which it runs."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from robots import small_model
from torch import nn

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.partition.weight_packing import PackedConv2d


def test_the_networks_own_weights_are_freed() -> None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this build of torch packs no weights")
    model = small_model()
    weights = [weakref.ref(one.weight) for one in model.network.modules() if isinstance(one, nn.Conv2d)]
    image = torch.randint(0, 256, model.example_input.shape, generator=torch.Generator().manual_seed(1))
    image = image.to(torch.uint8).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted = model.network(image)
    engine = Engine(model)
    del model
    gc.collect()
    assert len(weights) == 2 and [weight() for weight in weights] == [None, None]
    assert torch.allclose(engine.run_whole(image), wanted, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 16), (5, 2, 2)])
def test_packed_weights_come_back_bit_for_bit(kernel: int, stride: int, groups: int) -> None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this build of torch packs no weights")
    torch.manual_seed(2)
    convolution = nn.Conv2d(16, 48, kernel, stride, padding=kernel // 2, groups=groups).requires_grad_(False)
    packed = PackedConv2d.of(convolution, torch.Size((1, 16, 24, 24)))
    assert torch.equal(packed._weight.to_dense(), convolution.weight)
    again = packed.for_rows(24 + 2 * (kernel // 2))
    x = torch.randn(1, 16, 24, 24).contiguous(memory_format=torch.channels_last)
    padded = nn.functional.pad(x, (0, 0, kernel // 2, kernel // 2)).contiguous(memory_format=torch.channels_last)
    assert torch.allclose(again(padded), packed(x), atol=1e-5)
