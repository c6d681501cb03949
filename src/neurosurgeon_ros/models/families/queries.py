# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read the outputs of detection transformers: DETR, RT-DETR and those derived from them.

DETR (Carion et al. 2020) gives class logits with a last class for no object, which a softmax turns into scores: a box
has one class. RT-DETR (Zhao et al. 2023) and Deformable DETR give logits of independent classes: each class of a query
that is likely enough counts. Boxes are relative to the network's input. No overlapping boxes are suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from neurosurgeon_ros.models.families.decoding import best_class, every_class, extent, finish, logit
from neurosurgeon_ros.models.families.end_to_end import MOST_ROWS, is_relative
from neurosurgeon_ros.models.families.family import Fit
from neurosurgeon_ros.models.families.outputs import Output, Path, Seen, take
from neurosurgeon_ros.models.families.rows import main_output
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections

LOGITS = ("logits", "pred_logits", "scores")
#: Number of queries of DETR; the networks with independent classes have more.
DETR_QUERIES = 100
BOXES = ("pred_boxes", "boxes")


@dataclass(frozen=True, slots=True)
class Queries:
    """
    Post-processing of class logits and boxes of queries.

    :param logits: the output with the logits.
    :param boxes: the output with the boxes.
    :param height: height of the network's input.
    :param width: width of the network's input.
    :param exclusive: a query has one class, by a softmax that includes no object (DETR), instead of any number of
        classes (RT-DETR).
    """

    logits: Path
    boxes: Path
    height: int
    width: int
    exclusive: bool
    _extent: torch.Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_extent", extent(self.height, self.width))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode logits of shape (1, queries, n) and boxes of shape (1, queries, 4). `iou` is not used."""
        logits = take(outputs, self.logits)[0]
        if self.exclusive:
            chosen, scores, classes = best_class(logits.float().softmax(1)[:, :-1], confidence)
        else:
            chosen, scores, classes = every_class(logits, logit(confidence))
            scores = scores.float().sigmoid()
        boxes = take(outputs, self.boxes)[0, chosen].float() * self._extent
        return finish(boxes, scores, classes, letterbox, None)


@dataclass(frozen=True, slots=True)
class JoinedQueries:
    """
    Post-processing of RT-DETR as Ultralytics gave it up to version 8.3: boxes and probabilities in one output.

    :param path: the output.
    :param height: height of the network's input.
    :param width: width of the network's input.
    """

    path: Path
    height: int
    width: int
    _extent: torch.Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_extent", extent(self.height, self.width))

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """Decode rows of shape (1, queries, 4 + classes); a box has one class. `iou` is not used."""
        rows = take(outputs, self.path)[0]
        chosen, scores, classes = best_class(rows[:, 4:], confidence)
        return finish(rows[chosen, :4].float() * self._extent, scores, classes, letterbox, None)


def detr(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as DETR's."""
    for logits, boxes in _pairs(seen):
        if logits.shape[2] > 1:
            reader = Queries(logits.path, boxes.path, seen.height, seen.width, exclusive=True)
            yield Fit(reader, logits.shape[2] - 1, likely=logits.shape[1] == DETR_QUERIES)


def rtdetr(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as RT-DETR's."""
    for logits, boxes in _pairs(seen):
        reader = Queries(logits.path, boxes.path, seen.height, seen.width, exclusive=False)
        yield Fit(reader, logits.shape[2], likely=logits.shape[1] != DETR_QUERIES)


def rtdetr_joined(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as those of RT-DETR of Ultralytics up to version 8.3."""
    output = main_output(seen)
    # There are fewer classes than queries; it is the other way round in outputs of one column for each box.
    if output is None or not 5 <= output.shape[2] < output.shape[1] <= MOST_ROWS:
        return
    if is_relative(output) is not False:
        yield Fit(JoinedQueries(output.path, seen.height, seen.width), output.shape[2] - 4)


def _pairs(seen: Seen) -> Iterator[tuple[Output, Output]]:
    """Yield the outputs with logits and boxes: by name if they have names, else by their shapes."""
    maps = [one for one in seen.outputs if len(one.shape) == 3 and one.shape[0] == 1 and not one.integral]
    for logits in maps:
        for boxes in maps:
            named = logits.name in LOGITS and boxes.name in BOXES
            alone = len(maps) == 2 and len(seen.outputs) == 2
            if logits is not boxes and boxes.shape == (1, logits.shape[1], 4) and (named or alone):
                yield logits, boxes
                return
