# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A user's own detector of bright places, whose back-end is worth sending to an edge; nobody has calibrated it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models import Detections, Letterbox

SIDE, CELL = 160, 16


class Bright(nn.Module):
    """Few values cross after the second layer, and nearly all work comes after it."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.grey = nn.Conv2d(3, 1, 1, bias=False)
        self.pool = nn.AvgPool2d(CELL)
        self.first = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.second = nn.Conv2d(16, 16, 5, stride=4, padding=2)
        self.rest = nn.ModuleList(
            [nn.Conv2d(16, 128, 3, padding=1), *(nn.Conv2d(128, 128, 3, padding=1) for _ in range(5))]
        )
        self.last = nn.Conv2d(128, 1, 2, stride=2)
        for parameter in self.parameters():
            parameter.data = (
                torch.randn(parameter.shape, generator=generator) * (2.0 / max(1, parameter[0].numel())) ** 0.5
            )
        nn.init.constant_(self.grey.weight, 1 / 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        bright = self.pool(self.grey(image))
        x = torch.relu(self.second(torch.relu(self.first(image))))
        for layer in self.rest:
            x = torch.relu(layer(x))
        return (bright - 0.35) * 2.0 + 0.1 * torch.tanh(self.last(x))


def find_bright(outputs: Any, fitted: Letterbox, *, confidence: float, iou: float) -> Detections:
    """Make a box of each cell that is bright enough, the best first."""
    brightness = outputs[0, 0].double().numpy().clip(0.0, 1.0)
    rows, columns = np.nonzero(brightness >= max(confidence, 1e-3))
    order = np.argsort(-brightness[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    side = np.full(len(rows), float(CELL))
    boxes = np.stack([(columns + 0.5) * CELL, (rows + 0.5) * CELL, side, side], axis=1)
    return Detections(fitted.to_image(boxes), brightness[rows, columns], np.zeros(len(rows), dtype=np.int64))


find_bright.labels = ("bright",)  # type: ignore[attr-defined]


def make() -> tuple[nn.Module, torch.Tensor, Any]:
    """Return the network."""
    return Bright().eval(), torch.zeros(1, 3, SIDE, SIDE), find_bright


def make_other() -> tuple[nn.Module, torch.Tensor, Any]:
    """Return the network with other weights."""
    return Bright(seed=1).eval(), torch.zeros(1, 3, SIDE, SIDE), find_bright
