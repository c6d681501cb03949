# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
ResNet50 (He et al., "Deep Residual Learning for Image Recognition", 2016) for ImageNet.

The 3 x 3 convolution has the stride and module names match those of torchvision, so its state dicts fit. The package
does not include weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.classification import SIZE, Classification, ImageNetInput, crop
from neurosurgeon_ros.models.imagenet import IMAGENET_NAMES
from neurosurgeon_ros.models.model import Model
from neurosurgeon_ros.models.weights import fill

# Width within a block, and number of blocks, of each stage; a block outputs four times its width.
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
EXPANSION = 4


class Block(nn.Module):
    """Apply a 1 x 1, a 3 x 3 and a 1 x 1 convolution, and add the input."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor of shape (1, 4 x width, h / stride, w / stride)."""
        y: torch.Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return nn.functional.relu(y)


class ResNet50(nn.Module):
    """Map the image as uint8 (1, 3, 224, 224) to logits (1, 1000)."""

    def __init__(self, classes: int = len(IMAGENET_NAMES)) -> None:
        super().__init__()
        self.input = ImageNetInput()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for number, (width, blocks) in enumerate(STAGES, start=1):
            stage = []
            for block in range(blocks):
                stage.append(Block(inputs, width, 2 if number > 1 and block == 0 else 1))
                inputs = EXPANSION * width
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self.input(image)))))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        logits: torch.Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def load(weights: Path | None, random_weights: bool) -> Model:
    """Load the model; see :func:`neurosurgeon_ros.models.load_model`."""
    return Model(
        name="resnet50",
        labels=IMAGENET_NAMES,
        network=fill(ResNet50(), weights, None, random_weights=random_weights),
        example_input=torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        preprocess=crop,
        postprocess=Classification(),
        random_weights=random_weights,
    )
