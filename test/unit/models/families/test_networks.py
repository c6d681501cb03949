# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks with a head of each family are recognised, cut and read, and their classes are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detector_heads import HEADS, HEIGHT, STRIDE, WIDTH, Yolov8

from neurosurgeon_ros.models import Detections, load_model
from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.families.names import COCO_91
from neurosurgeon_ros.models.model import Model
from neurosurgeon_ros.partition import partition


def find_square(model: Model) -> Detections:
    """Return what a network finds in a black image with a white square at (column 5, row 3)."""
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[3 * STRIDE : 4 * STRIDE, 5 * STRIDE : 6 * STRIDE] = 255
    x, letterbox = model.preprocess(image)
    with torch.inference_mode():
        return model.postprocess(model.network(x), letterbox, confidence=0.25, iou=0.45)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_the_family_is_recognised_and_its_object_found(name: str) -> None:
    model = load_model(f"detector_heads:{name}")
    assert (model.family, len(model.labels)) == (name, HEADS[name][1])
    found = find_square(model)
    assert found.boxes == pytest.approx(np.array([[5.5 * STRIDE, 3.5 * STRIDE, STRIDE, STRIDE]]), abs=0.01)
    assert found.classes.tolist() == [min(1, len(model.labels) - 1)]
    assert found.scores[0] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", ["yolov8", "detr", "fcos", "torchvision", "rtdetr_joined"])
def test_a_back_ends_outputs_are_read_like_the_whole_networks(name: str) -> None:
    model = load_model(f"detector_heads:{name}")
    network = partition(model.network, model.example_input, keep_all=True)
    assert len(network.points) > 2
    x = torch.randint(0, 256, model.example_input.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    _, letterbox = model.preprocess(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with torch.inference_mode():
        whole = model.postprocess(model.network(x), letterbox, confidence=1e-6, iou=0.5)
        for point in network.points[1:-1]:
            outputs = network.run_back(network.run_front(x, point.index)[point.index], point.index)
            found = model.postprocess(outputs, letterbox, confidence=1e-6, iou=0.5)
            assert found.boxes.tolist() == whole.boxes.tolist()
            assert found.scores.tolist() == whole.scores.tolist()


def test_an_exported_program_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "heads.pt2"
    torch.export.save(torch.export.export(Yolov8().eval(), (torch.zeros(1, 3, HEIGHT, WIDTH),)), path)
    model = load_model(str(path))
    assert (model.family, model.labels, model.notes) == ("yolov8", COCO_NAMES, ())
    assert len(find_square(model)) == 1
    assert load_model(f"{path}:auto").postprocess == load_model(f"{path}:yolov8").postprocess == model.postprocess


def test_auto_is_the_same_as_no_post_processing() -> None:
    assert load_model("detector_heads:automatic").postprocess == load_model("detector_heads:yolov8").postprocess


def test_a_segmentation_network_gives_its_boxes_and_a_note() -> None:
    model = load_model("detector_heads:segmenter")
    assert model.notes == ("the network gives masks, which are left out: its boxes are used",)
    assert len(find_square(model)) == 1


def test_of_two_families_that_fit_one_is_chosen_and_it_is_said() -> None:
    model = load_model("detector_heads:one_class")
    assert model.family == "yolov5"
    (note,) = model.notes
    assert "fit yolov7 too" in note and "FILE:NAME" in note and "third value of the factory" in note


def test_class_probabilities_are_not_taken_for_logits() -> None:
    logits, probabilities = (load_model(f"detector_heads:{name}") for name in ("classifier", "probabilities"))
    assert logits.family == probabilities.family == "classification"
    assert find_square(probabilities).scores == pytest.approx(find_square(logits).scores, abs=1e-6)


def test_names_come_from_the_network_of_coco_or_are_numbered() -> None:
    assert load_model("detector_heads:named").labels == ("nut", "bolt", "washer")
    assert load_model("detector_heads:three_classes").labels == ("class 0", "class 1", "class 2")
    others = load_model("detector_heads:other_names")
    assert others.labels == ("class 0", "class 1", "class 2")
    assert "names 2 classes where its outputs have 3" in " ".join(others.notes)
    assert load_model("detector_heads:yolov8").labels == COCO_NAMES
    assert load_model("detector_heads:detr").labels == COCO_91


def test_names_that_are_assumed_are_said() -> None:
    model = load_model("detector_heads:end_to_end")
    assert model.labels == COCO_NAMES
    assert "COCO's 80 are assumed" in " ".join(model.notes)


@pytest.mark.parametrize(
    ("model", "names"),
    [("three_classes", 3), ("named", 3), ("end_to_end", 5), ("torchvision", 7), ("one_class", 1), ("classifier", 4)],
)
def test_names_of_the_users_file_are_taken(model: str, names: int, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("".join(f"part {index}\n" for index in range(names)), encoding="utf-8")
    loaded = load_model(f"detector_heads:{model}", labels=path)
    assert loaded.labels == tuple(f"part {index}" for index in range(names))
    assert not any("assumed" in note for note in loaded.notes)


def test_a_file_of_names_tells_keypoints_from_classes(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(f"part {index}" for index in range(52)), encoding="utf-8")
    model = load_model("detector_heads:yolov8_pose", labels=path)
    assert (model.family, len(model.labels), model.notes) == ("yolov8", 52, ())


@pytest.mark.parametrize("model", ["detector_heads:yolov8", "detector_heads:classifier", "yolov3_tiny"])
def test_a_file_that_names_another_number_of_classes_is_refused(model: str, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("nut\nbolt\n", encoding="utf-8")
    reason = r"names\.txt names 2 classes where the network has \d+; give the file"
    with pytest.raises(ValueError, match=reason) as caught:
        load_model(model, labels=path, random_weights=True)
    assert "\n" not in str(caught.value)


def test_a_network_that_ships_takes_other_names(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(f"part {index}" for index in range(80)), encoding="utf-8")
    assert load_model("yolov3_tiny", labels=path, random_weights=True).labels[79] == "part 79"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("wrong_family", r"The outputs 1x84x2016 do not fit the post-processing yolov5 \(.*leave it out.*yolov8"),
        ("unknown", r"The outputs 1x2x254x382 fit no post-processing; name one of classification, .*yolov2_tiny"),
    ],
)
def test_outputs_that_do_not_fit_are_answered_in_one_sentence(model: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        load_model(f"detector_heads:{model}")
    assert "\n" not in str(caught.value)
