# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Text and numbers of a report: the table of figures, and the spans without the edge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Labels of the outcomes.
OUTCOMES = {
    "edge": "answered by the edge",
    "on_device": "worked on by the robot alone",
    "fallback": "sent, but finished on the robot",
}


@dataclass(frozen=True, slots=True)
class Span:
    """
    Consecutive frames that the robot had to process without the edge's answer.

    :param first: number of the first frame, from 1.
    :param last: number of the last frame.
    :param seconds: seconds between the stamps of both frames.
    :param kind: fallback, or no edge.
    :param reason: reason of the first frame.
    """

    first: int
    last: int
    seconds: float
    kind: str
    reason: str


def spans(decisions: Sequence[SeenDecision]) -> list[Span]:
    """Find the outages: consecutive frames that fell back, or that could not go to the edge for some reason."""
    found: list[Span] = []
    start = 0
    for index in range(1, len(decisions) + 1):
        kind = _kind(decisions[start])
        if index < len(decisions) and _kind(decisions[index]) == kind:
            continue
        if kind:
            first, last = decisions[start], decisions[index - 1]
            seconds = 1e-9 * (last.header.stamp_ns - first.header.stamp_ns)
            found.append(Span(start + 1, index, max(0.0, seconds), kind, first.reason))
        start = index
    return found


def dropped(decisions: Sequence[SeenDecision]) -> NDArray[np.int64]:
    """
    Count the images that were dropped between each frame and the previous one because the robot was busy.

    :returns: shape (frames,); 0 for the first frame, because the file does not contain what was before it.
    """
    counts = np.zeros(len(decisions), dtype=np.int64)
    for index in range(1, len(decisions)):
        before, now = decisions[index - 1], decisions[index]
        same = before.session == now.session and before.frames_dropped <= now.frames_dropped
        counts[index] = now.frames_dropped - (before.frames_dropped if same else 0)
    return counts


def table(decisions: Sequence[SeenDecision]) -> list[tuple[str, str]]:
    """
    Return the figures with their names.

    :param decisions: at least one, in order.
    """
    totals = np.array([decision.total_delay for decision in decisions])
    totals = 1e3 * totals[np.isfinite(totals)]
    outcomes = Counter(decision.outcome for decision in decisions)
    errors = np.array([offload_error(decision) for decision in decisions])
    errors = errors[np.isfinite(errors)]
    seconds = 1e-9 * (decisions[-1].header.stamp_ns - decisions[0].header.stamp_ns)
    outages = spans(decisions)
    rows = [
        ("robot", ", ".join(dict.fromkeys(decision.robot_id for decision in decisions))),
        ("policy", ", ".join(dict.fromkeys(decision.policy for decision in decisions))),
        ("frames", str(len(decisions))),
        ("time from first to last", f"{seconds:.1f} s" if seconds > 0.0 else "not known"),
        *((text, f"{outcomes[key]} ({outcomes[key] / len(decisions):.0%})") for key, text in OUTCOMES.items()),
        ("dropped while busy", str(int(dropped(decisions).sum()))),
        ("spans without the edge", f"{len(outages)}, {sum(span.last - span.first + 1 for span in outages)} frames"),
    ]
    if totals.size:
        rows += [
            ("mean delay", f"{totals.mean():.1f} ms"),
            ("median delay", f"{np.percentile(totals, 50):.1f} ms"),
            ("95th percentile", f"{np.percentile(totals, 95):.1f} ms"),
        ]
    if errors.size:
        rows.append(("mean error of the predicted offload delay", f"{1e3 * np.abs(errors).mean():.1f} ms"))
    rows += [
        ("key frames", str(sum(decision.key_frame for decision in decisions))),
        ("forced samples", str(sum(decision.forced for decision in decisions))),
        ("sent to the edge", f"{sum(decision.sent_bytes for decision in decisions) / 1e6:.2f} MB"),
    ]
    return rows


def offload_error(decision: SeenDecision) -> float:
    """Return the seconds by which an answered frame's offload delay was longer than predicted; NaN for others."""
    if decision.outcome != "edge":
        return math.nan
    return decision.offload_delay - decision.predicted_offload_delay


def _kind(decision: SeenDecision) -> str:
    if decision.outcome == "fallback":
        return "fallback"
    # A frame that the policy chose to keep on the robot has no reason.
    return "no edge" if decision.outcome == "on_device" and decision.reason else ""
