# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018) for ImageNet.

Module names match those of torchvision, so its published weights fit.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.classification import SIZE, Classification, ImageNetInput, crop
from neurosurgeon_ros.models.imagenet import IMAGENET_NAMES
from neurosurgeon_ros.models.model import Model
from neurosurgeon_ros.models.weights import fill

WEIGHTS = "mobilenet_v2-b0353104.pth"
# Table 2 of the paper: expansion, channels, repeats, stride of the first repeat.
BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Make a convolution with batch norm and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class Bottleneck(nn.Module):
    """Expand, filter each channel and project; add the input if the shapes match."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_convolution(inputs, hidden, 1)]
        layers += [
            _convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor of shape (1, outputs, h / stride, w / stride)."""
        y: torch.Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """Map the image as uint8 (1, 3, 224, 224) to logits (1, 1000)."""

    def __init__(self, classes: int = len(IMAGENET_NAMES)) -> None:
        super().__init__()
        self.input = ImageNetInput()
        layers: list[nn.Module] = [_convolution(3, 32, stride=2)]
        inputs = 32
        for expansion, outputs, repeats, stride in BOTTLENECKS:
            for repeat in range(repeats):
                layers.append(Bottleneck(inputs, outputs, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        layers.append(_convolution(inputs, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.pool(self.features(self.input(image))), 1))
        return logits


def load(weights: Path | None, random_weights: bool) -> Model:
    """Load the model; see :func:`neurosurgeon_ros.models.load_model`."""
    return Model(
        name="mobilenet_v2",
        labels=IMAGENET_NAMES,
        network=fill(MobileNetV2(), weights, WEIGHTS, random_weights=random_weights),
        example_input=torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        preprocess=crop,
        postprocess=Classification(),
        random_weights=random_weights,
    )
