# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Padding is skipped where the result has exactly the same bits, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neurosurgeon_ros.partition import PartitionedNetwork, Rows, partition
from neurosurgeon_ros.partition.padding import Surrounded, Window

SIDE = 64


class Small(nn.Module):
    """The beginning of typical detectors: scaled pixels, several kinds of convolution, pooling, a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.halve = nn.MaxPool2d(2)
        self.strided = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.wide = nn.Conv2d(8, 8, 5, padding=1)
        self.relu = nn.LeakyReLU(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.halve(self.relu(self.first(x.to(torch.float32) / 255.0)))
        x = self.relu(self.strided(x))
        return self.wide(torch.cat([self.dilated(x), x], dim=1)[:, :8])


@pytest.fixture(scope="module")
def network() -> PartitionedNetwork:
    torch.manual_seed(3)
    return partition(Small().eval(), _empty())


def _empty() -> torch.Tensor:
    return torch.full((1, 3, SIDE, SIDE), 128, dtype=torch.uint8).to(memory_format=torch.channels_last)


def _with_image(rows: Rows, seed: int = 0) -> torch.Tensor:
    x = _empty()
    noise = torch.randint(0, 256, x.shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    x[:, :, rows.first : rows.end] = noise[:, :, rows.first : rows.end]
    return x


@pytest.mark.parametrize("rows", [Rows(16, 40), Rows(17, 39), Rows(0, 21), Rows(43, 64), Rows(30, 31)])
def test_images_give_the_very_same_bits(network: PartitionedNetwork, rows: Rows) -> None:
    trimmed = network.without_padding(_empty(), rows)
    assert trimmed is not None
    for seed in range(3):
        x = _with_image(rows, seed)
        assert torch.equal(trimmed.run((x,)), network.run_back((x,), 0))
    assert torch.equal(trimmed.run((_empty(),)), network.run_back((_empty(),), 0))


def test_a_run_can_be_broken_off_between_its_steps(network: PartitionedNetwork) -> None:
    class BrokenOff(Exception):
        pass

    trimmed = network.without_padding(_empty(), Rows(16, 40))
    assert trimmed is not None
    x = _with_image(Rows(16, 40))
    for run in (lambda before: trimmed.run((x,), before), lambda before: network.run_back((x,), 0, before)):
        steps: list[int] = []

        def count(steps: list[int] = steps) -> None:
            steps.append(len(steps))
            if steps[-1] == 3:
                raise BrokenOff

        with pytest.raises(BrokenOff):
            run(count)
        assert len(steps) == 4
        assert torch.equal(run(lambda: None), network.run_back((x,), 0))


def test_several_images_together_give_what_each_gives_alone(network: PartitionedNetwork) -> None:
    rows = Rows(16, 40)
    trimmed = network.without_padding(_empty(), rows)
    assert trimmed is not None
    images = [_with_image(rows, seed) for seed in range(3)]
    for image, output in zip(images, trimmed.run_together([(image,) for image in images]), strict=True):
        torch.testing.assert_close(output, network.run_back((image,), 0))


def test_fewer_rows_are_computed(network: PartitionedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = network.without_padding(_empty(), Rows(16, 40))
    assert trimmed is not None
    heights: list[int] = []
    forward = Surrounded.forward

    def counted(self: Surrounded, x: torch.Tensor) -> torch.Tensor:
        heights.append(x.shape[2])
        return forward(self, x)

    monkeypatch.setattr(Surrounded, "forward", counted)
    trimmed.run((_with_image(Rows(16, 40)),))
    # The image's rows for the first convolution; one more on both sides for pooling; the pooled rows.
    assert heights[:3] == [24, 26, 14]


def test_where_an_image_fills_the_input_nothing_is_left_out(network: PartitionedNetwork) -> None:
    assert network.without_padding(_empty(), Rows(2, 62)) is None


def test_a_network_that_mixes_all_rows_at_once_is_left_as_it_is() -> None:
    torch.manual_seed(3)
    mixing = partition(nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)).eval(), _empty().float())
    assert mixing.without_padding(_empty().float(), Rows(16, 40)) is None


@pytest.mark.parametrize(
    "window", [Window(3, 1, 1), Window(2, 2, 0), Window(3, 2, 1), Window(5, 1, 2), Window(1, 1, 0)]
)
@pytest.mark.parametrize("rows", [Rows(0, 1), Rows(5, 9), Rows(6, 7), Rows(19, 20)])
def test_reached_rows_are_those_that_see_one_of_the_image(window: Window, rows: Rows) -> None:
    given = 20
    height = (given + 2 * window.padding - window.size) // window.stride + 1
    reached = [
        row
        for row in range(height)
        if set(range(row * window.stride - window.padding, row * window.stride - window.padding + window.size))
        & set(range(*rows))
    ]
    assert window.reached(rows, height) == Rows(reached[0], reached[-1] + 1)
    seen = window.seen(Rows(reached[0], reached[-1] + 1))
    assert seen.first == reached[0] * window.stride - window.padding
    assert seen.end == reached[-1] * window.stride - window.padding + window.size
