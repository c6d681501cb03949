# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every shipped network loads, gives the same result after any cut, and detects real objects with real weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import video_frame

from neurosurgeon_ros.models import MODELS, FileProblem, load_model
from neurosurgeon_ros.models.classification import Classification, crop
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.partition import partition

REAL = ("yolov3_tiny", "mobilenet_v2")


@pytest.mark.parametrize("name", MODELS)
def test_front_end_then_back_end_is_the_whole_network(name: str) -> None:
    model = load_model(name, random_weights=name not in REAL)
    assert model.random_weights == (name not in REAL)
    network = partition(model.network, model.example_input)
    assert network.obstacle is None
    assert len(network.points) >= 4
    image, letterbox = model.preprocess(video_frame(158))
    last = len(network.points) - 1
    everything = network.run_front(image, last, keep=range(last))
    whole = everything[last]
    for p in range(last):
        given = network.run_back(everything[p], p)
        if isinstance(whole, torch.Tensor):
            assert torch.equal(given, whole)
        else:
            assert all(map(torch.equal, given, whole))
    found = model.postprocess(whole, letterbox, confidence=0.001, iou=0.5)
    assert np.isfinite(found.boxes).all()
    assert all(0 <= label < len(model.labels) for label in found.classes)


def test_mobilenet_sees_the_man_in_a_suit() -> None:
    model = load_model("mobilenet_v2")
    assert len(model.labels) == 1000
    image, letterbox = model.preprocess(video_frame(32))
    with torch.inference_mode():
        found = model.postprocess(model.network(image), letterbox, confidence=0.05, iou=0.5)
    assert model.labels[found.classes[0]] == "suit"
    assert found.scores[0] > 0.6
    assert found.boxes[0].tolist() == [320, 136, 640, 272]


@pytest.mark.parametrize(
    ("name", "macs"),
    # MobileNetV2 and ResNet50: 300 million and 4.1 billion in the tables of their papers.
    [("mobilenet_v2", 299_494_272), ("resnet50", 4_087_136_256), ("yolov2_tiny", 3_537_437_696)],
)
def test_work_is_as_published(name: str, macs: int) -> None:
    model = load_model(name, random_weights=True)
    assert partition(model.network, model.example_input).points[0].features[0] == macs


def test_random_weights_are_the_same_on_robot_and_edge() -> None:
    one, other = (load_model("mobilenet_v2", random_weights=True) for _ in range(2))
    fingerprints = {partition(model.network, model.example_input).fingerprint for model in (one, other)}
    assert len(fingerprints) == 1


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "yolov2_tiny"])
def test_networks_without_published_weights_ask_for_a_file(name: str) -> None:
    with pytest.raises(FileProblem, match="comes without weights: give a file of them, or ask for random weights"):
        load_model(name)


def test_the_middle_square_is_cut_out() -> None:
    picture = np.zeros((256, 512, 3), dtype=np.uint8)
    picture[16:240, 144:368] = (10, 20, 30)
    image, box = crop(picture)
    assert torch.equal(image, torch.tensor([30, 20, 10], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 224, 224))
    assert image.stride() == (3 * 224 * 224, 1, 3 * 224, 3)
    assert box == Letterbox(512, 256, 1.0, 1.0, -144.0, -16.0)
    for shape in ((480, 640, 3), (1, 1, 3), (1080, 20, 3)):
        assert crop(np.zeros(shape, dtype=np.uint8))[0].shape == (1, 3, 224, 224)
    with pytest.raises(ValueError, match="cannot be pre-processed"):
        crop(np.zeros((0, 4, 3), dtype=np.uint8))


def test_classes_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.05, 0.25]]))
    found = Classification(most=3)(logits, Letterbox(200, 100, 1.0, 1.0, 0.0, 0.0), confidence=0.2, iou=0.5)
    assert found.classes.tolist() == [1, 3]
    assert np.allclose(found.scores, [0.6, 0.25])
    assert found.boxes.tolist() == [[100, 50, 200, 100]] * 2
