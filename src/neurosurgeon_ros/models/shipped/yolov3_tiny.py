# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
YOLOv3-tiny (Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018) with the published weights for COCO.

The layers match Darknet's ``yolov3-tiny.cfg`` and are named convN and poolN in the order of that file.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.letterbox import Letterbox, letterbox
from neurosurgeon_ros.models.model import Image, Model
from neurosurgeon_ros.models.postprocesses import Reading
from neurosurgeon_ros.models.shipped.yolo import YoloHead, YoloPostprocess
from neurosurgeon_ros.models.weights import fill

SIZE = 416
WEIGHTS = "yolov3-tiny.weights"
# The published configuration assigns anchors 0, 1, 2 to the fine head; the weights were trained with 1, 2, 3.
COARSE = YoloHead(stride=32, anchors=((81.0, 82.0), (135.0, 169.0), (344.0, 319.0)))
FINE = YoloHead(stride=16, anchors=((23.0, 27.0), (37.0, 58.0), (81.0, 82.0)))


def _convolution(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Make a convolution with batch norm and leaky ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            norm=nn.BatchNorm2d(outputs),
            act=nn.LeakyReLU(0.1, inplace=True),
        )
    )


class Yolov3Tiny(nn.Module):
    """
    Detector with two heads: 13 x 13 cells for large objects, 26 x 26 for small ones; both use the map after conv5.

    The network takes the image as uint8 (1, 3, 416, 416) with values 0 to 255, and returns the raw heads, coarse and
    fine.

    :param classes: number of classes.
    """

    def __init__(self, classes: int = len(COCO_NAMES)) -> None:
        super().__init__()
        head = 3 * (5 + classes)
        self.conv1 = _convolution(3, 16)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = _convolution(16, 32)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = _convolution(32, 64)
        self.pool3 = nn.MaxPool2d(2)
        self.conv4 = _convolution(64, 128)
        self.pool4 = nn.MaxPool2d(2)
        self.conv5 = _convolution(128, 256)
        self.pool5 = nn.MaxPool2d(2)
        self.conv6 = _convolution(256, 512)
        # Darknet's stride-1 pool pads right and bottom with a value that is never the maximum.
        self.pad6 = nn.ConstantPad2d((0, 1, 0, 1), float("-inf"))
        self.pool6 = nn.MaxPool2d(2, stride=1)
        self.conv7 = _convolution(512, 1024)
        self.conv8 = _convolution(1024, 256, 1)
        self.conv9 = _convolution(256, 512)
        self.coarse = nn.Conv2d(512, head, 1)
        self.conv10 = _convolution(256, 128, 1)
        self.upsample = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.conv11 = _convolution(384, 256)
        self.fine = nn.Conv2d(256, head, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the raw heads: (1, 3 x (5 + classes), 13, 13) and (..., 26, 26)."""
        x = image.to(torch.float32).div(255.0)
        x = self.pool1(self.conv1(x))
        x = self.pool2(self.conv2(x))
        x = self.pool3(self.conv3(x))
        x = self.pool4(self.conv4(x))
        route = self.conv5(x)
        x = self.conv6(self.pool5(route))
        x = self.conv7(self.pool6(self.pad6(x)))
        x = self.conv8(x)
        coarse = self.coarse(self.conv9(x))
        x = torch.cat((self.upsample(self.conv10(x)), route), dim=1)
        return coarse, self.fine(self.conv11(x))


def preprocess(image: Image) -> tuple[torch.Tensor, Letterbox]:
    """Pre-process an image like Darknet's detector: letterbox it to 416 x 416."""
    return letterbox(image, SIZE, SIZE)


def reading() -> Reading:
    """Return the post-processing for raw heads of this kind."""
    return Reading(YoloPostprocess(heads=(COARSE, FINE), classes=len(COCO_NAMES)), COCO_NAMES)


def load(weights: Path | None, random_weights: bool) -> Model:
    """Load the model; see :func:`neurosurgeon_ros.models.load_model`."""
    return Model(
        name="yolov3_tiny",
        labels=COCO_NAMES,
        network=fill(Yolov3Tiny(), weights, WEIGHTS, random_weights=random_weights),
        example_input=torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        preprocess=preprocess,
        postprocess=reading().postprocess,
        random_weights=random_weights,
    )
