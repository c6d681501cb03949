# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YOLOv3-tiny with its published weights on frames of the real video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import video_frame

from neurosurgeon_ros.models import Detections, FileProblem, Model, load_model
from neurosurgeon_ros.models.files import find

BOXES = json.loads((Path(__file__).parents[3] / "data" / "bikes_boxes.json").read_text())


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("yolov3_tiny")


def detect(model: Model, frame: int, confidence: float = 0.3) -> Detections:
    image, letterbox = model.preprocess(video_frame(frame))
    with torch.inference_mode():
        return model.postprocess(model.network(image), letterbox, confidence=confidence, iou=0.45)


def overlap(box: np.ndarray, marked: list[float]) -> float:
    """Return the IoU of a detection (centre and size) and a marked object (corners)."""
    low, high = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
    shared = np.prod(np.clip(np.minimum(high, marked[2:]) - np.maximum(low, marked[:2]), 0, None))
    area = (marked[2] - marked[0]) * (marked[3] - marked[1])
    return float(shared / (np.prod(box[2:]) + area - shared))


@pytest.mark.parametrize("case", BOXES["frames"], ids=lambda case: f"frame{case['frame']}")
def test_boxes_fit_what_is_there(model: Model, case: dict[str, Any]) -> None:
    found = detect(model, case["frame"])
    for item in case["objects"]:
        of_class = found.boxes[found.classes == model.labels.index(item["label"])]
        assert max((overlap(box, item["box"]) for box in of_class), default=0.0) >= 0.6, item
    # There are few detections beyond the marked objects.
    assert len(found) <= len(case["objects"]) + 2


def test_detections_are_sorted_inside_the_image_and_above_the_limit(model: Model) -> None:
    found = detect(model, 120, confidence=0.1)
    assert len(found) >= 4
    assert np.all(np.diff(found.scores) <= 0)
    assert np.all((found.scores >= 0.1) & (found.scores <= 1))
    low, high = found.boxes[:, :2] - found.boxes[:, 2:] / 2, found.boxes[:, :2] + found.boxes[:, 2:] / 2
    assert np.all(low >= 0)
    assert np.all(high <= np.array([640, 272]))
    assert np.all(found.boxes[:, 2:] > 0)
    assert (found.boxes.dtype, found.scores.dtype, found.classes.dtype) == (np.float64, np.float64, np.int64)


def test_a_grey_image_holds_nothing(model: Model) -> None:
    image, letterbox = model.preprocess(np.full((48, 64, 3), 128, dtype=np.uint8))
    found = model.postprocess(model.network(image), letterbox, confidence=0.3, iou=0.45)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


def test_batch_norms_are_folded_without_changing_the_outputs(model: Model) -> None:
    from neurosurgeon_ros.models.shipped.darknet import load_darknet
    from neurosurgeon_ros.models.shipped.yolov3_tiny import Yolov3Tiny

    plain = Yolov3Tiny().eval()
    load_darknet(plain, find("yolov3-tiny.weights"))
    image, _ = model.preprocess(video_frame(120))
    with torch.inference_mode():
        for folded, expected in zip(model.network(image), plain(image), strict=True):
            assert (folded - expected).abs().max() <= 1e-4 * (expected.max() - expected.min())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.network.modules())
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_input_is_channels_last_uint8(model: Model) -> None:
    image, _ = model.preprocess(video_frame(0))
    assert image.dtype == model.example_input.dtype == torch.uint8
    assert image.shape == model.example_input.shape == (1, 3, 416, 416)
    assert image.stride() == model.example_input.stride() == (3 * 416 * 416, 1, 3 * 416, 3)


def test_random_weights_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    assert load_model("yolov3_tiny", random_weights=True).random_weights


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    with pytest.raises(FileProblem, match=r"yolov3-tiny\.weights .* is missing"):
        load_model("yolov3_tiny")


def test_a_file_of_another_content_is_refused(tmp_path: Path) -> None:
    content = bytearray(find("yolov3-tiny.weights").read_bytes())
    content[1000] ^= 1
    path = tmp_path / "yolov3-tiny.weights"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="sha256"):
        load_model("yolov3_tiny", weights=path)


def test_an_unknown_model_is_answered_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'yolo9000' is not known; choose one of .*yolov3_tiny"):
        load_model("yolo9000")
