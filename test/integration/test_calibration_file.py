# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with a calibration file of its own: it is used, and a file that does not fit is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.calibration.fidelity import find_shipped
from neurosurgeon_ros.inference.engine import Engine

MODEL = "mobilenet_v2"


@pytest.fixture
def shipped(root: Path) -> Path:
    """Return the file of the shipped calibration."""
    fingerprint = Engine.load(MODEL).fingerprint
    assert find_shipped(fingerprint) is not None
    return root / "src/neurosurgeon_ros/models/calibrations" / f"{fingerprint}.json"


def _robot(processes: Processes, own: Path) -> Process:
    values = (f"model:={MODEL}", f"calibration:={own}", "threads:=1")
    return processes.start("robot_node", "--ros-args", *(word for value in values for word in ("-p", value)))


def test_a_robot_uses_its_own_file(ros_domain: int, processes: Processes, shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "hall.json"
    own.write_text(json.dumps({**json.loads(shipped.read_text()), "images": "pictures of the hall"}))
    with watching() as watcher:
        _robot(processes, own)
        watcher.robot_is_there()
        watcher.until(lambda: "pictures of the hall" in watcher.values.get("calibration", ""), "the diagnostics")


@pytest.mark.parametrize("is_another", [True, False])
def test_a_file_that_does_not_fit_is_refused(
    processes: Processes, shipped: Path, tmp_path: Path, is_another: bool
) -> None:
    own = tmp_path / "hall.json"
    if is_another:
        own.write_text(json.dumps({**json.loads(shipped.read_text()), "fingerprint": "0" * 64}))
    robot = _robot(processes, own)
    reason = f"belongs to {MODEL}, another network" if is_another else "cannot be read"
    robot.wait_for_output(f"the calibration {own} {reason}")
