# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What all runs came to: the figures of summary.json."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from testbed.accuracy import LEAST_F1
from testbed.delays import percentiles_ms
from testbed.run import Seen
from testbed.systems import JPEG_80, OURS, System

#: The stages of a decision, for the mean of each.
STAGES = (
    "slot_delay",
    "preprocess_delay",
    "front_end_delay",
    "encode_delay",
    "transmit_delay",
    "edge_queue_delay",
    "edge_decode_delay",
    "edge_compute_delay",
    "edge_postprocess_delay",
    "finish_delay",
    "total_delay",
)


@dataclass(frozen=True, slots=True)
class Row:
    """
    One system in one scenario, all rounds together.

    :param name: of the system.
    :param uplink_mbps: the scenario: a rate in Mbit/s, or `changing`.
    :param delay_ms: mean, p50, p95 and p99 over every camera frame.
    :param fps: detections a second, each camera frame once.
    :param wire_bytes_per_frame: both directions, per camera frame.
    :param robot_cpu_s_per_frame: of all processes on the robot, the camera among them, per camera frame.
    :param f1: against the whole fp32 network on the frames that were answered.
    :param rounds_ms: mean delay of each round.
    :param stages_ms: mean of each of this package's stages where it ran.
    :param arms: how often this package chose each arm.
    """

    name: str
    uplink_mbps: float | str
    delay_ms: dict[str, float]
    fps: float
    wire_bytes_per_frame: float
    robot_cpu_s_per_frame: float
    edge_cpu_s_per_frame: float
    f1: float
    answered: int
    frames: int
    rounds_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, float] = field(default_factory=dict)
    arms: dict[str, int] = field(default_factory=dict)

    @property
    def mean_ms(self) -> float:
        """Mean delay, milliseconds."""
        return self.delay_ms["mean"]


def make_row(system: System, scenario: str, rounds: Sequence[Seen], f1: Callable[[list[dict[str, Any]]], float]) -> Row:
    """
    Put all rounds of one system in one scenario together.

    :param f1: of a camera's frames.
    """
    delays = [delay for seen in rounds for delay in seen.delays_s]
    frames = [frame for seen in rounds for frame in seen.frames]
    decisions = [one for seen in rounds for one in seen.decisions]
    answered = sum(seen.answered for seen in rounds)
    return Row(
        name=system.name,
        uplink_mbps=float(scenario) if scenario != "changing" else scenario,
        delay_ms=percentiles_ms(delays),
        fps=round(answered / sum(seen.seconds for seen in rounds), 3),
        wire_bytes_per_frame=round(sum(seen.wire_bytes for seen in rounds) / len(frames), 1),
        robot_cpu_s_per_frame=round(sum(seen.robot_cpu_s for seen in rounds) / len(frames), 5),
        edge_cpu_s_per_frame=round(sum(seen.edge_cpu_s for seen in rounds) / len(frames), 5),
        f1=round(f1(frames), 4),
        answered=answered,
        frames=len(frames),
        rounds_ms=[percentiles_ms(seen.delays_s)["mean"] for seen in rounds],
        stages_ms=_stages_ms(decisions),
        arms=dict(Counter(one["arm"] for one in decisions).most_common()),
    )


def ratios(rows: Sequence[Row], listed: Sequence[str], judged: Sequence[str] = ()) -> dict[str, dict[str, float]]:
    """
    Hold the default policy against the best listed alternative, and against jpeg 80.

    :param listed: names of the alternatives.
    :param judged: of these, those that were found to agree well enough before the runs: they count in any case, so that
        no single box of a run decides whom this package is held against.
    :returns: by summary.json's key and the scenario: ours / theirs, mean delay. An alternative that agrees too little
        counts for no best; where jpeg 80 does, this package is held against it at a fidelity as low.
    """
    best: dict[str, float] = {}
    equal: dict[str, float] = {}
    for scenario in dict.fromkeys(row.uplink_mbps for row in rows):
        here = {row.name: row for row in rows if row.uplink_mbps == scenario}
        if OURS not in here:
            continue
        key = f"{scenario:g}" if isinstance(scenario, float) else scenario
        agreeing = [here[name] for name in listed if name in here and (here[name].f1 >= LEAST_F1 or name in judged)]
        good = [row.mean_ms for row in agreeing]
        if good:
            best[key] = round(here[OURS].mean_ms / min(good), 4)
        if JPEG_80 in here:
            theirs = here[JPEG_80]
            lowered = [row for name, row in here.items() if name.startswith("default_f")]
            ours = here[OURS] if theirs.f1 >= LEAST_F1 or not lowered else lowered[0]
            equal[key] = round(ours.mean_ms / theirs.mean_ms, 4)
    return {"ratio_to_best": best, "ratio_at_equal_f1": equal}


def make_summary(
    rows: Sequence[Row], everything: Sequence[System], about: Mapping[str, Any], micro: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Make the content of summary.json.

    :param about: machine, link and settings.
    :param micro: what `make bench-micro` measured; empty if it has not run.
    """
    listed = [system.name for system in everything if system.listed]
    judged = [system.name for system in everything if system.judged]
    return {
        **about,
        "system": [asdict(row) for row in rows],
        **ratios(rows, listed, judged),
        "micro": dict(micro),
        "described": {system.name: system.in_words for system in everything},
    }


def _stages_ms(decisions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    means = {}
    for stage in STAGES:
        values = [one[stage] for one in decisions if one.get(stage) is not None and not math.isnan(one[stage])]
        if values:
            means[stage.removesuffix("_delay")] = round(1e3 * float(np.mean(values)), 2)
    return means
