# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every family reads what a plain computation reads, and what the original's own code read from the same outputs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_outputs import (
    CASES,
    CONFIDENCE,
    HEIGHT,
    IOU,
    WIDTH,
    Found,
    fcos,
    nanodet,
    nanodet_raw,
    torchvision,
    yolov5,
    yolov8,
)

from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.models.families import FAMILIES, Candidate, Seen, candidates, list_outputs
from neurosurgeon_ros.models.families.decoding import MOST_DETECTIONS

#: What the originals' code read from the outputs of seed 7: for each case the number of objects, and the best five.
ORIGINALS = json.loads((Path(__file__).parent / "originals.json").read_text(encoding="utf-8"))

#: The network's input is in the middle of an image so large that no box is clipped.
MARGIN = 1000
FITTED = Letterbox(WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN, 1.0, 1.0, -float(MARGIN), -float(MARGIN))


def recognised(outputs: Any, names: Sequence[str] = ()) -> list[Candidate]:
    return candidates(Seen(list_outputs(outputs, names), HEIGHT, WIDTH))


def read(outputs: Any, confidence: float = CONFIDENCE) -> Detections:
    return recognised(outputs)[0].fit.postprocess(outputs, FITTED, confidence=confidence, iou=IOU)


def rows(found: Detections) -> np.ndarray:
    """Return left, top, right, bottom in network pixels, score and class of each detection."""
    centres, half = found.boxes[:, :2] - MARGIN, found.boxes[:, 2:] / 2
    return np.column_stack([centres - half, centres + half, found.scores, found.classes])


def assert_same(found: Detections, wanted: Sequence[Found]) -> None:
    ordered = np.array(sorted(wanted, key=lambda one: -one[4])).reshape(-1, 6)
    assert rows(found)[:, 5].tolist() == ordered[:, 5].tolist()
    assert rows(found)[:, :5] == pytest.approx(ordered[:, :5], abs=2e-3)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_family_is_recognised_and_reads_what_a_plain_computation_reads(name: str, seed: int) -> None:
    family, make, plainly = CASES[name]
    outputs = make(seed)
    wanted = plainly(outputs)
    assert len(wanted) >= 10
    assert recognised(outputs)[0].family.name == family
    assert_same(read(outputs), wanted)


@pytest.mark.parametrize("name", CASES)
def test_a_family_reads_what_the_originals_code_read(name: str) -> None:
    found = read(CASES[name][1](7))
    assert len(found) == ORIGINALS[name]["count"]
    assert rows(found)[:5] == pytest.approx(np.array(ORIGINALS[name]["best"]), abs=2e-3)


def test_every_family_has_a_case() -> None:
    alike = {"classification", "yolov7", "nanodet_raw"}
    assert {family for family, _, _ in CASES.values()} == {family.name for family in FAMILIES} - alike


def test_class_logits_of_nanodet_are_read_like_probabilities() -> None:
    raw, exported = nanodet_raw(7), nanodet(7)
    assert (recognised(raw)[0].family.name, recognised(exported)[0].family.name) == ("nanodet_raw", "nanodet")
    assert rows(read(raw)) == pytest.approx(rows(read(exported)), abs=1e-4)


def test_with_one_class_yolov7_scores_by_objectness_alone() -> None:
    outputs = yolov5(7, 1)
    outputs[..., 5] = 0.5  # it is not trained
    five, seven = recognised(outputs)
    assert (five.family.name, seven.family.name) == ("yolov5", "yolov7")
    score = five.fit.postprocess(outputs, FITTED, confidence=0.1, iou=IOU).scores[0]
    assert seven.fit.postprocess(outputs, FITTED, confidence=0.1, iou=IOU).scores[0] == pytest.approx(2 * score)


