# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Weight files in three formats, and the errors for bad ones."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neurosurgeon_ros.models import FileProblem, load_model
from neurosurgeon_ros.models.shipped.yolov2_tiny import FORMS, Yolov2Tiny, form_of
from neurosurgeon_ros.models.weights import load_weights


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))


def other_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {
        name: torch.rand(tensor.shape) if tensor.is_floating_point() else tensor
        for name, tensor in small().state_dict().items()
    }


def write_safetensors(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Write the format according to its description: length, JSON header, data."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    for name, tensor in state.items():
        part = tensor.numpy().tobytes()
        header[name] = {
            "dtype": kinds[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(part)],
        }
        data += part
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("kind", ["pth", "nested", "safetensors"])
def test_every_weight_comes_from_the_file(tmp_path: Path, kind: str) -> None:
    state, path = other_state(), tmp_path / "w.pth"
    if kind == "safetensors":
        path = write_safetensors(tmp_path / "w.safetensors", state)
    else:
        torch.save({"state_dict": state} if kind == "nested" else state, path)
    network = small()
    load_weights(network, path)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s.pop("2.bias"), "'2.bias'"),
        (lambda s: s.update(extra=torch.zeros(1)), "'extra'"),
        (lambda s: s.update({"0.weight": torch.zeros(2, 1, 5, 5)}), "'0.weight'"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, change: object, named: str) -> None:
    state = other_state()
    change(state)  # type: ignore[operator]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(FileProblem, match=f"does not fit Sequential: 1 of its weights .* {named} first"):
        load_weights(small(), tmp_path / "w.pth")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    torch.save({"0.weight": Evil()}, tmp_path / "w.pth")
    with pytest.raises(FileProblem, match="no state dict of tensors alone"):
        load_weights(small(), tmp_path / "w.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FileProblem, match="no state dict of tensors alone"):
        load_weights(small(), tmp_path / "plain.pth")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        (2**60).to_bytes(8, "little") + b"{}",
        (9).to_bytes(8, "little") + b"not json!",
        (2).to_bytes(8, "little") + b"[]",
        (53).to_bytes(8, "little") + b'{"0.weight":{"dtype":"F32","shape":[1],"data_offsets"',
        (64).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'.ljust(64),
        (64).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}'.ljust(64) + bytes(4),
        (64).to_bytes(8, "little") + b'{"a":{"dtype":"PY","shape":[1],"data_offsets":[0,4]}}'.ljust(64) + bytes(4),
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match=r"is no safetensors file|does not fit"):
        load_weights(small(), path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict_that_was_cut_off_anywhere_is_refused(tmp_path: Path, legacy: bool) -> None:
    """Found by fuzzing: torch raises struct.error, OSError and others, depending on where the file ends."""
    path = tmp_path / "w.pth"
    torch.save(small().state_dict(), path, _use_new_zipfile_serialization=not legacy)
    good = path.read_bytes()
    for length in range(0, len(good) - 1, 7):
        path.write_bytes(good[:length])
        with pytest.raises(FileProblem, match=r"no state dict|something else than a state dict|does not fit"):
            load_weights(small(), path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.weights"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileProblem, match=rf"{name} is missing"):
        load_weights(small(), tmp_path / name)


@pytest.mark.parametrize("index", range(len(FORMS)))
def test_tiny_yolov2_tells_its_form_by_the_file(tmp_path: Path, index: int) -> None:
    form = FORMS[index]
    with torch.device("meta"):
        state = Yolov2Tiny(form).state_dict()
    floats = sum(tensor.numel() for name, tensor in state.items() if not name.endswith("tracked"))
    path = tmp_path / "w.weights"
    path.write_bytes(np.array([0, 1, 0, 0], dtype="<i4").tobytes() + np.full(floats, 0.5, dtype="<f4").tobytes())
    assert form_of(path) == form
    model = load_model("yolov2_tiny", weights=path)
    assert model.labels == form.labels
    assert model.network(model.example_input).shape == (1, 5 * (5 + len(form.labels)), 13, 13)
