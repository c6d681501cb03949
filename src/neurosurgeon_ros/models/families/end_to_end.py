# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read outputs of finished detections: YOLOv10, YOLO26, and RT-DETR as Ultralytics gives it.

These networks need no suppression of overlapping boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from neurosurgeon_ros.models.families.columns import KEYPOINTS, KEYPOINTS_LEFT_OUT
from neurosurgeon_ros.models.families.decoding import extent, finish, from_corners
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Output, Path, Seen, take
from neurosurgeon_ros.models.families.rows import MASKS, MASKS_LEFT_OUT, gives_masks, main_output
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

#: Maximum number of rows; the networks have 300.
MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """
    Post-processing of finished detections.

    :param path: the output.
    :param classes: number of classes; detections of other classes are dropped.
    :param size: height and width of the network's input if boxes are centre x, centre y, width, height relative to it,
        as in RT-DETR; None if they are left, top, right, bottom in network pixels.
    """

    path: Path
    classes: float = math.inf
    size: tuple[int, int] | None = None
    _extent: torch.Tensor | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "_extent", extent(*self.size))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode rows of box, score and class, of shape (1, boxes, 6 or more). `iou` is not used."""
        rows = take(outputs, self.path)[0, :, :6]
        rows = rows[rows[:, 4] >= confidence].float()
        rows = rows[(rows[:, 5] >= 0) & (rows[:, 5] < self.classes)]
        boxes = from_corners(rows) if self._extent is None else rows[:, :4] * self._extent
        return finish(boxes, rows[:, 4], rows[:, 5], letterbox, None)


def end_to_end(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as finished detections."""
    output = main_output(seen)
    if output is None or not is_finished(output) or is_relative(output):
        return
    notes = {6: ""}
    if gives_masks(seen, output.shape[1]):
        notes = {6 + MASKS: MASKS_LEFT_OUT}
    elif output.shape[2] == 6 + KEYPOINTS:
        notes = {6 + KEYPOINTS: KEYPOINTS_LEFT_OUT}
    if output.shape[2] in notes:
        yield Fit(EndToEnd(output.path), None, note=notes[output.shape[2]])


def rtdetr_end_to_end(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as finished detections of RT-DETR."""
    output = main_output(seen)
    if output is not None and output.shape[2] == 6 and is_finished(output) and is_relative(output) is not False:
        yield Fit(EndToEnd(output.path, size=(seen.height, seen.width)), None)


def is_relative(output: Output) -> bool | None:
    """Return whether all boxes are within [0, 1]; None if no example shows it."""
    if output.example is None:
        return None
    boxes = output.example[..., :4]
    return bool(((boxes >= 0) & (boxes <= 1)).all())


def is_finished(output: Output) -> bool:
    """Return whether an output of shape (1, n, m) may have a score and the number of a class in its rows."""
    if output.shape[1] > MOST_ROWS or output.shape[2] < 6:
        return False
    if output.example is None:
        return True
    classes = output.example[0, :, 5].float()
    return bool((classes == classes.round()).all() and (classes >= 0).all())
