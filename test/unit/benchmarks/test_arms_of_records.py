# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm tables of runs name the arms with memory of the network's calibration, as the robot's own table does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from run_records import logged_table
from testbed.machine import share_out, usable_cores
from testbed.run import Setting
from testbed.trace_record import robot_arms

from neurosurgeon_ros.calibration.fidelity import FidelityTable, StreamFidelity, write_fidelity
from neurosurgeon_ros.inference.engine import Engine

OWN = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(4, 2, 3), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(72, 5)), torch.zeros(1, 3, 32, 32)
"""
CODEC = "int4-delta-d0.75"


@pytest.fixture
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return a network with a calibration that has one arm with memory, and the arm's name."""
    pytest.importorskip("constriction")
    name = f"net_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path / "cache"))
    engine = Engine.load(f"{name}:make")
    arm = f"{engine.partitioned.points[1].name}/{CODEC}"
    stream = StreamFidelity(0.99, 0.98, 1.0, 17.0, rate_hz=2.0, key_bytes=170.0)
    write_fidelity(
        FidelityTable(engine.model.name, engine.fingerprint, "top-1", "frames", 2, 2, {}, streams={arm: (stream,)})
    )
    return f"{name}:make", arm


def test_the_arms_of_a_log_may_have_memory(calibrated: tuple[str, str], tmp_path: Path) -> None:
    model, arm = calibrated
    (tmp_path / "robot_node.log").write_text(f"own: 2 arms ({arm}, on_device), 40 ms on the device")
    table = logged_table(tmp_path, model, 0.5, 1, ("auto",), tmp_path / "delays")
    assert [one.name for one in table.arms] == [arm, "on_device"]
    assert table.key_bytes.tolist() == [170.0, 0.0]
    assert table.features[:, -1].tolist() == [17.0, 0.0]


def test_the_testbeds_table_has_the_arms_with_memory_that_the_robot_keeps(calibrated: tuple[str, str]) -> None:
    model, arm = calibrated
    engine = Engine.load(model)
    setting = Setting(cast(Any, None), share_out(usable_cores()), Path(), model, 0.5, Path())
    table = robot_arms(engine, setting)
    assert arm in [one.name for one in (*table.arms, *table.left_out)]
