# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
VGG16 (Simonyan and Zisserman, "Very Deep Convolutional Networks", 2015, configuration D) for ImageNet.

Module names match those of torchvision, so its state dicts fit. The package does not include weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.classification import SIZE, Classification, ImageNetInput, crop
from neurosurgeon_ros.models.imagenet import IMAGENET_NAMES
from neurosurgeon_ros.models.model import Model
from neurosurgeon_ros.models.weights import fill

# Channels of the convolutions between two pools.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Vgg16(nn.Module):
    """Map the image as uint8 (1, 3, 224, 224) to logits (1, 1000)."""

    def __init__(self, classes: int = len(IMAGENET_NAMES)) -> None:
        super().__init__()
        self.input = ImageNetInput()
        layers: list[nn.Module] = []
        inputs = 3
        for stage in STAGES:
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout()),
            *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()),
            nn.Linear(4096, classes),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.features(self.input(image)), 1))
        return logits


def load(weights: Path | None, random_weights: bool) -> Model:
    """Load the model; see :func:`neurosurgeon_ros.models.load_model`."""
    return Model(
        name="vgg16",
        labels=IMAGENET_NAMES,
        network=fill(Vgg16(), weights, None, random_weights=random_weights),
        example_input=torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        preprocess=crop,
        postprocess=Classification(),
        random_weights=random_weights,
    )
