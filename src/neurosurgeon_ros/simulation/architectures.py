# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Networks of the paper's experiments.

Their weights are random, because only the computational work matters here. Batch norms are folded into the
convolutions, as in an inference engine.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models.shipped.fold import fold_batch_norms
from neurosurgeon_ros.models.shipped.yolov3_tiny import Yolov3Tiny
from neurosurgeon_ros.partition import partition, profile
from neurosurgeon_ros.simulation.table import NetworkTable


def _vgg16() -> nn.Module:
    """Make VGG16 (Simonyan and Zisserman, 2015), 224 x 224, 1,000 classes."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width, number = 3, 0
    for block, (channels, repeats) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for _ in range(repeats):
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(width, channels, 3, padding=1)
            layers[f"relu{number}"] = nn.ReLU()
            width = channels
        layers[f"pool{block}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["fc1"], layers["relu14"] = nn.Linear(512 * 7 * 7, 4096), nn.ReLU()
    layers["fc2"], layers["relu15"] = nn.Linear(4096, 4096), nn.ReLU()
    layers["fc3"] = nn.Linear(4096, 1000)
    return nn.Sequential(layers)


def _tiny_yolov2() -> nn.Module:
    """Make tiny YOLOv2 (Redmon and Farhadi, 2017), 416 x 416, with a head of 425 channels for COCO."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = 3
    for number, channels in enumerate((16, 32, 64, 128, 256, 512, 1024, 1024), start=1):
        layers[f"conv{number}"] = nn.Conv2d(width, channels, 3, padding=1)
        layers[f"leaky{number}"] = nn.LeakyReLU(0.1)
        if number < 6:
            layers[f"pool{number}"] = nn.MaxPool2d(2)
        elif number == 6:
            layers["pool6"] = nn.Sequential(OrderedDict(pad=nn.ZeroPad2d((0, 1, 0, 1)), pool=nn.MaxPool2d(2, stride=1)))
        width = channels
    layers["conv9"] = nn.Conv2d(width, 425, 1)
    return nn.Sequential(layers)


class _Bottleneck(nn.Module):
    """Three convolutions with a shortcut for the input. The shortcut projects the input if its shape changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(inputs, width, 1), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(width, width, 3, stride=stride, padding=1), nn.ReLU()
        self.conv3, self.relu3 = nn.Conv2d(width, 4 * width, 1), nn.ReLU()
        changes = stride != 1 or inputs != 4 * width
        self.project: nn.Module = nn.Conv2d(inputs, 4 * width, 1, stride=stride) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, (1, 4 x width, h, w)."""
        y = self.conv3(self.relu2(self.conv2(self.relu1(self.conv1(x)))))
        result: torch.Tensor = self.relu3(y + self.project(x))
        return result


def _resnet50() -> nn.Module:
    """Make ResNet50 (He et al., 2016, stride in the 3 x 3 convolution), 224 x 224, 1,000 classes."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3), relu1=nn.ReLU(), pool1=nn.MaxPool2d(3, stride=2, padding=1)
    )
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            layers[f"layer{stage}_{block + 1}"] = _Bottleneck(inputs, width, stride)
            inputs = 4 * width
    layers["mean"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    layers["fc"] = nn.Linear(inputs, 1000)
    return nn.Sequential(layers)


def _yolov3_tiny() -> nn.Module:
    """Make YOLOv3-tiny, 416 x 416, the model that ships in models/."""
    return fold_batch_norms(Yolov3Tiny().eval())


#: Architectures by name. Each has two functions, which make the network and its example input.
ARCHITECTURES: MappingProxyType[str, tuple[Callable[[], nn.Module], Callable[[], torch.Tensor]]] = MappingProxyType(
    {
        "vgg16": (_vgg16, lambda: torch.zeros(1, 3, 224, 224)),
        "resnet50": (_resnet50, lambda: torch.zeros(1, 3, 224, 224)),
        "tiny_yolov2": (_tiny_yolov2, lambda: torch.zeros(1, 3, 416, 416)),
        "yolov3_tiny": (_yolov3_tiny, lambda: torch.zeros(1, 3, 416, 416, dtype=torch.uint8)),
    }
)


def measure(name: str, *, repeats: int = 10) -> NetworkTable:
    """
    Cut a network at all partition points, and profile it on this machine.

    Every partition point is kept, even if it sends at least as many bytes as an earlier one, because the paper's
    experiments show all of them.

    :param name: one of :data:`ARCHITECTURES`.
    :param repeats: number of measured passes.
    :raises ValueError: if there is no such network; the message names the choices.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"there is no network {name!r}; choose one of {', '.join(sorted(ARCHITECTURES))}")
    make, example = ARCHITECTURES[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make().eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = example().contiguous(memory_format=torch.channels_last)
    partitioned = partition(network, x, keep_all=True)
    measured = profile(partitioned, x, repeats=repeats)
    features = np.array([point.features for point in partitioned.points], dtype=np.float64)
    return NetworkTable(
        name=name,
        points=tuple(point.name for point in partitioned.points),
        features=features,
        front_s=np.asarray(measured.front_s, dtype=np.float64),
        back_s=np.asarray(measured.back_s, dtype=np.float64),
    )
