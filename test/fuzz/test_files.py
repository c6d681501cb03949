# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A damaged file of weights, a network, a recording or a policy's state is read, or rejected in one sentence."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz.cases import Case, Fuzz
from mcap.writer import Writer
from rclpy.serialization import serialize_message
from torch import nn
from torchscript_files import replaced, save

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.state import load_state, save_state
from neurosurgeon_ros.models.families.names import read_names
from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.own import load_own
from neurosurgeon_ros.models.shipped.darknet import load_darknet
from neurosurgeon_ros.models.weights import load_weights
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.recording.recording import read_recording

#: One case in this many is tried where torch takes milliseconds; where it takes a tenth of a second.
SLOW, SLOWEST = 20, 200


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 6 * 6, 3))


def darknet_bytes() -> bytes:
    floats = 2 * 4 + 2 * 3 * 3 * 3
    return struct.pack("<iiiq", 0, 2, 0, 1) + np.arange(floats, dtype="<f4").tobytes()


def safetensors_bytes() -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in small_network().state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        part = tensor.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def damage(case: Case, good: bytes, path: Path) -> Path:
    path.write_bytes(case.damaged(good))
    return path


def test_damaged_darknet_weights(fuzz: Fuzz, tmp_path: Path) -> None:
    network, good = small_network(), darknet_bytes()
    fuzz(lambda case: load_darknet(network[:2], damage(case, good, tmp_path / "a.weights")), FileProblem)


def test_damaged_safetensors(fuzz: Fuzz, tmp_path: Path) -> None:
    network, good = small_network(), safetensors_bytes()
    fuzz(lambda case: load_weights(network, damage(case, good, tmp_path / "a.safetensors")), FileProblem)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_damaged_state_dict(fuzz: Fuzz, tmp_path: Path, legacy: bool) -> None:
    network, path = small_network(), tmp_path / "a.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    good = path.read_bytes()
    fuzz(lambda case: load_weights(network, damage(case, good, path)), FileProblem, every=SLOW)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_damaged_checkpoint(fuzz: Fuzz, tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "a.pt"
    torch.save({"model": small_network()}, path, _use_new_zipfile_serialization=not legacy)
    good = path.read_bytes()
    fuzz(lambda case: load_own(str(damage(case, good, path)), None, random_weights=False), FileProblem, every=SLOW)


@pytest.mark.parametrize("name", ["data.yaml", "names.txt"])
def test_damaged_names_of_classes(fuzz: Fuzz, tmp_path: Path, name: str) -> None:
    good = b"path: x\nnames:\n  0: nut\n  1: bolt\n  2: [washer]\nnc: 3\n"
    fuzz(lambda case: read_names(damage(case, good, tmp_path / name)), FileProblem)


def test_a_damaged_exported_network(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    torch.export.save(torch.export.export(small_network().eval(), (torch.rand(1, 3, 8, 8),)), path)
    good = path.read_bytes()
    fuzz(
        lambda case: load_own(str(damage(case, good, path)), None, random_weights=False),
        *(FileProblem, ValueError),
        every=SLOWEST,
        longest_s=30.0,  # torch reads and traces a whole program
    )


@pytest.mark.parametrize("member", ["", "data.pkl", "constants.pkl", "traced_inputs.pkl", ".py"])
def test_a_damaged_torchscript_program(fuzz: Fuzz, tmp_path: Path, member: str) -> None:
    path = tmp_path / "a.torchscript"
    save(small_network().eval(), torch.rand(1, 3, 8, 8), path)
    if member:  # the archive and its checksums stay good, so that what is read behind them is tried
        with zipfile.ZipFile(path) as archive:
            name = next(one for one in archive.namelist() if one.endswith(member))
            good = archive.read(name)

    def attempt(case: Case) -> None:
        if member:
            load_own(str(replaced(path, {name: case.damaged(good)})), None, random_weights=False)
        else:
            load_own(str(damage(case, whole, tmp_path / "b.torchscript")), None, random_weights=False)

    whole = path.read_bytes()
    fuzz(attempt, FileProblem, ValueError, every=SLOW)


def test_a_damaged_state_of_a_policy(fuzz: Fuzz, tmp_path: Path) -> None:
    path, names = tmp_path / "state.json", ("input/uint8", "pool/fp32", "on_device")

    def policy() -> object:
        return make_policy("mu_lin_ucb", n_arms=len(names))

    assert save_state(path, policy(), name="mu_lin_ucb", model="f", arms=names)  # type: ignore[arg-type]
    good = path.read_bytes()

    def attempt(case: Case) -> None:
        load_state(damage(case, good, path), policy(), name="mu_lin_ucb", model="f", arms=names)  # type: ignore[arg-type]

    fuzz(attempt, ValueError)


def test_a_damaged_recording(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    kind = "neurosurgeon_ros/msg/PartitionDecision"
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=600)
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema(kind, "ros2msg", b"")
        channel = writer.register_channel("/decision", "cdr", schema)
        for number in range(4):
            data = serialize_message(PartitionDecision(sequence=number))
            writer.add_message(channel, log_time=number, data=data, publish_time=number)
        writer.finish()
    assert len(read_recording(path)) == 4
    good = path.read_bytes()
    fuzz(lambda case: read_recording(damage(case, good, path)))
