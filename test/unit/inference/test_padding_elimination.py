# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Padding is found in the pixels, and networks without it are made if they are worth it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosurgeon_ros.inference.padding_elimination import (
    IMAGES_BEFORE_MAKING,
    MOST,
    Padding,
    PaddingElimination,
    find_padding,
)
from neurosurgeon_ros.models.letterbox import letterbox
from neurosurgeon_ros.partition import PartitionedNetwork, Rows, partition
from test.unit.partition.test_padding import SIDE, Small


@pytest.fixture(scope="module")
def network() -> PartitionedNetwork:
    torch.manual_seed(3)
    return partition(Small().eval(), _input(SIDE))


def _input(height: int, *, seed: int = 0, width: int = SIDE) -> torch.Tensor:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return letterbox(image, SIDE, SIDE)[0]


@pytest.mark.parametrize(("height", "rows"), [(20, Rows(22, 42)), (36, Rows(14, 50)), (53, Rows(5, 58))])
def test_what_a_letterbox_fills_is_found(height: int, rows: Rows) -> None:
    assert find_padding(_input(height)) == Padding((128.0, 128.0, 128.0), rows)


@pytest.mark.parametrize(
    "x",
    [
        _input(SIDE),
        _input(58),
        _input(64, width=20),
        torch.full((1, 3, SIDE, SIDE), 128, dtype=torch.uint8).to(memory_format=torch.channels_last),
        torch.zeros(1, 3, SIDE, SIDE),
        torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        torch.zeros(5),
    ],
    ids=["full", "nearly full", "columns", "nothing", "other order", "two", "no image"],
)
def test_where_there_is_nothing_to_leave_out_nothing_is_found(x: torch.Tensor) -> None:
    assert find_padding(x) is None


def test_a_network_is_made_for_margins_that_stay(network: PartitionedNetwork) -> None:
    elimination = PaddingElimination(network)
    for seed in range(IMAGES_BEFORE_MAKING):
        elimination.prepare()
        assert elimination.find([_input(20, seed=seed)]) is None
    assert elimination.find([_input(30)]) is None
    elimination.prepare()
    assert elimination.find([_input(20)]) is None
    for seed in range(IMAGES_BEFORE_MAKING):
        elimination.find([_input(20, seed=seed)])
    elimination.prepare()
    for x in (_input(20), _input(10)):  # images with more padding also have this padding
        found = elimination.find([x])
        assert found is not None
        assert torch.equal(found.run((x,)), network.run_back((x,), 0))
    assert elimination.find([_input(30)]) is None
    assert elimination.find([_input(20), _input(10)]) is not None
    assert elimination.find([_input(20), _input(30)]) is None


def test_the_sizes_used_last_are_kept(network: PartitionedNetwork) -> None:
    elimination = PaddingElimination(network)
    heights = list(range(10, 10 + 2 * (MOST + 1), 2))
    for height in heights:
        for _ in range(IMAGES_BEFORE_MAKING):
            elimination.find([_input(height)])
        elimination.prepare()
        assert elimination.find([_input(height)]) is not None
    assert elimination.find([_input(heights[1])]) is not None
    kept = [known.rows.end - known.rows.first for known in elimination._made]
    assert sorted(kept) == heights[1:]


def test_margins_of_another_colour_are_others(network: PartitionedNetwork) -> None:
    elimination = PaddingElimination(network)
    for _ in range(IMAGES_BEFORE_MAKING):
        elimination.find([_input(20)])
    elimination.prepare()
    black = _input(20)
    black[black == 128] = 0
    assert find_padding(black) is not None
    assert elimination.find([black]) is None
