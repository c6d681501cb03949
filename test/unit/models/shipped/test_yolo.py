# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of heads and non-maximum suppression, with numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.shipped.yolo import MOST_CANDIDATES, YoloHead, YoloPostprocess, decode_head, suppress

HEAD = YoloHead(stride=10, anchors=((4.0, 8.0), (20.0, 30.0)))


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def head_with_one_box() -> torch.Tensor:
    """Return a head with two anchors, three classes, 2 rows, 3 columns; one box of anchor 1 at row 1, column 2."""
    output = torch.full((1, 2, 8, 2, 3), -20.0)
    output[0, 1, :, 1, 2] = torch.tensor(
        [logit(0.25), logit(0.75), math.log(2.0), math.log(0.5), logit(0.8), logit(0.9), logit(0.5), logit(0.1)]
    )
    return output.view(1, 16, 2, 3)


def test_one_box_is_where_it_was_put() -> None:
    boxes, scores, classes = decode_head(head_with_one_box(), HEAD, 3, 0.5)
    # Centre ((2 + 0.25) x 10, (1 + 0.75) x 10), size (2 x 20, 0.5 x 30), score 0.8 x 0.9.
    assert np.allclose(boxes, [[22.5, 17.5, 40.0, 15.0]])
    assert np.allclose(scores, [0.72])
    assert classes.tolist() == [0]


def test_each_class_that_is_likely_enough_counts() -> None:
    _, scores, classes = decode_head(head_with_one_box(), HEAD, 3, 0.3)
    assert np.allclose(scores, [0.72, 0.4])
    assert classes.tolist() == [0, 1]


def test_channels_last_heads_decode_alike() -> None:
    output = head_with_one_box()
    one = decode_head(output, HEAD, 3, 0.3)
    other = decode_head(output.contiguous(memory_format=torch.channels_last), HEAD, 3, 0.3)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)


def test_of_two_overlapping_boxes_of_a_class_the_better_stays() -> None:
    # IoU of the first two is 8 x 10 / (200 - 80) = 2/3.
    boxes = np.array([[5.0, 5.0, 10.0, 10.0], [7.0, 5.0, 10.0, 10.0], [7.0, 5.0, 10.0, 10.0], [50.0, 5.0, 10.0, 10.0]])
    scores = np.array([0.6, 0.9, 0.7, 0.3])
    classes = np.array([1, 1, 2, 1])
    assert suppress(boxes, scores, classes, 0.5).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, classes, 0.7).tolist() == [1, 2, 0, 3]


def test_boxes_left_of_the_image_do_not_mix_classes() -> None:
    boxes = np.array([[-30.0, -30.0, 40.0, 40.0], [-30.0, -30.0, 40.0, 40.0]])
    assert suppress(boxes, np.array([0.4, 0.5]), np.array([0, 79]), 0.5).tolist() == [1, 0]


def test_nothing_found_is_empty() -> None:
    found = YoloPostprocess((HEAD,), 3)(
        (torch.full((1, 16, 2, 3), -20.0),), Letterbox(10, 10, 1.0, 1.0, 0.0, 0.0), confidence=0.3, iou=0.5
    )
    assert len(found) == 0


@pytest.mark.parametrize("confidence", [0.01, 0.99])
def test_suppression_of_many_boxes_leaves_none_that_overlap(confidence: float) -> None:
    random = np.random.default_rng(3)
    boxes = np.column_stack([random.uniform(0, 100, (300, 2)), random.uniform(5, 40, (300, 2))])
    scores, classes = random.uniform(confidence, 1, 300), random.integers(0, 4, 300)
    kept = suppress(boxes, scores, classes, 0.4)
    low, high = boxes[kept, :2] - boxes[kept, 2:] / 2, boxes[kept, :2] + boxes[kept, 2:] / 2
    shared = np.prod(
        np.clip(np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None]), 0, None), axis=2
    )
    area = np.prod(boxes[kept, 2:], axis=1)
    iou = shared / (area[:, None] + area[None] - shared)
    same = classes[kept][:, None] == classes[kept][None]
    assert np.all(iou[same & ~np.eye(len(kept), dtype=bool)] <= 0.4)
    assert scores[kept[0]] == scores.max()


def test_of_very_many_boxes_the_best_are_looked_at() -> None:
    random = np.random.default_rng(1)
    boxes = np.column_stack([random.uniform(0, 400, (60_000, 2)), np.full((60_000, 2), 4.0)])
    scores = random.uniform(0.001, 1, 60_000)
    kept = suppress(boxes, scores, random.integers(0, 80, 60_000), 0.5)
    assert 500 < len(kept) <= MOST_CANDIDATES
    assert scores[kept].min() >= np.sort(scores)[-MOST_CANDIDATES]


@pytest.mark.parametrize(("confidence", "count"), [(0.0, 36), (1.0, 0)])
def test_limits_at_the_ends_are_taken(confidence: float, count: int) -> None:
    boxes, scores, _ = decode_head(head_with_one_box(), HEAD, 3, confidence)
    assert len(scores) == len(boxes) == count
