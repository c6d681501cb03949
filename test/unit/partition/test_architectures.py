# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Invariant 1 and the counts of computation, on many kinds of network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from neurosurgeon_ros.partition import partition

from .architectures import ARCHITECTURES
from .networks import assert_halves_equal_the_whole


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key])]
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_front_end_then_back_end_is_the_whole_network(name: str) -> None:
    network, inputs = ARCHITECTURES[name]()
    with torch.no_grad():
        expected = network(*(x.clone() for x in inputs))
    originals = [x.clone() for x in inputs]
    parts = partition(network, inputs, keep_all=True)
    assert len(parts.points) >= 5
    assert parts.points[0].name == "input"
    assert parts.points[-1].name == "on_device"
    names = [point.name for point in parts.points]
    assert len(set(names)) == len(names)
    whole = parts.run_whole(inputs)
    for one, other in zip(leaves(whole), leaves(expected), strict=True):
        assert torch.allclose(one, other, atol=1e-5) if isinstance(one, torch.Tensor) else one == other
    assert_halves_equal_the_whole(parts, inputs)
    assert all(map(torch.equal, inputs, originals))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_work_is_what_an_independent_counter_says(name: str) -> None:
    if name == "lstm":
        pytest.skip("torch's counter does not know its fused LSTM")
    network, inputs = ARCHITECTURES[name]()
    features = partition(network, inputs).points[0].features
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not support fused attention
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            network(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert 2 * (features[0] + features[1]) == counter.get_total_flops()


def test_names_are_those_of_modules() -> None:
    network, inputs = ARCHITECTURES["resnet"]()
    names = [point.name for point in partition(network, inputs, keep_all=True).points]
    assert "blocks.1.relu" in names
    assert "blocks.1.add" in names or "blocks.1.iadd" in names
    assert names.index("blocks.0.relu_2") < names.index("blocks.1.relu") < names.index("blocks.1.relu_2")
    assert all("/" not in name for name in names)
