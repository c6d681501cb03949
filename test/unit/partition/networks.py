# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small networks for tests of the partition engine, and the invariant that each of them must keep."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from neurosurgeon_ros.codecs import CODECS, TensorSpec, decode, get_codec
from neurosurgeon_ros.partition import PartitionedNetwork


def travel(tensor: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
    """Encode a tensor without loss, copy the bytes to another buffer, and decode them."""
    name = next(name for name in CODECS if get_codec(name).lossless and get_codec(name).accepts(spec))
    encoded = get_codec(name).encode(tensor, spec)
    return decode(dataclasses.replace(encoded, data=memoryview(array("B", bytes(encoded.data)))), spec)


def equal(one: Any, other: Any) -> bool:
    """Return whether two outputs have the same structure and the same bits."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def assert_halves_equal_the_whole(network: PartitionedNetwork, x: torch.Tensor | Sequence[torch.Tensor]) -> None:
    """Check invariant 1: at every point, with a lossless codec, the results are bit-for-bit equal."""
    whole = network.run_whole(x)
    for point in network.points[:-1]:
        tensors = network.run_front(x, point.index)[point.index]
        arrived = [travel(tensor, spec) for tensor, spec in zip(tensors, point.tensors, strict=True)]
        assert all(a.stride() == b.stride() for a, b in zip(arrived, tensors, strict=True)), point
        assert equal(network.run_back(arrived, point.index), whole), point


class Skip(nn.Module):
    """A network with a map that is used again later, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2.0)
        self.conv3 = nn.Conv2d(12, 2, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        route = self.relu1(self.conv1(image.float() / 255))
        small = self.conv2(self.pool(route))
        return small, self.conv3(torch.cat([self.up(small), route], dim=1))


def image(size: int = 16, seed: int = 0) -> torch.Tensor:
    """Return a channels-last uint8 image of noise."""
    generator = torch.Generator().manual_seed(seed)
    tensor = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8, generator=generator)
    return tensor.contiguous(memory_format=torch.channels_last)