def test_masks_are_left_out_and_it_is_said() -> None:
    boxes, masks = yolov8(7, classes=5), torch.rand(1, 32, yolov8(7).shape[2])
    prototypes = torch.rand(1, 32, HEIGHT // 4, WIDTH // 4)
    outputs = (torch.cat((boxes, masks), dim=1), prototypes)
    one = recognised(outputs)[0]
    assert (one.family.name, one.fit.classes) == ("yolov8", 5)
    assert "masks, which are left out" in one.fit.note
    assert rows(read(outputs)).tolist() == rows(read(boxes)).tolist()


def test_keypoints_are_left_out_and_it_is_said() -> None:
    assert "keypoints, which are left out" in recognised(yolov8(7, 51, 1))[0].fit.note


def test_feature_maps_beside_the_boxes_are_no_masks() -> None:
    small = torch.rand(1, 32, HEIGHT // 4, WIDTH // 4)
    one = recognised((yolov8(7), [small, torch.rand(1, 64, 8, 12)]))[0]
    assert (one.family.name, one.fit.classes, one.fit.note) == ("yolov8", 80, "")


def test_rotated_boxes_are_not_taken_for_a_class() -> None:
    assert recognised((yolov8(7, 1), {"angle": torch.zeros(1, 1, yolov8(7).shape[2])})) == []


def test_three_outputs_are_recognised_in_any_order_with_and_without_names() -> None:
    one = torchvision(7)[0]
    boxes, labels, scores = one["boxes"], one["labels"], one["scores"]
    wanted = rows(read([one])).tolist()
    for outputs in ((boxes, labels, scores), (boxes, scores, labels), (labels[None], boxes[None], scores[None])):
        assert recognised(outputs)[0].family.name == "torchvision"
        assert rows(read(outputs)).tolist() == wanted
    assert recognised((scores, labels, boxes), ("scores", "labels", "boxes"))[0].family.name == "torchvision"


def test_outputs_of_the_head_of_fcos_need_no_names() -> None:
    assert rows(read(tuple(fcos(7).values()))).tolist() == rows(read(fcos(7))).tolist()


@pytest.mark.parametrize("name", CASES)
def test_nothing_found_is_empty(name: str) -> None:
    assert len(read(CASES[name][1](7), confidence=1.0)) == 0


@pytest.mark.parametrize("name", CASES)
def test_the_lowest_limit_gives_the_best_and_not_more_than_the_most(name: str) -> None:
    found = read(CASES[name][1](7), confidence=0.0)
    assert 0 < len(found) <= MOST_DETECTIONS
    assert (np.diff(found.scores) <= 0).all()
    assert np.isfinite(found.boxes).all() and (found.boxes[:, 2:] >= 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
@pytest.mark.parametrize("name", CASES)
def test_values_that_no_network_should_give_do_not_spoil_a_frame(name: str, value: float) -> None:
    _, make, _ = CASES[name]
    outputs = make(7)
    reader = recognised(outputs)[0].fit.postprocess
    for output in list_outputs(outputs):
        if not output.integral and output.example is not None:
            output.example.view(-1)[::97] = value  # the example is the output itself
    found = reader(outputs, FITTED, confidence=CONFIDENCE, iou=IOU)
    assert np.isfinite(found.boxes).all() and (found.boxes[:, 2:] >= 0).all()
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    assert (found.classes >= 0).all()


@pytest.mark.parametrize("name", ["end_to_end", "rtdetr_end_to_end", "torchvision"])
def test_detections_of_classes_that_are_not_named_are_dropped(name: str) -> None:
    outputs = CASES[name][1](7)
    reader = dataclasses.replace(recognised(outputs)[0].fit.postprocess, classes=4)  # type: ignore[type-var]
    found = reader(outputs, FITTED, confidence=CONFIDENCE, iou=IOU)
    assert 0 < len(found) < len(read(outputs))
    assert found.classes.max() == 3


def test_boxes_are_mapped_to_the_cameras_image() -> None:
    outputs = yolov8(7)
    fitted = Letterbox(768, 400, 0.5, 0.5, 0.0, 28.0)
    found = recognised(outputs)[0].fit.postprocess(outputs, fitted, confidence=CONFIDENCE, iou=IOU)
    inside = rows(read(outputs))
    low = np.clip((inside[:, :2] - (0, 28)) * 2, 0, (768, 400))
    high = np.clip((inside[:, 2:4] - (0, 28)) * 2, 0, (768, 400))
    assert found.boxes == pytest.approx(np.column_stack([(low + high) / 2, high - low]))


def test_half_precision_is_read() -> None:
    assert len(read(yolov8(7).half())) == pytest.approx(len(read(yolov8(7))), abs=2)
