# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read the dense outputs of NanoDet (RangiLyu/nanodet) and of the head of torchvision's FCOS.

Both give, for each cell of their maps, class scores and the distances from the cell's point to the sides of a box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from neurosurgeon_ros.models.families.decoding import (
    cells,
    count_cells,
    every_class,
    extent,
    finish,
    from_corners,
    logit,
)
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Path, Seen, take
from neurosurgeon_ros.models.families.rows import lies_in_pixels, main_output
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

#: Strides of NanoDet-Plus, whose points are the cells' corners, and of NanoDet, whose points are their centres.
NANODET = (((8, 16, 32, 64), 0.0), ((8, 16, 32), 0.5))
#: Numbers of values that a distance is spread over.
BINS = (8, 11)
#: Strides of FCOS.
FCOS = (8, 16, 32, 64, 128)


def around(points: torch.Tensor, distances: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
    """
    Return the boxes around points, clipped to the network's input.

    :param points: x and y in network pixels. Shape (k, 2 or more).
    :param distances: left, top, right, bottom in network pixels. Shape (k, 4).
    :param limit: width, height, width, height of the network's input. Shape (4,).
    :returns: centre x, centre y, width, height. Shape (k, 4).
    """
    corners = torch.cat((points[:, :2] - distances[:, :2], points[:, :2] + distances[:, 2:]), dim=1)
    return from_corners(corners.clamp_(min=0.0).minimum(limit))


@dataclass(frozen=True, slots=True)
class Distributed:
    """
    Post-processing of NanoDet: each distance is the mean of a distribution over whole numbers of cells.

    :param path: the output.
    :param classes: number of classes.
    :param bins: number of values that a distance is spread over.
    :param height: height of the network's input.
    :param width: width of the network's input.
    :param strides: strides of the cells.
    :param centre: place of a cell's point in the cell.
    :param logits: whether the class scores still need a sigmoid.
    """

    path: Path
    classes: int
    bins: int
    height: int
    width: int
    strides: tuple[int, ...]
    centre: float
    logits: bool
    _cells: torch.Tensor = field(init=False, repr=False, compare=False)
    _steps: torch.Tensor = field(init=False, repr=False, compare=False)
    _limit: torch.Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = cells(self.height, self.width, self.strides, centre=self.centre)
        object.__setattr__(self, "_cells", points)
        object.__setattr__(self, "_steps", torch.arange(self.bins, dtype=torch.float32))
        object.__setattr__(self, "_limit", extent(self.height, self.width))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode rows of shape (1, cells, classes + 4 x bins); a box may have several classes."""
        rows = take(outputs, self.path)[0]
        least = logit(confidence) if self.logits else confidence
        chosen, scores, classes = every_class(rows[:, : self.classes], least)
        scores = scores.float().sigmoid() if self.logits else scores
        spread = rows[chosen, self.classes :].float().view(-1, 4, self.bins).softmax(2)
        cell = self._cells[chosen]
        distances = (spread @ self._steps) * cell[:, 2:]
        return finish(around(cell, distances, self._limit), scores, classes, letterbox, iou)


@dataclass(frozen=True, slots=True)
class Centred:
    """
    Post-processing of FCOS (Tian et al. 2019): a score is the root of class probability times centredness.

    :param scores: the output with class logits.
    :param boxes: the output with distances in cells.
    :param centredness: the output with logits of centredness.
    :param height: height of the network's input.
    :param width: width of the network's input.
    """

    scores: Path
    boxes: Path
    centredness: Path
    height: int
    width: int
    _points: torch.Tensor = field(init=False, repr=False, compare=False)
    _limit: torch.Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = []
        for stride in FCOS:
            part = cells(self.height, self.width, (stride,))
            # torchvision places the points by whole pixels of the input for each cell of the map.
            rows, columns = math.ceil(self.height / stride), math.ceil(self.width / stride)
            part[:, 0] *= (self.width // columns) / stride
            part[:, 1] *= (self.height // rows) / stride
            parts.append(part)
        object.__setattr__(self, "_points", torch.cat(parts))
        object.__setattr__(self, "_limit", extent(self.height, self.width))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode the head's outputs, of shapes (1, cells, classes), (1, cells, 4) and (1, cells, 1)."""
        # A score never exceeds the root of the class probability.
        chosen, logits, classes = every_class(take(outputs, self.scores)[0], logit(confidence**2))
        centred = take(outputs, self.centredness)[0, chosen, 0].float().sigmoid()
        scores = (logits.float().sigmoid() * centred).sqrt()
        kept = scores >= confidence
        chosen, scores, classes = chosen[kept], scores[kept], classes[kept]
        point = self._points[chosen]
        distances = take(outputs, self.boxes)[0, chosen].float() * point[:, 2:]
        return finish(around(point, distances, self._limit), scores, classes, letterbox, iou)


def nanodet(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as NanoDet's with class probabilities, as its exports give them."""
    yield from _nanodet(seen, logits=False)


def nanodet_raw(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as NanoDet's with class logits, as its torch networks give them."""
    yield from _nanodet(seen, logits=True)


def _nanodet(seen: Seen, *, logits: bool) -> Iterator[Fit]:
    output = main_output(seen)
    if output is None or lies_in_pixels(output, seen):
        return
    for strides, centre in NANODET:
        if output.shape[1] != count_cells(seen.height, seen.width, strides):
            continue
        for bins in BINS:
            classes = output.shape[2] - 4 * bins
            if classes > 0 and _are_logits(output.example, classes) in (None, logits):
                reader = Distributed(output.path, classes, bins, seen.height, seen.width, strides, centre, logits)
                yield Fit(reader, classes)


def _are_logits(example: torch.Tensor | None, classes: int) -> bool | None:
    if example is None:
        return None
    scores = example[..., :classes]
    return not bool(((scores >= 0) & (scores <= 1)).all())


def fcos(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as those of the head of torchvision's FCOS, by their names or in its order."""
    number = count_cells(seen.height, seen.width, FCOS)
    maps = [one for one in seen.outputs if len(one.shape) == 3 and one.shape[:2] == (1, number)]
    if len(maps) != 3 or len(seen.outputs) != 3:
        return
    named = {one.name: one for one in maps}
    scores, boxes, centredness = (
        named.get(name, default)
        for name, default in zip(("cls_logits", "bbox_regression", "bbox_ctrness"), maps, strict=True)
    )
    if (boxes.shape[2], centredness.shape[2]) == (4, 1):
        reader = Centred(scores.path, boxes.path, centredness.path, seen.height, seen.width)
        yield Fit(reader, scores.shape[2])
