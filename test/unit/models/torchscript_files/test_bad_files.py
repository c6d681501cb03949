# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bad TorchScript files are refused with one sentence, and nothing in them is executed."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchscript_files import SCRIPTED, TRACED, replaced, save

from neurosurgeon_ros.models import FileProblem, load_model

EXAMPLE = torch.zeros(1, 3, 8, 8)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image).mean((2, 3))


def plain(folder: Path, **changes: bytes | None) -> Path:
    """Return a good file with members exchanged; a name stands for the end of a member's name."""
    path = folder / "plain.pt"
    save(Plain(), EXAMPLE, path)
    return replaced(path, {name.replace("__dot__", "."): content for name, content in changes.items()})


class Depends(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.sum() > 0:
            return image.mean((2, 3))
        return image.amax((2, 3))


class Loops(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        while bool(image.sum() < 100):
            image = image + 1
        return image


class Inner(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[image > 0]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.Identity(), Inner())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.neck(image)


class Random(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + torch.rand_like(image)


class Large(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros(100_000, 100_000) + image.sum()


class Endless(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        count = 0
        while count >= 0:
            count += 1
        return image


class Strided(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.as_strided(image, [4], [1])


@pytest.mark.parametrize(
    ("network", "how", "said"),
    [
        (Depends, SCRIPTED, r"its network \(line \d+ of .*Depends\.forward\): a branch or loop depends on the image"),
        (Loops, SCRIPTED, r"depends on the image"),
        (Outer, TRACED, r"its module 'neck\.1' .*: index: the number of elements that it takes depends on the image"),
        (Random, TRACED, r"rand_like: it is not converted"),
        (Large, SCRIPTED, r"zeros: .* shape \[100000, 100000\], of which the limit is"),
        (Endless, SCRIPTED, r"takes more than [\d,]+ statements"),
        (Strided, TRACED, r"as_strided: it is not converted"),
    ],
)
def test_what_cannot_be_converted_names_operator_and_module(
    tmp_path: Path, network: type[nn.Module], how: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurosurgeon_ros.models.torchscript_files.program._MOST_STATEMENTS", 2000)
    path = tmp_path / "program.pt"
    save(network(), EXAMPLE, path, how)
    with pytest.raises(FileProblem, match=f"cannot be converted at .*{said}") as caught:
        load_model(f"{path}@8x8")
    assert "\n" not in str(caught.value)
    assert "export the network to ONNX" in str(caught.value)


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    save(Plain(), EXAMPLE, tmp_path / "plain.pt")
    code = (
        "class Plain(Module):\n  def forward(self: __torch__.test_bad_files.Plain,\n    image: Tensor) -> Tensor:\n"
        "    return ops.torchvision.nms(image, image, 0.5)\n"
    )
    path = replaced(tmp_path / "plain.pt", {".py": code.encode()})
    with pytest.raises(FileProblem, match=r"torchvision\.nms: it is a custom operator"):
        load_model(str(path))


@pytest.mark.parametrize(
    "statement",
    [
        'torch.save(image, "stolen")',
        'torch.from_file("stolen", True, 8)',
        '__import__("os").system("touch stolen")',
        'open("stolen", "w")',
        'image.__class__.__init__.__globals__["os"]',
        "self.__class__",
        '(image).tofile("stolen")',
        'eval("1")',
        "[x for x in image]",
        "lambda: image",
        'torch.ops.load_library("stolen")',
        'ops.aten.save(image, "stolen")',
    ],
)
def test_nothing_in_a_program_is_executed(tmp_path: Path, statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(Plain(), EXAMPLE, tmp_path / "plain.pt")
    code = (
        "class Plain(Module):\n  def forward(self: __torch__.test_bad_files.Plain,\n    image: Tensor) -> Tensor:\n"
        f"    _0 = {statement}\n    return image\n"
    )
    path = replaced(tmp_path / "plain.pt", {".py": code.encode()})
    with pytest.raises(FileProblem, match="cannot be converted at its network"):
        load_model(str(path))
    assert not (tmp_path / "stolen").exists()


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["data.pkl", "constants.pkl", "traced_inputs.pkl"])
def test_nothing_in_a_pickle_is_executed(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    save(Plain(), EXAMPLE, tmp_path / "plain.pt")
    path = replaced(tmp_path / "plain.pt", {name: pickle.dumps(Trap(trace), protocol=2)})
    with pytest.raises(FileProblem, match=r"holds .*which is not converted|does not tell the size"):
        load_model(str(path))
    assert not trace.exists()


def number(value: int) -> bytes:
    return f"{value}\n".encode()


BAD: list[tuple[str, Callable[[Path], Path], str]] = [
    ("newer", lambda folder: plain(folder, version=number(99)), r"has version 99 where 3 to 10 are read"),
    ("older", lambda folder: plain(folder, version=number(1)), r"has version 1 where"),
    ("no version", lambda folder: plain(folder, version=b"x"), r"is damaged or cut off"),
    ("no data", lambda folder: plain(folder, data__dot__pkl=None), r"is damaged or cut off"),
    ("no code", lambda folder: plain(folder, **{".py": None}), r"there is no function .*Plain\.forward"),
    ("bad code", lambda folder: plain(folder, **{".py": b"def ("}), r"is damaged or cut off"),
    ("bad pickle", lambda folder: plain(folder, data__dot__pkl=b"\x80\x02\x8a"), r"is damaged or cut off"),
    ("no module", lambda folder: plain(folder, data__dot__pkl=pickle.dumps({}, 2)), r"holds no network"),
    ("short weights", lambda folder: plain(folder, **{"data/0": b"1234"}), r"its weights data/\d have another size"),
    ("big-endian", lambda folder: plain(folder, byteorder=b"big"), r"its weights are big-endian"),
]


@pytest.mark.parametrize(("make", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    path = make(tmp_path)
    with pytest.raises(FileProblem, match=said) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    save(Plain(), EXAMPLE, tmp_path / "plain.pt")
    content = (tmp_path / "plain.pt").read_bytes()
    for end in np.linspace(0, len(content) - 1, 40).astype(int):
        (tmp_path / "cut.pt").write_bytes(content[:end])
        with pytest.raises(FileProblem):
            load_model(str(tmp_path / "cut.pt"))


def test_a_damaged_file_gives_a_network_or_one_sentence(tmp_path: Path) -> None:
    save(Plain(), EXAMPLE, tmp_path / "plain.pt")
    content = (tmp_path / "plain.pt").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), random.integers(1, 6)):
            damaged[place] = random.integers(0, 256)
        (tmp_path / "damaged.pt").write_bytes(damaged)
        with contextlib.suppress(ValueError):  # any other exception fails the test
            load_model(str(tmp_path / "damaged.pt"))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 8, 8), (1, 3, 8)])
def test_a_trace_of_something_else_than_an_image_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(-1)

    save(Mean(), torch.zeros(shape), tmp_path / "mean.pt")
    text = "x".join(map(str, shape))
    with pytest.raises(FileProblem, match=f"takes {text} where 1x3xHEIGHTxWIDTH is expected"):
        load_model(str(tmp_path / "mean.pt"))


def test_other_element_types_and_sizes_are_refused(tmp_path: Path) -> None:
    save(Plain().double(), EXAMPLE.double(), tmp_path / "double.pt")
    with pytest.raises(FileProblem, match="takes float64 where float32 or uint8 are expected"):
        load_model(str(tmp_path / "double.pt"))
    path = plain(tmp_path)
    with pytest.raises(FileProblem, match="where 8192 are the most"):
        load_model(f"{path}@9000x8")
    with pytest.raises(FileProblem, match="holds its weights: give none beside it"):
        load_model(str(path), weights=path)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table: Any = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean((2, 3)) * self.table.dequantize()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(Quantised(), EXAMPLE, tmp_path / "quantised.pt")
    with pytest.raises(FileProblem, match="which is not converted"):
        load_model(str(tmp_path / "quantised.pt"))
