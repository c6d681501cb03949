# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks for workers in other processes, which find them as `pool_networks:NAME`."""

from __future__ import annotations

import os

import torch
from robots import small_model
from torch import nn

from neurosurgeon_ros.models import Model


class Varied(nn.Module):
    """A network whose outputs differ in type, layout and structure."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        torch.nn.init.constant_(self.conv.weight, 0.01)
        torch.nn.init.zeros_(self.conv.bias)

    def forward(self, image: torch.Tensor) -> dict[str, object]:
        x = self.conv(image.float())
        return {"maps": [x, x.flatten(2).transpose(1, 2)], "best": x.flatten(1).argmax(1), "first": x[:, :1, ::2, ::2]}


class Picky(nn.Module):
    """A network that raises an IndexError for images with a value above 99."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.arange(100.0)[:, None])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.table(image.long())


def picky() -> Model:
    """Return the network that does not run on every image."""
    model = small_model()
    return Model(
        "picky", model.labels, Picky().eval().requires_grad_(False), model.example_input, model.preprocess,
        model.postprocess,
    )  # fmt: skip


def small() -> Model:
    """Return the small network."""
    return small_model()


def varied() -> Model:
    """Return the network with outputs of all kinds."""
    model = small_model()
    network = Varied().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Model("varied", model.labels, network, model.example_input, model.preprocess, model.postprocess)


def missing() -> Model:
    """Fail in every process but the one that the environment names."""
    if os.environ.get("POOL_NETWORKS_PID") != str(os.getpid()):
        raise ValueError("its file is not on this computer")
    return small_model()


def ending() -> Model:
    """End every process but the one that the environment names."""
    if os.environ.get("POOL_NETWORKS_PID") != str(os.getpid()):
        os._exit(3)
    return small_model()
