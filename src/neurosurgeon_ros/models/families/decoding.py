# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Steps that the post-processings share: choose by score, suppress overlapping boxes, map boxes to the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections
from neurosurgeon_ros.models.shipped.yolo import MOST_CANDIDATES, suppress

#: Maximum number of detections in one image, the best first, as in Ultralytics' ``max_det``.
MOST_DETECTIONS = 300


def finish(
    boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, letterbox: Letterbox, iou: float | None
) -> Detections:
    """
    Make detections of the boxes that were chosen by score.

    Boxes that are not finite are dropped. At most :data:`MOST_DETECTIONS` remain, the best first.

    :param boxes: centre x, centre y, width, height in network pixels. Shape (k, 4).
    :param scores: shape (k,).
    :param classes: shape (k,).
    :param letterbox: placement of the image in the network's input.
    :param iou: overlap above which the weaker box of a class is dropped, in (0, 1); None: none is dropped.
    """
    if len(scores) > MOST_CANDIDATES:
        scores, best = scores.topk(MOST_CANDIDATES)
        boxes, classes = boxes[best], classes[best]
    found = boxes.detach().cpu().numpy().astype(np.float64)
    sizes = found[:, 2:]
    np.maximum(sizes, 0.0, out=sizes)
    weights = scores.detach().cpu().numpy().astype(np.float64)
    labels = classes.detach().cpu().numpy().astype(np.int64)
    finite = np.isfinite(found).all(axis=1)
    if not finite.all():
        found, weights, labels = found[finite], weights[finite], labels[finite]
    kept = np.argsort(-weights, kind="stable") if iou is None else suppress(found, weights, labels, iou)
    kept = kept[:MOST_DETECTIONS]
    return Detections(letterbox.to_image(found[kept]), np.minimum(weights[kept], 1.0), labels[kept])


def best_class(scores: torch.Tensor, confidence: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Choose the boxes whose best class is likely enough; a box has one class.

    :param scores: shape (boxes, classes).
    :returns: indices of the boxes, their scores, and their classes; each of shape (k,).
    """
    chosen = (scores.amax(1) >= confidence).nonzero().squeeze(1)
    best, classes = scores[chosen].max(1)
    return chosen, best, classes


def every_class(scores: torch.Tensor, least: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Choose each class of each box that is likely enough; a box may have several classes.

    :param scores: shape (boxes, classes).
    :returns: indices of the boxes, their scores, and their classes; each of shape (k,).
    """
    chosen, classes = (scores >= least).nonzero(as_tuple=True)
    return chosen, scores[chosen, classes], classes


def from_corners(corners: torch.Tensor) -> torch.Tensor:
    """Convert left, top, right, bottom to centre x, centre y, width, height. Shape (k, 4)."""
    low, high = corners[:, :2], corners[:, 2:4]
    return torch.cat(((low + high) / 2, high - low), dim=1)


def extent(height: int, width: int) -> torch.Tensor:
    """Return the size of a network's input as a factor of boxes that are relative to it. Shape (4,)."""
    return torch.tensor((width, height, width, height), dtype=torch.float32)


def logit(probability: float) -> float:
    """Return the value whose sigmoid is the probability; infinite at 0 and 1."""
    if not 0 < probability < 1:
        return -math.inf if probability <= 0 else math.inf
    return math.log(probability / (1 - probability))


def cells(height: int, width: int, strides: Sequence[int], *, centre: float = 0.0) -> torch.Tensor:
    """
    List the cells of the maps of several strides, row by row.

    :param height: height of the network's input.
    :param width: width of the network's input.
    :param strides: network pixels per cell, of each map.
    :param centre: place of a cell's point in the cell: 0 for the corner, 0.5 for the centre.
    :returns: x and y of each cell's point in network pixels, and its stride. Shape (cells, 3).
    """
    parts = []
    for stride in strides:
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        y, x = torch.meshgrid(torch.arange(rows) + centre, torch.arange(columns) + centre, indexing="ij")
        parts.append(torch.stack((x.flatten() * stride, y.flatten() * stride, torch.full((x.numel(),), stride)), dim=1))
    return torch.cat(parts).float()


def count_cells(height: int, width: int, strides: Sequence[int]) -> int:
    """Return the number of cells of the maps of several strides."""
    return sum(math.ceil(height / stride) * math.ceil(width / stride) for stride in strides)
