# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The figures of links.json: every system on every recorded link.

Every counted camera frame has a delay, see :func:`.delays.frame_delays`. A frame without detections of its own counts
until the detections of a newer frame arrive, or until the end of the run. It is counted as `dropped`, whether the
camera's publisher, the link, the detector or the robot left it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from testbed.run import Seen
from testbed.systems import OURS, System
from testbed.traces import Trace

ROBOT = "detector_on_robot"


@dataclass(frozen=True, slots=True)
class LinkRow:
    """
    One system on one recorded link, all rounds together.

    :param name: name of the system.
    :param frames: number of counted camera frames.
    :param answered: number of these whose own detections arrived.
    :param dropped: number of the others.
    :param mean_ms: mean delay over all counted frames; the following three are quantiles.
    :param f1: agreement of the answered frames with the whole fp32 network.
    :param wire_bytes_per_frame: bytes in both directions per counted frame.
    :param arms: share of the decisions for each arm; empty if the system is not this package.
    :param outcomes: share of the decisions with each outcome: edge, on_device, fallback.
    """

    name: str
    frames: int
    answered: int
    dropped: int
    mean_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    f1: float
    wire_bytes_per_frame: float
    robot_cpu_s_per_frame: float
    edge_cpu_s_per_frame: float
    arms: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, float] = field(default_factory=dict)


def make_link_row(system: System, rounds: Sequence[Seen], f1: Callable[[list[dict[str, Any]]], float]) -> LinkRow:
    """
    Return the row of one system on one link.

    :param f1: returns the agreement of a camera's frames.
    """
    delays_ms = 1e3 * np.array([delay for seen in rounds for delay in seen.delays_s])
    frames = [frame for seen in rounds for frame in seen.frames]
    decisions = [one for seen in rounds for one in seen.decisions]
    answered = sum(seen.answered for seen in rounds)
    median, p90, p99 = np.percentile(delays_ms, [50, 90, 99])
    return LinkRow(
        name=system.name,
        frames=len(frames),
        answered=answered,
        dropped=len(frames) - answered,
        mean_ms=round(float(delays_ms.mean()), 2),
        median_ms=round(float(median), 2),
        p90_ms=round(float(p90), 2),
        p99_ms=round(float(p99), 2),
        f1=round(f1(frames), 4),
        wire_bytes_per_frame=round(sum(seen.wire_bytes for seen in rounds) / len(frames), 1),
        robot_cpu_s_per_frame=round(sum(seen.robot_cpu_s for seen in rounds) / len(frames), 5),
        edge_cpu_s_per_frame=round(sum(seen.edge_cpu_s for seen in rounds) / len(frames), 5),
        arms=_shares([one["arm"] for one in decisions]),
        outcomes=_shares([one["outcome"] for one in decisions]),
    )


def make_link(trace: Trace, rows: Sequence[LinkRow], listed: Sequence[str]) -> dict[str, Any]:
    """
    Return the entry of one link.

    :param rows: one for each system that ran on it.
    :param listed: names of the alternatives. Each one counts for the best, whatever its agreement.
    """
    by_name = {row.name: row for row in rows}
    ours, robot = by_name.get(OURS), by_name.get(ROBOT)
    best = min((row for row in rows if row.name in listed), key=lambda row: row.mean_ms, default=None)
    return {
        "name": trace.name,
        "seconds": trace.seconds,
        "mean_mbps": round(trace.mean_mbps, 3),
        "max_mbps": max(trace.mbps),
        "down_share": round(trace.down_share, 3),
        "queue_bytes": trace.queue_bytes,
        "systems": [asdict(row) for row in rows],
        "best_alternative": best.name if best else None,
        "ratio_to_best": round(ours.mean_ms / best.mean_ms, 4) if ours and best else None,
        "p99_to_robot": round(ours.p99_ms / robot.p99_ms, 4) if ours and robot else None,
    }


def make_links_summary(
    links: Sequence[Mapping[str, Any]], everything: Sequence[System], about: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return the content of links.json.

    :param links: one entry for each link, from :func:`make_link`.
    :param about: machine and settings.
    :returns: with the means over the links of `ratio_to_best` and `p99_to_robot`; null if a link has none.
    """
    return {
        **about,
        "links": list(links),
        "ratio_to_best": _mean([link["ratio_to_best"] for link in links]),
        "p99_to_robot": _mean([link["p99_to_robot"] for link in links]),
        "described": {system.name: system.in_words for system in everything},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known and len(known) == len(values) else None


def _shares(names: Sequence[str]) -> dict[str, float]:
    return {name: round(number / len(names), 4) for name, number in Counter(names).most_common()}
