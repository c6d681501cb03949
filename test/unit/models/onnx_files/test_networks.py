# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Networks from ONNX files give what onnxruntime gives, are cut, and have the names of the original's modules."""

from __future__ import annotations

from pathlib import Path

import detector_heads
import numpy as np
import pytest
import torch
from detector_heads import STRIDE
from onnx_models import export, largest_difference, reference
from small_networks import NETWORKS, make_network
from torch import nn

from neurosurgeon_ros.models import load_model
from neurosurgeon_ros.models.onnx_files import load_onnx
from neurosurgeon_ros.partition import partition

#: Networks with opsets, and whether the newer of torch's exporters writes the file.
EXPORTS = [
    *((name, 17, False) for name in NETWORKS),
    *((name, 20, True) for name in NETWORKS),
    *(("yolo", opset, False) for opset in (11, 13, 20)),
    *(("swin", opset, False) for opset in (11, 20)),
    ("yolo", 18, True),
]


def steps_of(names: list[str]) -> list[str]:
    """Return the names of convolutions and linear layers, whose modules every exporter keeps."""
    return [
        name for name in names if name.rpartition(".")[2] in ("conv", "patch", "stem", "depth", "head", "proj", "up")
    ]


@pytest.mark.parametrize(("name", "opset", "dynamo"), EXPORTS)
def test_an_exported_network_gives_what_onnxruntime_gives(tmp_path: Path, name: str, opset: int, dynamo: bool) -> None:
    network, example = make_network(name)
    path = export(network, example, tmp_path / f"{name}.onnx", opset, dynamo=dynamo)
    mine, image = load_onnx(path)
    assert image.shape == example.shape
    assert largest_difference(mine(example), reference(path, example)) <= 1e-5
    parts = partition(mine, example, keep_all=True)
    whole = parts.run_whole(example)
    for point in parts.points[1 :: max(1, len(parts.points) // 8)]:
        given = parts.run_back(parts.run_front(example, point.index)[point.index], point.index)
        for one, other in zip(leaves(given), leaves(whole), strict=True):
            assert torch.equal(one, other), point.name
    names, originals = ([p.name for p in one.points] for one in (parts, partition(network, example, keep_all=True)))
    assert set(steps_of(names)) == set(steps_of(originals))


class First(nn.Module):
    """Leaves out all outputs but the first, as Ultralytics' exporter does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)[0]


def leaves(outputs: object) -> list[torch.Tensor]:
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]  # type: ignore[list-item]


@pytest.mark.parametrize("name", detector_heads.HEADS)
def test_detections_of_every_family_are_onnxruntimes(tmp_path: Path, name: str) -> None:
    network, example = getattr(detector_heads, name)()[:2]
    path = export(First(network) if name == "rtdetr_joined" else network, example, tmp_path / "detector.onnx", 17)
    model = load_model(str(path))
    assert model.family == name
    image = np.zeros((detector_heads.HEIGHT, detector_heads.WIDTH, 3), dtype=np.uint8)
    image[3 * STRIDE : 4 * STRIDE, 5 * STRIDE : 6 * STRIDE] = 255
    x, fitted = model.preprocess(image)
    outputs = model.network(x)
    arrays = [torch.from_numpy(one) for one in reference(path, x if example.dtype == torch.uint8 else x / 255)]
    theirs = dict(zip(outputs, arrays, strict=True)) if isinstance(outputs, dict) else arrays[0]
    found, wanted = (model.postprocess(one, fitted, confidence=0.25, iou=0.5) for one in (outputs, theirs))
    assert len(found) == 1
    assert found.boxes == pytest.approx(wanted.boxes, abs=1e-2)
    assert found.scores == pytest.approx(wanted.scores, abs=1e-5)
    assert found.classes.tolist() == wanted.classes.tolist()


def test_modules_have_the_same_names_however_the_network_came(tmp_path: Path) -> None:
    network, example = make_network("efficient")
    torch.export.save(torch.export.export(network, (example,)), tmp_path / "network.pt2")
    export(network, example, tmp_path / "legacy.onnx", 17)
    export(network, example, tmp_path / "newer.onnx", 20, dynamo=True)
    sources = (
        "small_networks:efficient",
        *(str(tmp_path / f"{name}") for name in ("legacy.onnx", "newer.onnx", "network.pt2")),
    )
    names = []
    for source in sources:
        model = load_model(source)
        points = partition(model.network, model.example_input, keep_all=True).points
        # Batch norms are folded into convolutions, but not in a program of torch.export.
        names.append([point.name for point in points if point.name not in ("stem.1", "depth.1")])
    assert {"stem.0", "depth.2", "squeeze.3", "gate", "mul", "pool"} <= set(names[0])
    assert names[1:] == 3 * names[:1]


def test_calls_of_one_module_are_numbered_as_by_torch(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.head(self.act(self.conv(self.act(self.conv(image))))).mean((2, 3))

    network, example = Twice().eval(), torch.zeros(1, 3, 32, 32)
    mine, _ = load_onnx(export(network, example, tmp_path / "twice.onnx", 17))
    names = [[point.name for point in partition(one, example, keep_all=True).points] for one in (network, mine)]
    assert names[1] == names[0] == ["input", "conv", "act", "conv_2", "act_2", "head", "on_device"]
