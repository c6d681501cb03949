# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read finished detections in three outputs: boxes, classes and scores.

torchvision's SSD, RetinaNet, FCOS and Faster R-CNN return them as a list of dicts, one for each image. Their exports to
ONNX return them as three outputs. The networks have already suppressed overlapping boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from neurosurgeon_ros.models.families.decoding import finish, from_corners
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Output, Path, Seen, take
from neurosurgeon_ros.models.families.rows import MASKS_LEFT_OUT
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

BOXES, LABELS, SCORES = ("boxes", "bboxes"), ("labels", "classes", "class_ids"), ("scores",)


@dataclass(frozen=True, slots=True)
class Listed:
    """
    Post-processing of boxes, classes and scores.

    :param boxes: the output with left, top, right, bottom in network pixels.
    :param labels: the output with class numbers.
    :param scores: the output with scores.
    :param classes: number of classes; detections of other classes are dropped.
    """

    boxes: Path
    labels: Path
    scores: Path
    classes: float = math.inf

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode boxes of shape (k, 4), and classes and scores of shape (k,), each with or without a leading 1."""
        scores = take(outputs, self.scores).reshape(-1)
        labels = take(outputs, self.labels).reshape(-1)
        chosen = ((scores >= confidence) & (labels >= 0) & (labels < self.classes)).nonzero().squeeze(1)
        boxes = take(outputs, self.boxes).reshape(-1, 4)[chosen].float()
        return finish(from_corners(boxes), scores[chosen].float(), labels[chosen], letterbox, None)


def torchvision(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as finished detections, by their names or by their shapes."""
    boxes = _pick(seen, BOXES, lambda one: len(one.shape) in (2, 3) and one.shape[-1] == 4 and not one.integral)
    if boxes is None:
        return
    alike = (boxes.shape[:-1],)
    labels = _pick(seen, LABELS, lambda one: one.shape in alike and one.integral)
    scores = _pick(seen, SCORES, lambda one: one.shape in alike and not one.integral)
    if labels is None or scores is None or boxes.shape[:-2] not in ((), (1,)):
        return
    masks = any(one.name == "masks" or len(one.shape) == 4 for one in seen.outputs)
    yield Fit(Listed(boxes.path, labels.path, scores.path), None, note=MASKS_LEFT_OUT if masks else "")


def _pick(seen: Seen, names: tuple[str, ...], fits: Callable[[Output], bool]) -> Output | None:
    """Return the output of one of these names if it fits, else the only one that fits."""
    fitting = [one for one in seen.outputs if fits(one)]
    named = [one for one in fitting if one.name in names]
    if len(named) == 1:
        return named[0]
    return fitting[0] if len(fitting) == 1 else None
