# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A user's own networks, from factories and as exported programs."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neurosurgeon_ros.models import FileProblem, load_model
from neurosurgeon_ros.partition import partition

PACKAGE = """
import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models import Detections, load_model


def network(scores=True):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, *((nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)) if scores else ()))


def floats():
    return network(), torch.rand(1, 3, 32, 48)


def bytes_():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, image):
            return self.inner(image.float() / 255)

    return Scaled(), torch.zeros(1, 3, 32, 48, dtype=torch.uint8)


def whole():
    return load_model("mobilenet_v2", random_weights=True)


def brightest(outputs, letterbox, *, confidence, iou):
    return Detections(np.full((1, 4), float(outputs.argmax())), np.ones(1), np.zeros(1, dtype=np.int64))


brightest.labels = ("brightest",)


def all_of_it(outputs, letterbox, *, confidence, iou):
    return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


all_of_it.labels = ("all of it",)


def read_by_callable():
    return network(), torch.rand(1, 3, 32, 48), brightest


def read_by_name():
    return network(scores=False)[:1], torch.rand(1, 3, 65, 65), "yolov2_tiny"


def read_by_nobody():
    return network(), torch.rand(1, 3, 32, 48), "darknet"


def without_labels():
    return network(), torch.rand(1, 3, 32, 48), lambda outputs, letterbox, *, confidence, iou: None


def no_detections():
    post = lambda outputs, letterbox, *, confidence, iou: None
    post.labels = ("a",)
    return network(), torch.rand(1, 3, 32, 48), post


def raises():
    raise RuntimeError("no camera")


def nothing():
    return None


def no_example():
    return network()


def no_image():
    return network(), torch.rand(3, 32)


def too_small():
    return network(), torch.rand(1, 3, 2, 2)


def no_scores():
    return network(scores=False), torch.rand(1, 3, 32, 32)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an importable module outside this package."""
    name = f"own_networks_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize("factory", ["floats", "bytes_"])
def test_a_factory_gives_a_model(package: str, factory: str) -> None:
    model = load_model(f"{package}:{factory}")
    assert model.labels == ("class 0", "class 1", "class 2", "class 3")
    image, letterbox = model.preprocess(np.full((100, 300, 3), 90, dtype=np.uint8))
    assert image.dtype == torch.uint8
    assert image.shape == (1, 3, 32, 48)
    found = model.postprocess(model.network(image), letterbox, confidence=0.01, iou=0.5)
    assert found.scores.sum() == pytest.approx(1.0)
    assert found.boxes[0].tolist() == [150, 50, 300, 100]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.network.modules())
    assert len(partition(model.network, model.example_input, keep_all=True).points) >= 5


def test_a_factory_may_give_all_of_a_model(package: str) -> None:
    assert load_model(f"{package}:whole").name == "mobilenet_v2"


def test_weights_of_ones_own_are_taken(package: str, tmp_path: Path) -> None:
    plain = load_model(f"{package}:floats")
    state = {
        "0.weight": torch.rand(8, 3, 3, 3),
        "1.weight": torch.ones(8),
        "1.bias": torch.zeros(8),
        "1.running_mean": torch.zeros(8),
        "1.running_var": torch.ones(8),
        "5.weight": torch.rand(4, 8),
        "5.bias": torch.rand(4),
    }
    torch.save(state, tmp_path / "w.pth")
    filled = load_model(f"{package}:floats", weights=tmp_path / "w.pth")
    image = torch.full((1, 3, 32, 48), 200, dtype=torch.uint8)
    assert not torch.allclose(filled.network(image), plain.network(image))


def test_an_exported_program_is_taken(package: str, tmp_path: Path) -> None:
    model = load_model(f"{package}:floats")
    inner = model.network.get_submodule("network")
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(inner, (torch.rand(1, 3, 32, 48),)), path)
    loaded = load_model(str(path))
    image, _ = model.preprocess(np.full((64, 64, 3), 90, dtype=np.uint8))
    assert torch.allclose(loaded.network(image), model.network(image), atol=1e-5)
    network = partition(loaded.network, loaded.example_input, keep_all=True)
    assert network.obstacle is None
    assert "0" in [point.name for point in network.points]


def test_an_exported_program_is_read_as_its_name_says(package: str, tmp_path: Path) -> None:
    detector = load_model("yolov3_tiny", random_weights=True)
    path = tmp_path / "heads.pt2"
    torch.export.save(torch.export.export(detector.network, (detector.example_input,)), path)
    loaded = load_model(f"{path}:yolov3_tiny")
    assert loaded.labels == detector.labels
    assert loaded.postprocess == detector.postprocess
    with pytest.raises(ValueError, match="The outputs 1x255x13x13, 1x255x26x26 fit no post-processing"):
        load_model(str(path))
    with pytest.raises(ValueError, match="post-processing of model .* cannot read its outputs"):
        load_model(f"{path}:yolov2_tiny")
    assert load_model(f"{path}:{package}:all_of_it").labels == ("all of it",)


