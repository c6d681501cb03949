# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outputs of detectors of every family, drawn from a seed, and what is to be read from them, computed box by box."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

WIDTH, HEIGHT = 384, 256
CLASSES = 80
CONFIDENCE, IOU = 0.25, 0.45

#: A found object: left, top, right, bottom, score, class.
Found = tuple[float, float, float, float, float, int]


def cells(*strides: int) -> list[tuple[int, int, int]]:
    """Return column, row and stride of each cell."""
    return [
        (column, row, stride)
        for stride in strides
        for row in range(math.ceil(HEIGHT / stride))
        for column in range(math.ceil(WIDTH / stride))
    ]


def scene(number: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return boxes and class probabilities: 12 objects with 8 overlapping boxes each, among boxes that are unlikely.

    Every fifth box of an object has a second likely class.
    """
    random = np.random.default_rng(seed)
    boxes = np.column_stack([random.uniform(0, (WIDTH, HEIGHT), (number, 2)), random.uniform(4, 80, (number, 2))])
    scores = random.uniform(0, 0.01, (number, classes))
    places = random.permutation(number)[:96]
    centres, sizes = random.uniform(0, (WIDTH, HEIGHT), (12, 2)), random.uniform(20, 90, (12, 2))
    for index, place in enumerate(places):
        one = index % 12
        boxes[place, :2] = centres[one] + random.normal(0, 4, 2)
        boxes[place, 2:] = sizes[one] * random.uniform(0.85, 1.15, 2)
        scores[place, one % classes] = random.uniform(0.2, 0.99)
        if index % 5 == 0:
            scores[place, (one + 1) % classes] = random.uniform(0.2, 0.99)
    return torch.from_numpy(boxes).float(), torch.from_numpy(scores).float()


def logits(scores: torch.Tensor) -> torch.Tensor:
    return torch.log(scores / (1 - scores))


def relative(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes / torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])).clamp(0, 1)


def yolov5(seed: int, classes: int = CLASSES) -> torch.Tensor:
    boxes, scores = scene(3 * len(cells(8, 16, 32)), classes, seed)
    objectness = np.random.default_rng(seed + 1).uniform(0.3, 1, (len(boxes), 1))
    return torch.cat((boxes, torch.from_numpy(objectness).float(), scores), dim=1)[None]


def yolov8(seed: int, extra: int = 0, classes: int = CLASSES) -> torch.Tensor:
    boxes, scores = scene(len(cells(8, 16, 32)), classes, seed)
    more = torch.from_numpy(np.random.default_rng(seed + 1).normal(0, 9, (len(boxes), extra))).float()
    return torch.cat((boxes, scores, more), dim=1).T[None].contiguous()


def yolox(seed: int) -> torch.Tensor:
    boxes, scores = scene(len(cells(8, 16, 32)), CLASSES, seed)
    objectness = np.random.default_rng(seed + 1).uniform(0.3, 1, (len(boxes), 1))
    return torch.cat((boxes, torch.from_numpy(objectness).float(), scores), dim=1)[None]


def yolox_raw(seed: int) -> torch.Tensor:
    decoded = yolox(seed)
    grid = torch.tensor(cells(8, 16, 32)).float()
    decoded[0, :, :2] = decoded[0, :, :2] / WIDTH * 2 - 0.5  # offsets of about a cell
    decoded[0, :, 2:4] = torch.log(decoded[0, :, 2:4] / grid[:, 2:])
    return decoded


def end_to_end(seed: int) -> torch.Tensor:
    boxes, scores = scene(300, CLASSES, seed)
    best, classes = scores.max(1)
    corners = torch.cat((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), dim=1)
    rows = torch.cat((corners, best[:, None], classes[:, None].float()), dim=1)
    return rows[best.argsort(descending=True)][None]


def rtdetr_end_to_end(seed: int) -> torch.Tensor:
    boxes, scores = scene(300, CLASSES, seed)
    best, classes = scores.max(1)
    return torch.cat((relative(boxes), best[:, None], classes[:, None].float()), dim=1)[None]


def nanodet_raw(seed: int, strides: tuple[int, ...] = (8, 16, 32, 64), bins: int = 8) -> torch.Tensor:
    _, scores = scene(len(cells(*strides)), CLASSES, seed)
    spread = np.random.default_rng(seed + 1).normal(0, 2, (len(scores), 4 * bins))
    return torch.cat((logits(scores), torch.from_numpy(spread).float()), dim=1)[None]


def nanodet(seed: int, strides: tuple[int, ...] = (8, 16, 32, 64), bins: int = 8) -> torch.Tensor:
    raw = nanodet_raw(seed, strides, bins)
    return torch.cat((raw[..., :CLASSES].sigmoid(), raw[..., CLASSES:]), dim=2)


def fcos(seed: int) -> dict[str, torch.Tensor]:
    _, scores = scene(len(cells(8, 16, 32, 64, 128)), 91, seed)
    random = np.random.default_rng(seed + 1)
    distances = torch.from_numpy(random.uniform(0.5, 4, (1, len(scores), 4))).float()
    centred = torch.from_numpy(random.normal(1, 1, (1, len(scores), 1))).float()
    return {"cls_logits": logits(scores)[None], "bbox_regression": distances, "bbox_ctrness": centred}


def detr(seed: int) -> dict[str, torch.Tensor]:
    boxes, scores = scene(100, 92, seed)
    return {"pred_logits": (9 * scores)[None], "pred_boxes": relative(boxes)[None]}


def rtdetr(seed: int) -> dict[str, torch.Tensor]:
    boxes, scores = scene(300, CLASSES, seed)
    return {"logits": logits(scores)[None], "pred_boxes": relative(boxes)[None]}


def rtdetr_joined(seed: int) -> torch.Tensor:
    boxes, scores = scene(300, CLASSES, seed)
    return torch.cat((relative(boxes), scores), dim=1)[None]


def torchvision(seed: int) -> list[dict[str, torch.Tensor]]:
    rows = end_to_end(seed)[0, :120]
    return [{"boxes": rows[:, :4].clone(), "labels": rows[:, 5].long() + 1, "scores": rows[:, 4].clone()}]


# What is to be read, as plainly as it can be written. A box is centre x, centre y, width, height.


def corners(box: Any) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) for value in box)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def overlap(one: Found, other: Found) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def suppressed(found: list[Found], iou: float = IOU) -> list[Found]:
    kept: list[Found] = []
    for one in sorted(found, key=lambda box: -box[4]):
        if all(one[5] != other[5] or overlap(one, other) <= iou for other in kept):
            kept.append(one)
    return kept


def best(box: Any, scores: Any, factor: float = 1.0) -> Iterator[Found]:
    scores = [float(score) * factor for score in scores]
    if max(scores) >= CONFIDENCE:
        yield (*corners(box), max(scores), scores.index(max(scores)))


def every(box: Any, scores: Any) -> Iterator[Found]:
    for index, score in enumerate(scores):
        if float(score) >= CONFIDENCE:
            yield (*corners(box), float(score), index)


def read_rows(output: torch.Tensor) -> list[Found]:
    return suppressed([one for row in output[0] for one in best(row[:4], row[5:], float(row[4]))])


def read_yolox_raw(output: torch.Tensor) -> list[Found]:
    found: list[Found] = []
    for row, (column, line, stride) in zip(output[0], cells(8, 16, 32), strict=True):
        x, y, width, height = (float(value) for value in row[:4])
        box = ((x + column) * stride, (y + line) * stride, math.exp(width) * stride, math.exp(height) * stride)
        found += best(box, row[5:], float(row[4]))
    return suppressed(found)


def read_columns(output: torch.Tensor, classes: int = CLASSES) -> list[Found]:
    return suppressed([one for column in output[0].T for one in best(column[:4], column[4 : 4 + classes])])


def read_finished(output: torch.Tensor) -> list[Found]:
    return [(*row[:5], int(row[5])) for row in output[0].tolist() if row[4] >= CONFIDENCE]


def in_pixels(box: Any) -> list[float]:
    return [float(value) * size for value, size in zip(box, (WIDTH, HEIGHT, WIDTH, HEIGHT), strict=True)]


def read_relative(output: torch.Tensor) -> list[Found]:
    rows = [row for row in output[0].tolist() if row[4] >= CONFIDENCE]
    return [(*corners(in_pixels(row[:4])), row[4], int(row[5])) for row in rows]


def read_joined(output: torch.Tensor) -> list[Found]:
    return [one for row in output[0] for one in best(in_pixels(row[:4]), row[4:])]


def read_rtdetr(output: dict[str, torch.Tensor]) -> list[Found]:
    rows = zip(output["logits"][0].sigmoid(), output["pred_boxes"][0], strict=True)
    return [one for scores, box in rows for one in every(in_pixels(box), scores)]


def read_detr(output: dict[str, torch.Tensor]) -> list[Found]:
    rows = zip(output["pred_logits"][0].softmax(1), output["pred_boxes"][0], strict=True)
    return [one for scores, box in rows for one in best(in_pixels(box), scores[:-1])]


def around(x: float, y: float, distances: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in distances)
    low = max(x - left, 0.0), max(y - top, 0.0)
    high = min(x + right, WIDTH), min(y + bottom, HEIGHT)
    return (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[0] - low[0], high[1] - low[1]


def read_nanodet(output: torch.Tensor, strides: tuple[int, ...], bins: int, centre: float) -> list[Found]:
    found: list[Found] = []
    for row, (column, line, stride) in zip(output[0], cells(*strides), strict=True):
        spread = row[CLASSES:].view(4, bins).softmax(1)
        distances = [stride * sum(step * float(part) for step, part in enumerate(side)) for side in spread]
        box = around((column + centre) * stride, (line + centre) * stride, distances)
        found += every(box, row[:CLASSES])
    return suppressed(found)


def read_fcos(output: dict[str, torch.Tensor]) -> list[Found]:
    found: list[Found] = []
    scores = (output["cls_logits"].sigmoid() * output["bbox_ctrness"].sigmoid()).sqrt()[0]
    for one, distances, (column, line, stride) in zip(
        scores, output["bbox_regression"][0], cells(8, 16, 32, 64, 128), strict=True
    ):
        found += every(around(column * stride, line * stride, distances * stride), one)
    return suppressed(found)


def read_listed(output: list[dict[str, torch.Tensor]]) -> list[Found]:
    rows = zip(output[0]["boxes"].tolist(), output[0]["scores"].tolist(), output[0]["labels"].tolist(), strict=True)
    return [(*box, score, label) for box, score, label in rows if score >= CONFIDENCE]


GFL = (8, 16, 32)
PLUS = (8, 16, 32, 64)

#: For each case the family, the outputs that a seed gives, and what is to be read from them.
CASES: dict[str, tuple[str, Callable[[int], Any], Callable[[Any], list[Found]]]] = {
    "yolov5": ("yolov5", yolov5, read_rows),
    "yolov5, 3 classes": ("yolov5", lambda seed: yolov5(seed, 3), read_rows),
    "yolov8": ("yolov8", yolov8, read_columns),
    "yolov8, 3 classes": ("yolov8", lambda seed: yolov8(seed, classes=3), lambda out: read_columns(out, 3)),
    "yolov8_pose": ("yolov8_pose", lambda seed: yolov8(seed, 51, 1), lambda out: read_columns(out, 1)),
    "end_to_end": ("end_to_end", end_to_end, read_finished),
    "rtdetr_end_to_end": ("rtdetr_end_to_end", rtdetr_end_to_end, read_relative),
    "yolox": ("yolox", yolox, read_rows),
    "yolox_raw": ("yolox_raw", yolox_raw, read_yolox_raw),
    "nanodet-plus": ("nanodet", nanodet, lambda out: read_nanodet(out, PLUS, 8, 0.0)),
    "nanodet-m": ("nanodet", lambda seed: nanodet(seed, GFL), lambda out: read_nanodet(out, GFL, 8, 0.5)),
    "nanodet-g": ("nanodet", lambda seed: nanodet(seed, GFL, 11), lambda out: read_nanodet(out, GFL, 11, 0.5)),
    "fcos": ("fcos", fcos, read_fcos),
    "detr": ("detr", detr, read_detr),
    "rtdetr": ("rtdetr", rtdetr, read_rtdetr),
    "rtdetr_joined": ("rtdetr_joined", rtdetr_joined, read_joined),
    "torchvision": ("torchvision", torchvision, read_listed),
}
