# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read outputs of one row for each box: YOLOv5 and YOLOv7 (ultralytics/yolov5, WongKinYiu/yolov7), and YOLOX.

A row is centre x, centre y, width, height, objectness, and a probability for each class. The score of a box is its
objectness times the probability of its best class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from neurosurgeon_ros.models.families.decoding import best_class, cells, count_cells, finish
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Output, Path, Seen, take
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

#: Number of anchors of a cell in YOLOv5 and YOLOv7.
ANCHORS = 3
#: Strides of the maps: usual, with a map for very large objects (P6), and of tiny networks.
ANCHORED = ((8, 16, 32), (8, 16, 32, 64), (16, 32))
ANCHOR_FREE = ((8, 16, 32), (8, 16, 32, 64))
#: Number of mask coefficients of a segmentation network.
MASKS = 32

MASKS_LEFT_OUT = "the network gives masks, which are left out: its boxes are used"


@dataclass(frozen=True, slots=True)
class Rows:
    """
    Post-processing of rows.

    :param path: the output.
    :param classes: number of classes.
    :param sole: the objectness alone is the score, as in YOLOv7 with one class.
    :param size: height and width of the network's input if boxes are relative to their cells, as in YOLOX; else None.
    :param strides: strides of the cells.
    """

    path: Path
    classes: int
    sole: bool = False
    size: tuple[int, int] | None = None
    strides: tuple[int, ...] = ()
    _cells: torch.Tensor | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "_cells", cells(*self.size, self.strides))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode rows of shape (1, boxes, 5 + classes or more)."""
        rows = take(outputs, self.path)[0]
        # A score never exceeds the objectness.
        likely = (rows[:, 4] >= confidence).nonzero().squeeze(1)
        rows = rows[likely].float()
        objectness = rows[:, 4:5]
        scores = objectness if self.sole else rows[:, 5 : 5 + self.classes] * objectness
        chosen, scores, classes = best_class(scores, confidence)
        boxes = rows[chosen, :4]
        if self._cells is not None:
            cell = self._cells[likely[chosen]]
            boxes = torch.cat((boxes[:, :2] * cell[:, 2:] + cell[:, :2], boxes[:, 2:].exp() * cell[:, 2:]), dim=1)
        return finish(boxes, scores, classes, letterbox, iou)


def yolov5(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as YOLOv5's."""
    yield from _anchored(seen, sole=False)


def yolov7(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as YOLOv7's: with one class, its probability is not trained."""
    yield from _anchored(seen, sole=True)


def _anchored(seen: Seen, *, sole: bool) -> Iterator[Fit]:
    output = main_output(seen)
    if output is None or output.shape[2] < 6:
        return
    _, boxes, columns = output.shape
    if boxes not in [ANCHORS * count_cells(seen.height, seen.width, strides) for strides in ANCHORED]:
        return
    masks = gives_masks(seen, boxes)
    classes = columns - 5 - (MASKS if masks else 0)
    if classes > 0:
        yield Fit(Rows(output.path, classes, sole=sole and classes == 1), classes, note=MASKS_LEFT_OUT if masks else "")


def yolox(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as YOLOX's, its boxes in network pixels."""
    for output, classes, _ in _anchor_free(seen):
        if lies_in_pixels(output, seen) is not False:
            yield Fit(Rows(output.path, classes), classes)


def yolox_raw(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as YOLOX's, its boxes relative to their cells, as its ONNX exports give them."""
    for output, classes, strides in _anchor_free(seen):
        if lies_in_pixels(output, seen) is not True:
            yield Fit(Rows(output.path, classes, size=(seen.height, seen.width), strides=strides), classes)


def _anchor_free(seen: Seen) -> Iterator[tuple[Output, int, tuple[int, ...]]]:
    output = main_output(seen)
    if output is None or output.shape[2] < 6:
        return
    for strides in ANCHOR_FREE:
        if output.shape[1] == count_cells(seen.height, seen.width, strides):
            yield output, output.shape[2] - 5, strides


def lies_in_pixels(output: Output, seen: Seen) -> bool | None:
    """Return whether the boxes' centres are spread over the network's input; None if no example shows it."""
    if output.example is None:
        return None
    reach = float(output.example[0, :, :2].float().amax())
    return reach > min(seen.height, seen.width) / 4


def main_output(seen: Seen) -> Output | None:
    """
    Return the output with the boxes, of shape (1, n, m).

    It comes first. Ultralytics' networks return what they trained on after it, unless they are exported.
    """
    output = seen.outputs[0] if seen.outputs else None
    if output is None or len(output.shape) != 3 or output.shape[0] != 1 or output.integral:
        return None
    aside = [other for other in seen.outputs[1:] if len(other.path) < 2 and len(other.shape) < 4]
    return None if aside else output


def gives_masks(seen: Seen, boxes: int) -> bool:
    """
    Return whether an output is the prototypes of masks, shape (1, 32, height / 4, width / 4).

    A map of small objects (P2) may have this shape too. Prototypes come beside the boxes, or with a mask's coefficients
    for each of the boxes.
    """
    first, *others = seen.outputs
    prototypes = [one for one in others if one.shape == (1, MASKS, seen.height // 4, seen.width // 4)]
    coefficients = any(one.shape == (1, MASKS, boxes) for one in others)
    return any(coefficients or one.path[:-1] == first.path[:-1] for one in prototypes)
