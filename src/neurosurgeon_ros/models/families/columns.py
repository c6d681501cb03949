# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read outputs of one column for each box: YOLOv8, YOLOv9 and YOLO11 (Ultralytics).

A column is centre x, centre y, width, height, and a probability for each class. Networks for masks and keypoints have
more rows after these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neurosurgeon_ros.models.families.decoding import count_cells, finish
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Output, Path, Seen, take
from neurosurgeon_ros.models.families.rows import MASKS, MASKS_LEFT_OUT, gives_masks, main_output
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

#: Strides of the maps: usual, with a map for very large objects (P6), and with one for very small ones (P2).
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
#: Rows of the keypoints of COCO's pose networks: x, y and visibility of 17 points.
KEYPOINTS = 51

KEYPOINTS_LEFT_OUT = "the network gives keypoints, which are left out: its boxes are used"


@dataclass(frozen=True, slots=True)
class Columns:
    """
    Post-processing of columns.

    :param path: the output.
    :param classes: number of classes.
    """

    path: Path
    classes: int

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode columns of shape (1, 4 + classes or more, boxes)."""
        columns = take(outputs, self.path)[0]
        # The maximum alone is much faster than the maximum with its index, and few boxes need the index.
        chosen = (columns[4 : 4 + self.classes].amax(0) >= confidence).nonzero().squeeze(1)
        found = columns[: 4 + self.classes, chosen].float()
        scores, classes = found[4:].max(0)
        return finish(found[:4].T, scores, classes, letterbox, iou)


def yolov8(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as YOLOv8's."""
    output = _columns(seen)
    if output is None or _of_each(seen, output, KEYPOINTS) or any(one.name == "angle" for one in seen.outputs):
        return
    masks = gives_masks(seen, output.shape[2])
    classes = output.shape[1] - 4 - (MASKS if masks else 0)
    if classes > 0:
        yield Fit(Columns(output.path, classes), classes, note=MASKS_LEFT_OUT if masks else "")


def yolov8_pose(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as those of YOLOv8 for COCO's 17 keypoints."""
    output = _columns(seen)
    if output is None or gives_masks(seen, output.shape[2]):
        return
    classes = output.shape[1] - 4 - KEYPOINTS
    # The keypoints alone come along unless the network was exported, and then one class is usual.
    if classes == 1 or (classes > 0 and _of_each(seen, output, KEYPOINTS)):
        yield Fit(Columns(output.path, classes), classes, note=KEYPOINTS_LEFT_OUT)


def _of_each(seen: Seen, output: Output, rows: int) -> bool:
    """Return whether another output has so many rows for each of the boxes."""
    return any(one.shape == (1, rows, output.shape[2]) for one in seen.outputs[1:])


def _columns(seen: Seen) -> Output | None:
    """Return the output of one column for each cell."""
    output = main_output(seen)
    if output is None or output.shape[1] < 5:
        return None
    counts = [count_cells(seen.height, seen.width, strides) for strides in STRIDES]
    return output if output.shape[2] in counts else None
