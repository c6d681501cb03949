# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Results of a run: the figures of summary.json, and the table of decisions.csv."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Minimum number of observations for a prediction error.
LEAST_OBSERVATIONS = 30

_OUTCOMES = ("edge", "on_device", "fallback")


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """
    Settings of a run.

    :param link: loopback, or the rate of the emulated link.
    :param robot_speed: fraction of this computer's speed, in (0, 1].
    :param partition_points: number of the network's partition points; None if the robot did not report it.
    :param frames_wanted: number of accepted frames after which the run should end.
    :param random_weights: whether the weights are random, so that detections have no meaning.
    """

    rmw: str
    policy: str
    model: str
    link: str
    robot_speed: float
    partition_points: int | None
    frames_wanted: int
    seed: int
    random_weights: bool = False


def summarise(
    setting: Setting, decisions: Sequence[SeenDecision], *, published: int, matched: int, objects: Counter[str]
) -> dict[str, Any]:
    """
    Make the content of summary.json.

    :param published: number of detections messages received.
    :param matched: of these, those with the header of an image that was seen.
    :param objects: how often each class was detected.
    """
    last_half = decisions[len(decisions) // 2 :]
    totals_ms = 1e3 * np.array([decision.total_delay for decision in decisions])
    totals_ms = totals_ms[np.isfinite(totals_ms)]
    outcomes = Counter(decision.outcome for decision in decisions)
    return {
        "rmw": setting.rmw,
        "policy": setting.policy,
        "model": setting.model,
        "random_weights": setting.random_weights,
        "link": setting.link,
        "robot_speed": setting.robot_speed,
        "seed": setting.seed,
        "frames_wanted": setting.frames_wanted,
        "frames_received": _last_of_sessions(decisions, "frames_received"),
        "frames_accepted": _last_of_sessions(decisions, "frames_accepted"),
        "frames_dropped_busy": _last_of_sessions(decisions, "frames_dropped"),
        "frames_rejected": _last_of_sessions(decisions, "frames_rejected"),
        "detections_published": published,
        "detections_matched": matched,
        "outcomes": {outcome: outcomes[outcome] for outcome in _OUTCOMES},
        "key_frames": sum(decision.key_frame for decision in decisions),
        "forced_samples": sum(decision.forced for decision in decisions),
        "partition_points": setting.partition_points,
        "chosen": _chosen(decisions),
        "chosen_last_half": _chosen(last_half),
        "delay_ms": {
            "mean": _rounded(np.mean(totals_ms)) if totals_ms.size else None,
            "p50": _rounded(np.percentile(totals_ms, 50)) if totals_ms.size else None,
            "p95": _rounded(np.percentile(totals_ms, 95)) if totals_ms.size else None,
        },
        "prediction_error": prediction_error(last_half),
        "objects": dict(objects.most_common()),
    }


def prediction_error(decisions: Iterable[SeenDecision]) -> float | None:
    """
    Return the mean error of the predicted edge offloading delay, relative to the observed delay.

    :param decisions: only decisions that the edge answered, with a predicted and a measured delay, are used.
    :returns: None for fewer than 30 observations.
    """
    errors = [
        abs(decision.predicted_offload_delay - decision.offload_delay) / decision.offload_delay
        for decision in decisions
        if decision.outcome == "edge"
        and math.isfinite(decision.predicted_offload_delay)
        and math.isfinite(decision.offload_delay)
        and decision.offload_delay > 0.0
    ]
    return round(float(np.mean(errors)), 4) if len(errors) >= LEAST_OBSERVATIONS else None


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Write summary.json."""
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")


def write_decisions(decisions: Iterable[SeenDecision], path: Path) -> None:
    """Write decisions.csv: one row per accepted frame, delays in seconds, empty if there is none."""
    names = [field.name for field in dataclasses.fields(SeenDecision) if field.name != "header"]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["stamp_ns", "frame_id", *names])
        for decision in decisions:
            writer.writerow([*decision.header, *(_cell(getattr(decision, name)) for name in names)])


def in_words(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a summary as short lines for the terminal, each with a name and its figures."""
    delay, outcomes = summary["delay_ms"], summary["outcomes"]
    lines = [
        (
            "frames",
            f"{summary['frames_accepted']} accepted of {summary['frames_received']} received, "
            f"{summary['frames_dropped_busy']} dropped while the robot was busy",
        ),
        ("detections", f"{summary['detections_published']} messages, {_counted(summary['objects'])}"),
        ("outcomes", ", ".join(f"{name} {number}" for name, number in outcomes.items())),
        ("chosen", _counted(summary["chosen"])),
        ("in the last half", _counted(summary["chosen_last_half"])),
        ("key frames", f"{summary['key_frames']}, forced samples {summary['forced_samples']}"),
    ]
    if delay["mean"] is not None:
        lines.append(
            ("delay", f"mean {delay['mean']:.0f} ms, median {delay['p50']:.0f} ms, 95 % {delay['p95']:.0f} ms")
        )
    error = summary["prediction_error"]
    lines.append(
        (
            "prediction error",
            f"fewer than {LEAST_OBSERVATIONS} observations" if error is None else f"{100 * error:.1f} %",
        )
    )
    speed = summary["robot_speed"]
    lines.append(
        ("robot", f"emulated, at {speed:g} of the speed of one core" if speed < 1.0 else "this computer's own speed")
    )
    if summary["random_weights"]:
        lines.append(("weights", "random: delays mean something, detections do not"))
    link = summary["link"]
    rate = link.removeprefix("emulated ")
    lines.append(("link", "loopback, on this machine" if rate == link else f"emulated, {rate} from robot to edge"))
    return lines


def _last_of_sessions(decisions: Sequence[SeenDecision], name: str) -> int:
    """Add up the robot's counts at the end of each of its sessions."""
    return sum({decision.session: int(getattr(decision, name)) for decision in decisions}.values())


def _chosen(decisions: Sequence[SeenDecision]) -> dict[str, int]:
    return dict(Counter(decision.arm for decision in decisions).most_common())


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"


def _rounded(value: Any) -> float:
    return round(float(value), 3)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
