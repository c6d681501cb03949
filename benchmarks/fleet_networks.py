# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks that compute nothing, for measuring what an edge itself takes: `fleet_networks:null_4` takes 4 kB."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models import Detections, Letterbox, Model
from neurosurgeon_ros.models.letterbox import letterbox


class Null(nn.Module):
    """Returns the first value of each plane."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return shape (1, 3, 1)."""
        return image.flatten(2)[:, :, :1]


def _null(kilobytes: int) -> Model:
    side = math.isqrt(1000 * kilobytes // 3)

    def nothing(outputs: torch.Tensor, fitted: Letterbox, *, confidence: float, iou: float) -> Detections:
        return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))

    example = torch.zeros((1, 3, side, side), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    return Model("null", ("thing",), Null().eval(), example, lambda image: letterbox(image, side, side), nothing)


def null_2() -> Model:
    """Return the network for tensors of 2 kB."""
    return _null(2)


def null_4() -> Model:
    """Return the network for tensors of 4 kB."""
    return _null(4)


def null_20() -> Model:
    """Return the network for tensors of 20 kB."""
    return _null(20)


def null_100() -> Model:
    """Return the network for tensors of 100 kB."""
    return _null(100)
