# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures of summary.json."""

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
from testbed.systems import AT_FIDELITY, JPEG_80, OURS, WITHOUT_MEMORY, System

#: Stages of a decision whose means are reported.
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

    :param name: name of the system.
    :param uplink_mbps: scenario: a rate in Mbit/s, or `changing`.
    :param delay_ms: mean, p50, p95 and p99 over all counted camera frames, in milliseconds.
    :param fps: answered frames per second.
    :param wire_bytes_per_frame: bytes in both directions per counted frame.
    :param robot_cpu_s_per_frame: processor seconds of all processes on the robot, with the camera, per counted frame.
    :param edge_cpu_s_per_frame: the same on the edge.
    :param f1: agreement of the answered frames with the whole fp32 network.
    :param answered: number of counted frames whose own detections arrived.
    :param frames: number of counted frames.
    :param rounds_ms: mean delay of each round, in milliseconds.
    :param stages_ms: mean of each stage over the frames in which it ran, in milliseconds; empty for alternatives.
    :param arms: number of times that each arm was chosen; empty for alternatives.
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
        """Return the mean delay in milliseconds."""
        return self.delay_ms["mean"]


def make_row(system: System, scenario: str, rounds: Sequence[Seen], f1: Callable[[list[dict[str, Any]]], float]) -> Row:
    """
    Return the row of one system in one scenario.

    :param rounds: measurements of each round.
    :param f1: returns the agreement of a camera's frames.
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
    Compare the default policy with the best listed alternative, and with jpeg 80.

    :param listed: names of the alternatives.
    :param judged: names of those that agreed well enough before the runs. They always count, so that a single detection
        of a run does not decide which alternative is the best one.
    :returns: mean delay of the default policy divided by the alternative's, by key of summary.json and by scenario. An
        alternative that agrees too little is never the best one. If jpeg 80 agrees too little, it is compared with this
        package at an equally low fidelity. The default policy is also divided by itself without codecs with memory.
    """
    best: dict[str, float] = {}
    equal: dict[str, float] = {}
    memory: dict[str, float] = {}
    for scenario in dict.fromkeys(row.uplink_mbps for row in rows):
        here = {row.name: row for row in rows if row.uplink_mbps == scenario}
        if OURS not in here:
            continue
        key = f"{scenario:g}" if isinstance(scenario, float) else scenario
        agreeing = [here[name] for name in listed if name in here and (here[name].f1 >= LEAST_F1 or name in judged)]
        good = [row.mean_ms for row in agreeing]
        if good:
            best[key] = round(here[OURS].mean_ms / min(good), 4)
        if WITHOUT_MEMORY in here:
            memory[key] = round(here[OURS].mean_ms / here[WITHOUT_MEMORY].mean_ms, 4)
        if JPEG_80 in here:
            theirs = here[JPEG_80]
            lowered = [row for name, row in here.items() if name.startswith(AT_FIDELITY)]
            ours = here[OURS] if theirs.f1 >= LEAST_F1 or not lowered else lowered[0]
            equal[key] = round(ours.mean_ms / theirs.mean_ms, 4)
    return {"ratio_to_best": best, "ratio_at_equal_f1": equal, "ratio_without_memory": memory}


def make_summary(
    rows: Sequence[Row], everything: Sequence[System], about: Mapping[str, Any], micro: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return the content of summary.json.

    :param everything: all systems that could run.
    :param about: machine, link and settings.
    :param micro: results of `make bench-micro`; empty if it has not run.
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
