# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Tiny YOLOv2 (Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", 2017).

Three forms were published; the size of the weight file identifies the form. The last convolution before the head has
1024 channels, or 512 in the newer file for COCO. The head has the 80 classes of COCO or the 20 classes of VOC. The
package does not include their weights.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.model import Model
from neurosurgeon_ros.models.postprocesses import Reading
from neurosurgeon_ros.models.shipped.yolo import YoloHead, YoloPostprocess
from neurosurgeon_ros.models.shipped.yolov3_tiny import SIZE, preprocess
from neurosurgeon_ros.models.weights import fill

STRIDE = 32
VOC_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@dataclass(frozen=True, slots=True)
class Form:
    """
    Published form of the network.

    :param width: channels of the last convolution before the head.
    :param labels: names of the classes.
    :param anchors: width and height of each anchor, in cells.
    """

    width: int
    labels: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]


COCO_ANCHORS = ((0.57273, 0.677385), (1.87446, 2.06253), (3.33843, 5.47434), (7.88282, 3.52778), (9.77052, 9.16828))
VOC_ANCHORS = ((1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52))
FORMS = (Form(1024, COCO_NAMES, COCO_ANCHORS), Form(512, COCO_NAMES, COCO_ANCHORS), Form(1024, VOC_NAMES, VOC_ANCHORS))


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Make a convolution with batch norm and leaky ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(outputs),
            act=nn.LeakyReLU(0.1, inplace=True),
        )
    )


class Yolov2Tiny(nn.Sequential):
    """
    Map the image as uint8 (1, 3, 416, 416) to the raw head (1, 5 x (5 + classes), 13, 13).

    :param form: one of the published forms.
    """

    def __init__(self, form: Form = FORMS[0]) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = 3
        for number, outputs in enumerate((16, 32, 64, 128, 256, 512, 1024, form.width), start=1):
            layers[f"conv{number}"] = _convolution(inputs, outputs)
            inputs = outputs
            if number <= 5:
                layers[f"pool{number}"] = nn.MaxPool2d(2)
            elif number == 6:
                layers["pad6"] = nn.ConstantPad2d((0, 1, 0, 1), float("-inf"))
                layers["pool6"] = nn.MaxPool2d(2, stride=1)
        layers["head"] = nn.Conv2d(inputs, len(form.anchors) * (5 + len(form.labels)), 1)
        super().__init__(layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the raw head."""
        x = image.to(torch.float32).div(255.0)
        for layer in self:
            x = layer(x)
        return x


def form_of(weights: Path | None) -> Form:
    """Return the form that matches the size of a Darknet file; the first form if there is no match or no file."""
    if weights is None or weights.suffix != ".weights" or not weights.is_file():
        return FORMS[0]
    size = weights.stat().st_size
    for form in FORMS:
        with torch.device("meta"):
            network = Yolov2Tiny(form)
        tensors = [tensor for name, tensor in network.state_dict().items() if not name.endswith("tracked")]
        if size - 4 * sum(tensor.numel() for tensor in tensors) in (16, 20):
            return form
    return FORMS[0]


def reading(form: Form = FORMS[0]) -> Reading:
    """Return the post-processing for a raw head of this kind."""
    head = YoloHead(stride=STRIDE, anchors=tuple((STRIDE * w, STRIDE * h) for w, h in form.anchors))
    return Reading(YoloPostprocess(heads=(head,), classes=len(form.labels), exclusive=True), form.labels)


def load(weights: Path | None, random_weights: bool) -> Model:
    """Load the model; see :func:`neurosurgeon_ros.models.load_model`."""
    form = form_of(weights)
    return Model(
        name="yolov2_tiny",
        labels=form.labels,
        network=fill(Yolov2Tiny(form), weights, None, random_weights=random_weights),
        example_input=torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8).to(memory_format=torch.channels_last),
        preprocess=preprocess,
        postprocess=reading(form).postprocess,
        random_weights=random_weights,
    )
