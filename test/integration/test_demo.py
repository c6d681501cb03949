# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demo from end to end: real video, real weights, four processes, and their results."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import cv2
import pytest
from support import Process, Processes, wait_for

START_S = 120.0


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def ended(demo: Process, timeout: float = START_S) -> int:
    wait_for(lambda: demo.popen.poll() is not None, timeout, "the end of the demo")
    return int(demo.popen.returncode)


def summary_in(out: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


def started_by(demo: Process) -> list[int]:
    return [
        int(line.rpartition(" ")[2].rstrip(")")) for line in demo.output.splitlines() if " starts (process " in line
    ]


def test_a_run_counts_every_frame_and_leaves_its_results(processes: Processes, out: Path) -> None:
    demo = processes.start("neurosurgeon", "demo", "--frames", "40", "--uplink", "500", "--out", out)
    assert ended(demo) == 0, demo.output

    summary = summary_in(out)
    accepted = summary["frames_accepted"]
    assert accepted >= 40
    assert summary["detections_published"] == summary["detections_matched"] == accepted
    assert sum(summary["outcomes"].values()) == sum(summary["chosen"].values()) == accepted
    assert summary["outcomes"]["edge"] > 0
    assert summary["partition_points"] > 2
    assert (summary["link"], summary["robot_speed"]) == ("emulated 500 Mbit/s", 0.2)
    assert summary["objects"]["person"] > 0
    assert summary["objects"]["car"] > 0
    # One image may be moving into or out of the slot while the robot counts.
    assert abs(summary["frames_received"] - accepted - summary["frames_dropped_busy"]) <= 1

    with (out / "decisions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["sequence"]) for row in rows] == list(range(1, accepted + 1))
    assert [int(row["stamp_ns"]) for row in rows] == sorted({int(row["stamp_ns"]) for row in rows})

    capture = cv2.VideoCapture(str(out / "annotated.mp4"))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == accepted
    assert cv2.imread(str(out / "timeline.png")) is not None
    assert "emulated" in demo.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in started_by(demo))


@pytest.mark.parametrize(
    ("number", "moment", "least"),
    [pytest.param(signal.SIGINT, "frame 1/", 1, marks=pytest.mark.full), (signal.SIGTERM, "edge_node starts", 0)],
)
def test_an_interrupted_run_ends_well_and_leaves_what_it_has(
    processes: Processes, out: Path, number: signal.Signals, moment: str, least: int
) -> None:
    demo = processes.start("neurosurgeon", "demo", "--out", out, keep_signals=True)
    demo.wait_for_output(moment, START_S)
    demo.popen.send_signal(number)
    assert ended(demo, 10.0) == 0, demo.output

    assert "Traceback" not in demo.output
    assert summary_in(out)["frames_accepted"] >= least
    pids = started_by(demo)
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    for log in (out / "log").glob("*.log"):
        assert "Traceback" not in log.read_text()


def test_a_node_that_cannot_start_ends_the_run_with_its_sentence(
    processes: Processes, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "short.weights").write_bytes(b"too short")
    demo = processes.start("neurosurgeon", "demo", "--weights", tmp_path / "short.weights", "--out", out)
    assert ended(demo) == 1

    last = demo.output.splitlines()[-1]
    assert last.startswith("neurosurgeon demo: edge_node has ended with exit code 1: ")
    assert "short.weights" in last
    assert "Traceback" not in demo.output
