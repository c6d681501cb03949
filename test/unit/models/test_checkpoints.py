# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files with code are refused before anything of them is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from neurosurgeon_ros.models import FileProblem, load_model
from neurosurgeon_ros.models.checkpoints import refuse_code


class Trap(nn.Module):
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_pickled_network_is_refused_with_how_to_export_it(tmp_path: Path, zipped: bool, suffix: str) -> None:
    path, trace = tmp_path / f"yolov8n{suffix}", tmp_path / "trace"
    torch.save(
        {"epoch": -1, "model": nn.Sequential(nn.Conv2d(3, 4, 3), Trap(trace))},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    for load in (
        lambda: load_model(str(path)),
        lambda: load_model(f"{path}:yolov8"),
        lambda: load_model("yolov3_tiny", weights=path),
    ):
        reason = r"pickled torch\.nn\.modules.*not unpickled.*torch\.export\.save"
        with pytest.raises(FileProblem, match=reason) as caught:
            load()
        assert "\n" not in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_alone_are_no_network(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "state.pt"
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), path, _use_new_zipfile_serialization=zipped)
    refuse_code(path)
    with pytest.raises(FileProblem, match="holds no network, at most its weights: give it as the weights"):
        load_model(str(path))


def test_a_torchscript_program_is_no_file_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "yolov8n.torchscript"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("yolov8n/constants.pkl", b"")
        archive.writestr("yolov8n/code/__torch__.py", b"")
    with pytest.raises(FileProblem, match=r"is a TorchScript program where weights are expected: give it as the model"):
        load_model("yolov3_tiny", weights=path)
    with pytest.raises(FileProblem, match=r"is damaged or cut off"):
        load_model(str(path))


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"gone\.pt is missing"):
        load_model(str(tmp_path / "gone.pt"))


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x02cos\n", b"PK\x03\x04 cut off", b"\x80\x02}q\x00."])
def test_what_is_damaged_is_left_to_whoever_reads_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    refuse_code(path)
    with pytest.raises(FileProblem, match="holds no network"):
        load_model(str(path))
