# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Families of networks whose outputs are read alike; the family of a network is recognised from its outputs.

To add a family, add a function that yields its fits and one line in the table below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neurosurgeon_ros.models.classification import Classification
from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.families.columns import yolov8, yolov8_pose
from neurosurgeon_ros.models.families.dense import fcos, nanodet, nanodet_raw
from neurosurgeon_ros.models.families.end_to_end import end_to_end, rtdetr_end_to_end
from neurosurgeon_ros.models.families.family import Family, Fit
from neurosurgeon_ros.models.families.listed import torchvision
from neurosurgeon_ros.models.families.names import COCO_91
from neurosurgeon_ros.models.families.outputs import Output, Seen, list_outputs
from neurosurgeon_ros.models.families.queries import detr, rtdetr, rtdetr_joined
from neurosurgeon_ros.models.families.rows import yolov5, yolov7, yolox, yolox_raw

#: The outputs are class scores, (1, classes).
CLASSIFICATION = "classification"

_COCO = {80: COCO_NAMES}
_COCO_91 = {91: COCO_91, 80: COCO_NAMES}


def classification(seen: Seen) -> Iterator[Fit]:
    """Yield the ways to read outputs as class scores: logits, or probabilities, after which logits may come."""
    shapes = {one.shape for one in seen.outputs}
    if len(shapes) != 1 or len(seen.outputs) > 2 or any(one.integral for one in seen.outputs):
        return
    shape, example = seen.outputs[0].shape, seen.outputs[0].example
    if len(shape) == 2 and shape[0] == 1:
        sums_to_one = example is not None and bool((example >= 0).all()) and abs(float(example.sum()) - 1) < 1e-3
        yield Fit(Classification(path=seen.outputs[0].path, probabilities=sums_to_one), shape[1])


#: All families. Of two that fit equally well, the earlier one is chosen.
FAMILIES: tuple[Family, ...] = (
    Family(CLASSIFICATION, "class scores, 1xC", classification, {}),
    Family("yolov5", "YOLOv5, YOLOv7: 1xNx(5+C), N = 3 anchors in each cell", yolov5, _COCO),
    Family("yolov7", "YOLOv7 with one class: 1xNx6", yolov7, _COCO),
    Family("yolov8_pose", "YOLOv8, YOLO11 for keypoints: 1x56xN", yolov8_pose, {}),
    Family("yolov8", "YOLOv8, YOLOv9, YOLO11: 1x(4+C)xN, N cells", yolov8, _COCO),
    Family("end_to_end", "YOLOv10, YOLO26: 1x300x6", end_to_end, _COCO),
    Family("rtdetr_end_to_end", "RT-DETR of Ultralytics from 8.4 on: 1x300x6, relative", rtdetr_end_to_end, _COCO),
    Family("yolox", "YOLOX, decoded: 1xNx(5+C), N cells", yolox, _COCO),
    Family("yolox_raw", "YOLOX, relative to cells: 1xNx(5+C)", yolox_raw, _COCO),
    Family("nanodet", "NanoDet, exported: 1xNx(C+32) or 1xNx(C+44)", nanodet, _COCO),
    Family("nanodet_raw", "NanoDet, with class logits: the same shapes", nanodet_raw, _COCO),
    Family("fcos", "head of torchvision's FCOS: 1xNxC, 1xNx4, 1xNx1", fcos, _COCO_91),
    Family("rtdetr", "RT-DETR: logits 1x300xC, boxes 1x300x4", rtdetr, _COCO_91),
    Family("detr", "DETR: logits 1x100x(C+1), boxes 1x100x4", detr, _COCO_91),
    Family("rtdetr_joined", "RT-DETR of Ultralytics up to 8.3: 1x300x(4+C)", rtdetr_joined, _COCO),
    Family("torchvision", "torchvision's detectors: boxes Kx4, labels K, scores K", torchvision, _COCO_91),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family, and the way in which it can read a network's outputs."""

    family: Family
    fit: Fit


def candidates(seen: Seen, *, number: int | None = None) -> list[Candidate]:
    """
    Return the families that can read a network's outputs, the one to choose first.

    :param seen: the outputs. Their examples, if given, tell apart what their shapes do not.
    :param number: number of classes, if it is known.
    :returns: the first, and those that fit as well; a family occurs once.
    """
    found: list[Candidate] = []
    for family in FAMILIES:
        for fit in family.fits(seen):
            if not any(one.fit.postprocess == fit.postprocess for one in found):
                found.append(Candidate(family, fit))
    found.sort(key=lambda one: (_doubt(one, number), not one.fit.likely))
    first: dict[str, Candidate] = {}
    for one in found:
        if _doubt(one, number) == _doubt(found[0], number):
            first.setdefault(one.family.name, one)
    return list(first.values())


def _doubt(one: Candidate, number: int | None) -> int:
    """Return 0 if the number of classes is the known one, 1 if it is a usual one, and 2 for any other."""
    if number is not None and one.fit.classes == number:
        return 0
    return 1 if one.fit.classes is None or one.fit.classes in one.family.usual else 2


__all__ = ["CLASSIFICATION", "FAMILIES", "Candidate", "Family", "Fit", "Output", "Seen", "candidates", "list_outputs"]
