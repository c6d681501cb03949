# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Invariant 1 on random networks."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from neurosurgeon_ros.partition import partition

from .networks import assert_halves_equal_the_whole

SIDE, WIDTH = 8, 6
KINDS = (
    "conv",
    "depthwise",
    "conv1x1",
    "norm",
    "relu",
    "relu_",
    "sigmoid",
    "add",
    "add_",
    "mul",
    "cat",
    "pool",
    "gate",
)
KINDS = (*KINDS, "chunk", "shuffle", "transpose", "mean", "linear", "half", "clamp_")


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Return a list of steps, each with two earlier values that it may use."""
    steps = []
    for index in range(draw(st.integers(1, 12))):
        steps.append((draw(st.sampled_from(KINDS)), draw(st.integers(0, index)), draw(st.integers(0, index))))
    return steps


class Planned(nn.Module):
    """
    A network made from a plan. All values are images of one size, so that any step fits any value.

    :param plan: kind, first and second value of each step.
    :param outputs: indices of the values that are returned.
    """

    def __init__(self, plan: list[tuple[str, int, int]], outputs: list[int]) -> None:
        super().__init__()
        self.plan, self.outputs = plan, outputs
        makers: dict[str, Any] = {
            "conv": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            "depthwise": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
            "conv1x1": lambda: nn.Conv2d(WIDTH, WIDTH, 1),
            "norm": lambda: nn.BatchNorm2d(WIDTH),
            "relu": lambda: nn.ReLU(),
            "relu_": lambda: nn.ReLU(inplace=True),
            "cat": lambda: nn.Conv2d(2 * WIDTH, WIDTH, 1),
            "pool": lambda: nn.MaxPool2d(3, stride=1, padding=1),
            "gate": lambda: nn.Conv2d(WIDTH, WIDTH, 1),
            "linear": lambda: nn.Linear(SIDE, SIDE),
        }
        self.parts = nn.ModuleList(makers.get(kind, nn.Identity)() for kind, _, _ in plan)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = [x]
        for (kind, one, two), part in zip(self.plan, self.parts, strict=True):
            a, b = values[one], values[two]
            if kind == "add":
                values.append(a + b)
            elif kind == "add_":
                c = a * 0.5
                c += b
                values.append(c)
            elif kind == "mul":
                values.append(a * torch.tanh(b))
            elif kind == "cat":
                values.append(part(torch.cat([a, b], 1)))
            elif kind == "gate":
                values.append(a * part(b.mean((2, 3), keepdim=True)).sigmoid())
            elif kind == "chunk":
                first, second = a.chunk(2, dim=1)
                values.append(torch.cat([second, first], dim=1))
            elif kind == "shuffle":
                values.append(a.reshape(1, 2, 3, SIDE, SIDE).transpose(1, 2).reshape(1, WIDTH, SIDE, SIDE))
            elif kind == "transpose":
                values.append(a.transpose(2, 3))
            elif kind == "mean":
                values.append(a - a.mean())
            elif kind == "half":
                values.append(torch.cat([a[:, :3], b[:, 3:]], 1))
            elif kind == "clamp_":
                values.append((a + b).clamp_(-2.0, 2.0))
            elif kind == "sigmoid":
                values.append(a.sigmoid())
            elif kind == "relu_":
                values.append(part(a.clone()))
            else:
                values.append(part(a))
        return tuple(values[index] for index in self.outputs)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(plan=plans(), data=st.data(), channels_last=st.booleans(), max_tensors=st.integers(1, 4))
def test_any_graph_can_be_cut_anywhere(
    plan: list[tuple[str, int, int]], data: st.DataObject, channels_last: bool, max_tensors: int
) -> None:
    outputs = data.draw(st.lists(st.integers(0, len(plan)), min_size=1, max_size=3))
    torch.manual_seed(0)
    network = Planned(plan, [*outputs, len(plan)]).eval().requires_grad_(False)
    x = torch.rand(1, WIDTH, SIDE, SIDE)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
        network = network.to(memory_format=torch.channels_last)
    parts = partition(network, x, max_tensors=max_tensors, keep_all=True)
    assert parts.obstacle is None
    with torch.no_grad():
        expected = network(x.clone())
    for given_, wanted in zip(parts.run_whole(x), expected, strict=True):
        assert torch.allclose(given_, wanted, atol=1e-4, rtol=1e-4)
    assert_halves_equal_the_whole(parts, x)