def test_a_program_may_flatten_feature_maps(tmp_path: Path) -> None:
    """Images lie channels last in memory here, unlike those that a program is usually exported with."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 7 * 7, 10)).eval()
    path = tmp_path / "flat.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 16, 16),)), path)
    model = load_model(str(path))
    image, _ = model.preprocess(np.full((16, 16, 3), 51, dtype=np.uint8))
    assert torch.allclose(model.network(image), network(torch.full((1, 3, 16, 16), 0.2)), atol=1e-5)


def test_a_factory_may_give_its_post_processing(package: str) -> None:
    model = load_model(f"{package}:read_by_callable")
    image, letterbox = model.preprocess(np.full((100, 300, 3), 90, dtype=np.uint8))
    outputs = model.network(image)
    found = model.postprocess(outputs, letterbox, confidence=0.01, iou=0.5)
    assert model.labels == ("brightest",)
    assert found.boxes[0, 0] == outputs.argmax()


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("read_by_name", "post-processing of model .* cannot read its outputs"),
        ("read_by_nobody", "post-processing 'darknet' cannot be found"),
        ("without_labels", "is no callable with an attribute labels"),
        ("no_detections", "post-processing of model .* gives NoneType"),
        ("raises", r"its factory raised RuntimeError\('no camera'\)"),
        ("nothing", "gives NoneType; let its factory return"),
        ("no_example", "gives Sequential; let its factory return an nn.Module, an example of its input"),
        ("no_image", "comes with no image as its example input"),
        ("too_small", "does not accept its own example input of shape"),
        ("no_scores", "The outputs 1x8x15x15 fit no post-processing"),
        ("missing", "cannot be found"),
    ],
)
def test_a_factory_that_fails_is_answered_in_one_sentence(package: str, factory: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        load_model(f"{package}:{factory}")
    assert "\n" not in str(caught.value)


def test_a_module_is_found_in_the_current_folder_after_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef make():\n"
        "    from beside_too import network\n\n    return network, torch.zeros(1, 3, 8, 8)\n"
    )
    (tmp_path / "beside_too.py").write_text(
        "from torch import nn\n\nnetwork = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    (tmp_path / "json.py").write_text("raise RuntimeError('taken for the installed one')\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    assert load_model("beside:make").labels == ("class 0", "class 1", "class 2")
    with pytest.raises(ValueError, match=r"json \(.*json/__init__\.py\) has no function 'make'"):
        load_model("json:make")


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.py").write_text("def make(:\n")
    (tmp_path / "needs_more.py").write_text("import no_such_library\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be imported: its module wrong raised SyntaxError") as caught:
        load_model("wrong:make")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"module needs_more raised ModuleNotFoundError.*no_such_library"):
        load_model("needs_more:make")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'no_such_package:make' cannot be found"):
        load_model("no_such_package:make")
    with pytest.raises(FileProblem, match=r"net\.pt2 is missing"):
        load_model(str(tmp_path / "net.pt2"))
    (tmp_path / "bad.pt2").write_bytes(b"PK no program")
    with pytest.raises(FileProblem, match=r"bad\.pt2 cannot be loaded by torch"):
        load_model(str(tmp_path / "bad.pt2"))


def test_a_program_of_another_version_of_torch_is_refused_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, newer = tmp_path / "net.pt2", tmp_path / "newer.pt2"
    torch.export.save(torch.export.export(nn.Conv2d(3, 4, 3).eval(), (torch.rand(1, 3, 8, 8),)), path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(newer, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(content)
                program["schema_version"]["major"] += 1
                content = json.dumps(program).encode()
            changed.writestr(name, content)
    with pytest.raises(
        FileProblem, match=r"newer\.pt2 cannot be loaded by torch .*version.*: export the network"
    ) as caught:
        load_model(str(newer))
    assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_networks_name_fits_into_messages(tmp_path: Path) -> None:
    folder = tmp_path / ("folder" * 20)
    folder.mkdir()
    path = folder / f"{'n' * 60}.pt2"
    network = nn.Sequential(nn.Conv2d(3, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.export.save(torch.export.export(network.eval(), (torch.zeros(1, 3, 8, 8),)), path)
    assert load_model(str(path)).name == path.name
    assert load_model(f"{path}:classification").name == f"{path.name}:classification"[-64:]
