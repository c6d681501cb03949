# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convert the raw heads of the YOLO family to boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

Floats = NDArray[np.float64]

#: Maximum number of boxes to process, the best first, so that no picture takes seconds.
MOST_CANDIDATES = 1000


@dataclass(frozen=True, slots=True)
class YoloHead:
    """
    Output map and its anchors.

    :param stride: network pixels per cell.
    :param anchors: width and height of each anchor, in network pixels.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class YoloPostprocess:
    """
    Decode heads like YOLOv3 (Redmon and Farhadi 2018, section 2.1), then keep the best of overlapping boxes.

    :param heads: in the order of the network's outputs.
    :param classes: number of classes.
    :param exclusive: a box has one class, by softmax (YOLOv2), instead of any number of classes (YOLOv3).
    """

    heads: tuple[YoloHead, ...]
    classes: int
    exclusive: bool = False

    def __call__(
        self, outputs: torch.Tensor | Sequence[torch.Tensor], letterbox: Letterbox, *, confidence: float, iou: float
    ) -> Detections:
        """Decode raw heads, each of shape (1, anchors x (5 + classes), h, w)."""
        maps = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        parts = [
            decode_head(output, head, self.classes, confidence, exclusive=self.exclusive)
            for output, head in zip(maps, self.heads, strict=True)
        ]
        boxes, scores, classes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        kept = suppress(boxes, scores, classes, iou)
        return Detections(boxes=letterbox.to_image(boxes[kept]), scores=scores[kept], classes=classes[kept])


def decode_head(
    output: torch.Tensor, head: YoloHead, classes: int, confidence: float, *, exclusive: bool = False
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """
    Decode one head: one box for each class of an anchor whose objectness times class probability is high enough.

    :param output: shape (1, anchors x (5 + classes), h, w).
    :param head: its stride and anchors.
    :param classes: number of classes.
    :param confidence: minimum score, in (0, 1).
    :param exclusive: class probabilities add up to 1.
    :returns: boxes (centre x, centre y, width, height in network pixels, shape (k, 4)), scores (k,), classes (k,).
    """
    raw = output.detach().cpu().numpy()
    _, _, height, width = raw.shape
    raw = raw.reshape(len(head.anchors), 5 + classes, height, width)
    # A score never exceeds the objectness, so anchors below the limit need no class probabilities.
    anchor, row, column = np.nonzero(raw[:, 4] >= _logit(confidence))
    found = raw[anchor, :, row, column].astype(np.float64)
    probabilities = _sigmoid(found[:, 4:5]) * (_softmax if exclusive else _sigmoid)(found[:, 5:])
    which, label = np.nonzero(probabilities >= confidence)
    found, anchor = found[which, :4], anchor[which]
    cells = np.stack([column[which], row[which]], axis=1)
    centres = (_sigmoid(found[:, :2]) + cells) * head.stride
    sizes = np.exp(found[:, 2:4]) * np.asarray(head.anchors, dtype=np.float64)[anchor]
    return np.concatenate([centres, sizes], axis=1), probabilities[which, label], label.astype(np.int64)


def suppress(boxes: Floats, scores: Floats, classes: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """
    Apply non-maximum suppression within each class.

    :param boxes: centre x, centre y, width, height. Shape (k, 4).
    :param scores: shape (k,).
    :param classes: shape (k,).
    :param iou: if two boxes of one class overlap by more than this, the one with the lower score is dropped.
    :returns: indices of the boxes that remain, the best first.
    """
    if not len(scores):
        return np.empty(0, dtype=np.int64)
    best = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    boxes, scores, classes = boxes[best], scores[best], classes[best]
    corners = boxes.copy()
    corners[:, :2] -= boxes[:, 2:] / 2
    # Shift the classes so far apart that boxes of two classes never overlap; one call then serves all classes.
    span = (corners[:, :2] + boxes[:, 2:]).max() - corners[:, :2].min() + 1
    corners[:, :2] += (classes * span)[:, None]
    kept = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, iou)
    order: NDArray[np.int64] = best[np.asarray(kept, dtype=np.int64).reshape(-1)]
    return order


def _logit(probability: float) -> float:
    if not 0 < probability < 1:
        return float("-inf") if probability <= 0 else float("inf")
    return math.log(probability / (1 - probability))


def _softmax(x: Floats) -> Floats:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))
