# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Small networks with the heads of the families of detectors, and factories that make them.

Each finds white squares of 32 x 32 pixels in the cells of stride 32 of a black image, as objects of class 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

WIDTH, HEIGHT = 384, 256
STRIDE = 32
CLASSES = 80
#: Number of bins of the distributions of YOLOv8 and NanoDet.
BINS = {"yolov8": 16, "nanodet": 8}

Made = tuple[nn.Module, torch.Tensor]


class Maps(nn.Module):
    """
    One row for each cell of each stride: values that are the same everywhere, but for one that tells what is white.

    :param fixed: the values of a row.
    :param telling: place in the row of the value that is 8 where the cell is white, and -8 elsewhere.
    """

    def __init__(self, fixed: list[float], telling: list[int], strides: tuple[int, ...] = (8, 16, 32)) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(3, len(fixed), stride, stride) for stride in strides)
        for stride, convolution in zip(strides, self.maps, strict=True):
            nn.init.zeros_(convolution.weight)
            convolution.bias.data = torch.tensor(fixed)
            convolution.bias.data[telling] = -8.0
            if stride == STRIDE:
                convolution.weight.data[telling] = 16.0 / (3 * STRIDE * STRIDE)
        corners = [
            torch.stack(torch.meshgrid(torch.arange(WIDTH // s) * s, torch.arange(HEIGHT // s) * s, indexing="xy"), 2)
            for s in strides
        ]
        self.register_buffer("corners", torch.cat([corner.reshape(-1, 2) for corner in corners]).float())
        sides = [torch.full((corner.numel() // 2, 1), s) for s, corner in zip(strides, corners, strict=True)]
        self.register_buffer("sides", torch.cat(sides).float())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([convolution(image).flatten(2).transpose(1, 2) for convolution in self.maps], dim=1)


def scores(number: int) -> list[float]:
    """Return logits of classes of which the second is the likely one."""
    return [8.0 if index == 1 else -8.0 for index in range(number)]


class Yolov5(nn.Module):
    """Three anchors in each cell; boxes are decoded as in ultralytics/yolov5."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.classes = classes
        self.rows = Maps(3 * [0.0, 0.0, 0.0, 0.0, 0.0, *scores(classes)], [4, 9 + classes, 14 + 2 * classes])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = self.rows(image).view(1, -1, 3, 5 + self.classes).sigmoid()
        corners, sides = self.rows.corners[None, :, None], self.rows.sides[None, :, None]
        centres = (2 * rows[..., :2] - 0.5) * sides + corners
        sizes = (2 * rows[..., 2:4]) ** 2 * sides
        return torch.cat((centres, sizes, rows[..., 4:]), dim=3).flatten(1, 2)


class Yolov8(nn.Module):
    """Distances to the sides are means of distributions, as in Ultralytics' YOLOv8."""

    def __init__(self, extra: int = 0, classes: int = CLASSES) -> None:
        super().__init__()
        bins = BINS["yolov8"]
        half = [20.0 if index < 2 else -20.0 for index in range(bins)]
        fixed = [*(4 * half), *classes * [-8.0], *extra * [3.0]]
        self.rows, self.extra = Maps(fixed, [4 * bins + min(1, classes - 1)]), extra

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows, bins = self.rows(image), BINS["yolov8"]
        spread = rows[..., : 4 * bins].reshape(1, -1, 4, bins).softmax(3)
        distances = (spread * torch.arange(bins)).sum(3)
        low, high = distances[..., :2], distances[..., 2:]
        centres = self.rows.corners + (0.5 + (high - low) / 2) * self.rows.sides
        sizes = (low + high) * self.rows.sides
        likely = rows[..., 4 * bins : rows.shape[2] - self.extra].sigmoid()
        return torch.cat((centres, sizes, likely, rows[..., rows.shape[2] - self.extra :]), dim=2).transpose(1, 2)


class Yolov10(nn.Module):
    """The best 300 boxes of YOLOv8's head."""

    def __init__(self, relative: bool = False) -> None:
        super().__init__()
        self.head, self.relative = Yolov8(), relative

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        columns = self.head(image)
        best, classes = columns[:, 4:].max(1)
        likely, chosen = best.topk(300)
        boxes = columns[:, :4].transpose(1, 2)[:, chosen[0]]
        low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
        shown = (boxes / torch.tensor([WIDTH, HEIGHT] * 2),) if self.relative else (low, high)
        return torch.cat((*shown, likely[..., None], classes[:, chosen[0], None].float()), dim=2)


class Segmenter(nn.Module):
    """YOLOv8's head with 32 coefficients of masks, and the prototypes of masks."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.prototypes = Yolov8(extra=32), nn.Conv2d(3, 32, 4, 4)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.head(image), self.prototypes(image)


class Yolox(nn.Module):
    """Boxes relative to their cells, decoded or not."""

    def __init__(self, decodes: bool) -> None:
        super().__init__()
        self.rows, self.decodes = Maps([0.5, 0.5, 0.0, 0.0, 0.0, *scores(CLASSES)], [4]), decodes

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = self.rows(image)
        centres, sizes = rows[..., :2], rows[..., 2:4]
        if self.decodes:
            centres = centres * self.rows.sides + self.rows.corners
            sizes = sizes.exp() * self.rows.sides
        return torch.cat((centres, sizes, rows[..., 4:].sigmoid()), dim=2)


class NanoDet(nn.Module):
    """NanoDet-Plus: class scores, and distributions of the distances from a cell's corner."""

    def __init__(self, exported: bool) -> None:
        super().__init__()
        bins = BINS["nanodet"]
        near, far = ([20.0 if index == step else -20.0 for index in range(bins)] for step in (0, 1))
        fixed = [*CLASSES * [-8.0], *near, *near, *far, *far]
        self.rows, self.exported = Maps(fixed, [1], (8, 16, 32, 64)), exported

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = self.rows(image)
        return torch.cat((rows[..., :CLASSES].sigmoid(), rows[..., CLASSES:]), dim=2) if self.exported else rows


class Fcos(nn.Module):
    """Class logits, distances in cells from a cell's corner, and centredness, named as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = Maps([*91 * [-8.0], 0.0, 0.0, 1.0, 1.0, 8.0], [1], (8, 16, 32, 64, 128))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = self.rows(image)
        return {"cls_logits": rows[..., :91], "bbox_regression": rows[..., 91:95], "bbox_ctrness": rows[..., 95:]}


class Detr(nn.Module):
    """A query for each cell, and some more; with a class for no object, or without."""

    def __init__(self, queries: int, classes: int, nothing: bool) -> None:
        super().__init__()
        fixed = [*classes * [-8.0], *([0.0] if nothing else [])]
        self.rows, self.more = Maps(fixed, [1], (STRIDE,)), queries - len(Maps(fixed, [1], (STRIDE,)).sides)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = nn.functional.pad(self.rows(image), (0, 0, 0, self.more), value=-8.0)
        centres = (self.rows.corners + STRIDE / 2) / torch.tensor([WIDTH, HEIGHT])
        sizes = (self.rows.sides / torch.tensor([WIDTH, HEIGHT])).expand(-1, 2)
        boxes = nn.functional.pad(torch.cat((centres, sizes), dim=1), (0, 0, 0, self.more), value=0.5)
        return {"logits": logits, "pred_boxes": boxes[None]}


class Joined(nn.Module):
    """Boxes and probabilities of RT-DETR in one output, then what it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Detr(300, CLASSES, nothing=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        found = self.head(image)
        return torch.cat((found["pred_boxes"], found["logits"].sigmoid()), dim=2), [found["logits"]]


class Listed(nn.Module):
    """A list with a dict of boxes, labels and scores, as torchvision's detectors return it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Yolov10()

    def forward(self, image: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        rows = self.head(image)[0, :100]
        return [{"boxes": rows[:, :4], "labels": rows[:, 5].long(), "scores": rows[:, 4]}]


class Named(nn.Module):
    """A network that brings the names of its classes along, as Ultralytics' do."""

    def __init__(self, names: Any) -> None:
        super().__init__()
        self.head, self.names = Yolov8(classes=3), names

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(image)


class Classifier(nn.Module):
    """Logits, or probabilities and then logits, of four classes, of which the third is likely."""

    def __init__(self, probabilities: bool = False) -> None:
        super().__init__()
        self.linear, self.probabilities = nn.Linear(3, 4), probabilities
        nn.init.zeros_(self.linear.weight)
        self.linear.bias.data = torch.tensor([0.0, 0.0, 3.0, 0.0])

    def forward(self, image: torch.Tensor) -> Any:
        logits = self.linear(image.mean((2, 3)))
        return (logits.softmax(1), logits) if self.probabilities else logits


def made(network: Callable[[], nn.Module], *more: object) -> tuple[Any, ...]:
    return network(), torch.zeros(1, 3, HEIGHT, WIDTH), *more


#: Factories by the name of the family that is recognised, and the number of its classes.
HEADS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "yolov5": (Yolov5, 80),
    "yolov8": (Yolov8, 80),
    "yolov8_pose": (functools.partial(Yolov8, 51, 1), 1),
    "end_to_end": (Yolov10, 80),
    "rtdetr_end_to_end": (functools.partial(Yolov10, relative=True), 80),
    "yolox": (functools.partial(Yolox, decodes=True), 80),
    "yolox_raw": (functools.partial(Yolox, decodes=False), 80),
    "nanodet": (functools.partial(NanoDet, exported=True), 80),
    "nanodet_raw": (functools.partial(NanoDet, exported=False), 80),
    "fcos": (Fcos, 91),
    "rtdetr": (functools.partial(Detr, 300, CLASSES, nothing=False), 80),
    "detr": (functools.partial(Detr, 100, 91, nothing=True), 91),
    "rtdetr_joined": (Joined, 80),
    "torchvision": (Listed, 91),
}

yolov5, yolov8, yolov8_pose, end_to_end, rtdetr_end_to_end, yolox, yolox_raw = (
    functools.partial(made, HEADS[name][0])
    for name in ("yolov5", "yolov8", "yolov8_pose", "end_to_end", "rtdetr_end_to_end", "yolox", "yolox_raw")
)
nanodet, nanodet_raw, fcos, rtdetr, detr, rtdetr_joined, torchvision = (
    functools.partial(made, HEADS[name][0])
    for name in ("nanodet", "nanodet_raw", "fcos", "rtdetr", "detr", "rtdetr_joined", "torchvision")
)
segmenter = functools.partial(made, Segmenter)
three_classes = functools.partial(made, functools.partial(Yolov8, classes=3))
one_class = functools.partial(made, functools.partial(Yolov5, classes=1))
named = functools.partial(made, functools.partial(Named, {0: "nut", 1: "bolt", 2: "washer"}))
other_names = functools.partial(made, functools.partial(Named, ["nut", "bolt"]))
classifier = functools.partial(made, Classifier)
probabilities = functools.partial(made, functools.partial(Classifier, probabilities=True))
wrong_family = functools.partial(made, Yolov8, "yolov5")
automatic = functools.partial(made, Yolov8, "auto")
unknown = functools.partial(made, functools.partial(nn.Conv2d, 3, 2, 3))
