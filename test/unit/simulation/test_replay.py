# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Environments made from the decisions.csv of a run."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from neurosurgeon_ros.simulation.policies import simulated_policy
from neurosurgeon_ros.simulation.replay import COLUMNS, read_replay
from neurosurgeon_ros.simulation.simulate import simulate

STAGES = {
    "input/uint8": {
        "preprocess_delay": 0.004,
        "edge_decode_delay": 0.001,
        "edge_compute_delay": 0.04,
        "sent_bytes": 500_000,
    },
    "pool4/fp32": {
        "preprocess_delay": 0.004,
        "front_end_delay": 0.05,
        "encode_delay": 0.002,
        "edge_compute_delay": 0.03,
        "sent_bytes": 300_000,
    },
}


def write(path: Path, frames: int = 200, changed: dict[int, dict[str, object]] | None = None) -> Path:
    """Write a run that chooses the arms in turn. The link has 5 MB/s in the first half and 20 MB/s in the second."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["sequence", *COLUMNS])
        writer.writeheader()
        for k in range(frames):
            row: dict[str, object] = {"sequence": k + 1, "key_frame": k % 5 == 0}
            arm = ("input/uint8", "pool4/fp32", "on_device")[k % 3]
            if arm == "on_device":
                row |= {"arm": arm, "partition_point": 9, "outcome": arm, "front_end_delay": 0.18, "total_delay": 0.18}
            else:
                size = float(STAGES[arm]["sent_bytes"])
                transmit = (0.003 + size / (5e6 if k < frames // 2 else 20e6)) * (1 + 0.02 * rng.standard_normal())
                row |= {"arm": arm, "partition_point": k % 3, "outcome": "edge", "transmit_delay": transmit}
                row |= STAGES[arm] | {"total_delay": 0.1}
            writer.writerow(row | (changed or {}).get(k, {}))
    return path


def test_delays_are_those_of_the_run(tmp_path: Path) -> None:
    environment = read_replay(write(tmp_path / "decisions.csv")).environment
    assert environment.table.points == ("input/uint8", "pool4/fp32", "on_device")
    total_s = environment.total_s()
    assert total_s[20] == pytest.approx([0.148, 0.149, 0.18], rel=0.05)
    assert total_s[180] == pytest.approx([0.073, 0.104, 0.18], rel=0.05)
    assert environment.key_frames.sum() == 40


def test_policies_run_on_it(tmp_path: Path) -> None:
    environment = read_replay(write(tmp_path / "decisions.csv")).environment
    run = simulate(simulated_policy("adaptive_mu_lin_ucb", environment), environment)
    assert run.ratio(50) <= 1.05
    assert np.bincount(run.arms[120:]).argmax() == 0


def test_arm_that_never_answered_is_named(tmp_path: Path) -> None:
    lost = {3: {"arm": "conv1/fp32", "outcome": "fallback", "transmit_delay": "", "finish_delay": 0.176}}
    assert read_replay(write(tmp_path / "decisions.csv", changed=lost)).left_out == ("conv1/fp32",)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({4: {"transmit_delay": -1}}, "line 6, column transmit_delay is '-1'"),
        ({4: {"total_delay": "inf"}}, "line 6, column total_delay is 'inf'"),
        ({4: {"sent_bytes": "many"}}, "line 6, column sent_bytes is 'many'"),
        ({k: {"outcome": "fallback"} for k in range(200)}, "no frame that was answered by the edge"),
        ({k: {"outcome": "edge"} for k in range(200)}, "no frame that was finished on the robot"),
    ],
)
def test_run_that_is_no_good_is_refused(tmp_path: Path, changed: dict[int, dict[str, object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_replay(write(tmp_path / "decisions.csv", changed=changed))


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("arm,outcome\non_device,on_device\n")
    with pytest.raises(ValueError, match="has no column partition_point, key_frame"):
        read_replay(path)


def test_a_row_that_ends_early_is_named(tmp_path: Path) -> None:
    """Regression: fuzzing found that the key frame of such a row was None."""
    path = write(tmp_path / "decisions.csv")
    lines = path.read_text().splitlines()
    lines[6] = lines[6].partition(",")[0]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="line 7 has fewer cells than columns"):
        read_replay(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"arm\n" + b"x" * 200_000])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as CSV"):
        read_replay(path)
