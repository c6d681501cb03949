# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks from TorchScript files give what torch.jit gives, are cut, and have the names of the original's modules."""

from __future__ import annotations

import json
from pathlib import Path

import detector_heads
import numpy as np
import pytest
import torch
from detector_heads import STRIDE
from small_networks import NETWORKS, SIZE, make_network
from torch import nn
from torchscript_files import FROZEN, SCRIPTED, TRACED, largest_difference, leaves, save

from neurosurgeon_ros.models import FileProblem, load_model
from neurosurgeon_ros.models.torchscript_files import load_torchscript
from neurosurgeon_ros.partition import partition

#: Networks and how a program is made of them; torch cannot script the others.
PROGRAMS = [
    *((name, TRACED) for name in NETWORKS),
    *((name, FROZEN) for name in ("yolo", "swin", "vit")),
    *((name, SCRIPTED) for name in ("yolo", "swin", "efficient", "convnext")),
]
#: Last parts of the names of modules that every exporter keeps.
KEPT = ("conv", "patch", "stem", "depth", "head", "proj", "up")
#: Families of detectors that torch can trace.
DETECTORS = [name for name in detector_heads.HEADS if name != "torchvision"]


@pytest.mark.parametrize(("name", "how"), PROGRAMS)
def test_a_program_gives_what_torch_gives(tmp_path: Path, name: str, how: str) -> None:
    network, example = make_network(name)
    path = tmp_path / f"{name}.pt"
    program = save(network, example, path, how)
    mine, image = load_torchscript(path, None if how == TRACED else (SIZE, SIZE))
    assert image.shape == example.shape
    assert largest_difference(mine(example), program(example)) <= 1e-5
    x = example.to(memory_format=torch.channels_last)
    parts = partition(mine, x, keep_all=True)
    whole = parts.run_whole(x)
    for point in parts.points[1 :: max(1, len(parts.points) // 8)]:
        given = parts.run_back(parts.run_front(x, point.index)[point.index], point.index)
        for one, other in zip(leaves(given), leaves(whole), strict=True):
            assert torch.equal(one, other), point.name
    if how != FROZEN:
        names, originals = (
            {p.name for p in one.points if p.name.rpartition(".")[2] in KEPT}
            for one in (parts, partition(network, example, keep_all=True))
        )
        assert names == originals


def test_a_file_has_the_same_fingerprint_each_time_and_another_with_other_weights(tmp_path: Path) -> None:
    fingerprints = []
    for name, factor in (("first", 1.0), ("again", 1.0), ("other", 1.5)):
        network, example = make_network("efficient")
        network.head.weight.mul_(factor)
        save(network, example, tmp_path / f"{name}.torchscript")
        model = load_model(str(tmp_path / f"{name}.torchscript"))
        fingerprints.append(partition(model.network, model.example_input).fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.mark.parametrize("name", DETECTORS)
def test_detections_of_every_family_are_torchs(tmp_path: Path, name: str) -> None:
    network, example = getattr(detector_heads, name)()[:2]
    path = tmp_path / "detector.torchscript"
    program = save(network, example, path)
    model = load_model(str(path))
    assert model.family == name
    image = np.zeros((detector_heads.HEIGHT, detector_heads.WIDTH, 3), dtype=np.uint8)
    image[3 * STRIDE : 4 * STRIDE, 5 * STRIDE : 6 * STRIDE] = 255
    x, fitted = model.preprocess(image)
    theirs = program(x if example.dtype == torch.uint8 else x / 255)
    found, wanted = (model.postprocess(one, fitted, confidence=0.25, iou=0.5) for one in (model.network(x), theirs))
    assert len(found) == 1
    assert found.boxes == pytest.approx(wanted.boxes, abs=1e-2)
    assert found.scores == pytest.approx(wanted.scores, abs=1e-5)
    assert found.classes.tolist() == wanted.classes.tolist()


def test_what_ultralytics_writes_beside_the_network_is_used(tmp_path: Path) -> None:
    network, example = make_network("efficient")
    names = {str(index): f"thing {index}" for index in range(10)}
    note = {"config.txt": json.dumps({"imgsz": list(example.shape[2:]), "names": names, "stride": 32})}
    save(network, example, tmp_path / "yolov8n.torchscript", SCRIPTED, note)
    model = load_model(f"{tmp_path}/yolov8n.torchscript")
    assert model.example_input.shape == example.shape
    assert model.labels == tuple(names.values())


def test_the_size_is_that_of_the_trace_or_named_after_the_file(tmp_path: Path) -> None:
    network, example = make_network("efficient")
    save(network, example, tmp_path / "traced.pt")
    save(network, example, tmp_path / "scripted.pt", SCRIPTED)
    assert load_model(str(tmp_path / "traced.pt")).example_input.shape == example.shape
    assert load_model(f"{tmp_path}/scripted.pt@96x64:classification").example_input.shape == (1, 3, 64, 96)
    with pytest.raises(FileProblem, match=r"does not tell the size of its images: .*scripted\.pt@640x480"):
        load_model(str(tmp_path / "scripted.pt"))


def test_16_bits_are_computed_with_32(tmp_path: Path) -> None:
    network, example = make_network("efficient")
    save(network.half(), example.half(), tmp_path / "half.torchscript")
    model = load_model(str(tmp_path / "half.torchscript"))
    wanted = network.float()(example)
    assert model.example_input.dtype == torch.uint8
    assert largest_difference(model.network((example * 255).round().to(torch.uint8)), wanted) <= 1e-2


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    class Bytes(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return (image.float() / 255).mean((2, 3))

    save(Bytes(), torch.zeros(1, 3, 32, 32, dtype=torch.uint8), tmp_path / "bytes.pt")
    image = torch.full((1, 3, 32, 32), 51, dtype=torch.uint8)
    assert load_model(str(tmp_path / "bytes.pt")).network(image) == pytest.approx(0.2)
