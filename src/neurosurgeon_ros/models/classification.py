# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pre- and post-processing for networks trained on ImageNet in the same way as in torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models.letterbox import Letterbox, check_image
from neurosurgeon_ros.models.model import Detections, Image

SIZE = 224
#: Shorter side of the image before the centre crop.
RESIZED = 256


class ImageNetInput(nn.Module):
    """Convert the uint8 image as in training: RGB in [0, 1], minus the mean, divided by the standard deviation."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)
        mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)
        self.register_buffer("mean", (255 * mean).float().view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", (1 / (255 * deviation)).float().view(1, 3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return a float32 image with the same shape and memory format."""
        return (image.to(torch.float32) - self.mean) * self.scale


def crop(image: Image) -> tuple[torch.Tensor, Letterbox]:
    """
    Crop the centre square of a BGR image like torchvision's evaluation: shorter side to 256, then 224 x 224.

    :param image: BGR as uint8, shape (H, W, 3).
    :returns: RGB as uint8, shape (1, 3, 224, 224), channels-last; and the placement of the image around it.
    :raises ValueError: the image is empty or not BGR.
    """
    check_image(image)
    rows, columns = image.shape[:2]
    side = max(1, round(min(rows, columns) * SIZE / RESIZED))
    left, top = (columns - side) // 2, (rows - side) // 2
    canvas = np.empty((1, SIZE, SIZE, 3), dtype=np.uint8)
    shrinks = side > SIZE
    middle = image[top : top + side, left : left + side]
    resized = cv2.resize(middle, (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, dst=canvas[0])
    scale = SIZE / side
    return torch.from_numpy(canvas).permute(0, 3, 1, 2), Letterbox(
        image_width=columns, image_height=rows, scale_x=scale, scale_y=scale, pad_x=-left * scale, pad_y=-top * scale
    )


@dataclass(frozen=True, slots=True)
class Classification:
    """
    Convert class scores to detections, each with a box around the whole image.

    :param most: maximum number of classes.
    :param path: keys and indices of the scores in the outputs; empty if they are the only output.
    :param probabilities: the scores are probabilities instead of logits.
    """

    most: int = 5
    path: tuple[str | int, ...] = ()
    probabilities: bool = False

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode class scores of shape (1, classes); `iou` is not used."""
        for key in self.path:
            outputs = outputs[key]
        scores = outputs.detach().cpu().numpy().astype(np.float64)[0]
        if not self.probabilities:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        best = np.argsort(-scores, kind="stable")[: self.most]
        best = best[scores[best] >= confidence]
        width, height = float(letterbox.image_width), float(letterbox.image_height)
        return Detections(
            boxes=np.tile([width / 2, height / 2, width, height], (len(best), 1)),
            scores=scores[best],
            classes=best.astype(np.int64),
        )
