# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Make an environment from a real run, to estimate how other policies would have performed.

A run shows only the delays of the arms that it chose. The environment is therefore a *model-based estimate* (the direct
method of off-policy evaluation), and has only the observed arms. The time of an arm on the robot and at the edge is its
median over the run. The link's seconds per byte at a frame are interpolated between the nearest frames that the edge
answered. Inverse propensity weighting is not possible, because most policies are deterministic.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurosurgeon_ros.learning.interface import FEATURES, FloatArray
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.table import NetworkTable, non_negative

ESTIMATE = "model-based (direct method)"
ON_DEVICE = "on_device"
_ROBOT = ("preprocess_delay", "front_end_delay", "encode_delay")
_EDGE = ("edge_decode_delay", "edge_compute_delay", "edge_postprocess_delay")
_NUMBERS = (*_ROBOT, *_EDGE, "finish_delay", "transmit_delay", "edge_queue_delay", "total_delay", "sent_bytes")
COLUMNS = ("arm", "partition_point", "key_frame", "outcome", *_NUMBERS)
#: Assumed multiply-accumulates per second of an arm's back-end, because the run does not record their number.
_MACS_PER_S = 500e9


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """
    A recorded run.

    :param environment: estimate of the run's true delays.
    :param mean_delay_s: measured mean total delay of the run in seconds.
    :param left_out: arms that were chosen but never answered by the edge, so that their delays are unknown.
    """

    environment: Environment
    mean_delay_s: float
    left_out: tuple[str, ...]


def read_replay(path: Path, *, period_s: float = 0.1, seed: int = 0) -> Replay:
    """
    Make an environment from the decisions.csv of a run.

    :param path: the file.
    :param period_s: seconds between two camera images.
    :param seed: seed of the noise.
    :raises ValueError: if columns are missing, a number is negative or not finite, or the run has no frame that the
        edge answered or no frame that the robot finished.
    :raises OSError: if the file cannot be read.
    """
    rows = _read(path)
    frames = len(rows)
    robot: dict[str, list[float]] = {ON_DEVICE: []}
    edge: dict[str, list[float]] = {}
    sent: dict[str, list[float]] = {}
    points = {row["arm"]: int(float(row["partition_point"] or 0)) for row in rows}
    at, sizes, transmits = [], [], []
    values = [{name: _value(row[name]) for name in _NUMBERS} for row in rows]
    for k, (row, value) in enumerate(zip(rows, values, strict=True)):
        arm = row["arm"]
        stages_s = sum(value[name] for name in _ROBOT)
        if row["outcome"] != "edge":
            robot[ON_DEVICE].append(stages_s + value["finish_delay"])
        elif value["transmit_delay"] > 0.0 and value["sent_bytes"] > 0.0:
            robot.setdefault(arm, []).append(stages_s)
            edge.setdefault(arm, []).append(sum(value[name] for name in _EDGE))
            sent.setdefault(arm, []).append(value["sent_bytes"])
            at.append(k)
            sizes.append(value["sent_bytes"])
            transmits.append(value["transmit_delay"])
    if not robot[ON_DEVICE] or not at:
        missing = "finished on the robot" if at else "answered by the edge"
        raise ValueError(
            f"{path} holds no frame that was {missing}, so that other policies cannot be estimated from it"
        )

    names = (*sorted(edge, key=lambda arm: (points[arm], arm)), ON_DEVICE)
    robot_s = np.array([np.median(robot[arm]) for arm in names])
    compute_s = np.array([np.median(edge[arm]) if arm in edge else 0.0 for arm in names])
    features = np.zeros((len(names), len(FEATURES)))
    features[:, FEATURES.index("conv_macs")] = compute_s * _MACS_PER_S
    features[:, FEATURES.index("psi")] = [np.median(sent[arm]) if arm in sent else 0.0 for arm in names]
    round_trip_s, seconds_per_byte, spread = _link(np.array(sizes), np.array(transmits))
    return Replay(
        environment=Environment(
            table=NetworkTable(path.stem, names, features, robot_s, compute_s),
            robot_s=robot_s,
            compute_s=compute_s,
            transmission_factor=np.ones(len(names)),
            round_trip_s=round_trip_s,
            mbps=8e-6 / np.interp(np.arange(frames), at, seconds_per_byte),
            slowdown=np.ones(frames),
            queue_s=np.interp(np.arange(frames), at, [values[k]["edge_queue_delay"] for k in at]),
            key_frames=np.array([row["key_frame"].strip().lower() in ("1", "true") for row in rows]),
            noise=Noise(sd=spread, log_normal=True),
            seed=seed,
            period_s=period_s,
        ),
        mean_delay_s=float(np.mean([value["total_delay"] for value in values])),
        left_out=tuple(sorted(arm for arm in points if arm not in names)),
    )


def _link(sizes: FloatArray, transmits: FloatArray) -> tuple[float, FloatArray, float]:
    """
    Split transmission delays into a round trip and seconds per byte, and the latter into a slow trend and noise.

    :returns: seconds of the round trip, smoothed seconds per byte of each transmission, and the standard deviation of
        the logarithm of the noise.
    """
    round_trip_s = 0.0
    if sizes.max() > 2.0 * sizes.min():
        slope, at_zero = np.polyfit(sizes, transmits, 1)
        if slope > 0.0:
            round_trip_s = float(np.clip(at_zero, 0.0, 0.9 * transmits.min()))
    logs = np.log((transmits - round_trip_s) / sizes)
    half = min(2, (len(logs) - 1) // 2)
    smooth = np.array([np.median(logs[max(0, k - half) : k + half + 1]) for k in range(len(logs))])
    spread = float(np.clip(1.4826 * np.median(np.abs(logs - smooth)), 0.01, 0.5))
    return round_trip_s, np.exp(smooth), spread


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or (), list(reader)
    except (csv.Error, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} cannot be read as CSV ({problem}); give the decisions.csv of a run") from None
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; give the decisions.csv of a run")
    for line, row in enumerate(rows, start=2):
        if any(row[column] is None for column in COLUMNS):
            raise ValueError(f"{path}, line {line} has fewer cells than columns; give the decisions.csv of a run")
        for column in _NUMBERS:
            if row[column]:
                non_negative(row[column], f"{path}, line {line}, column {column}")
        non_negative(row["partition_point"], f"{path}, line {line}, column partition_point")
    return rows


def _value(text: str) -> float:
    """Return the number in a cell. An empty cell is 0, because the stage did not run."""
    return float(text) if text else 0.0
