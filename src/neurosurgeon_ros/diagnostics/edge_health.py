# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An edge's health over the last seconds, for its diagnostics."""

from __future__ import annotations

import statistics
import threading
from collections import Counter

from diagnostic_msgs.msg import DiagnosticStatus

from neurosurgeon_ros.diagnostics.window import WINDOW_S, Recent, Totals
from neurosurgeon_ros.edge.streams import StreamCounts
from neurosurgeon_ros.protocol.requests import Feedback, Status

#: Names for answers of each status.
_OUTCOMES = {
    Status.OK: "answered",
    Status.OVERLOADED: "refused",
    Status.INVALID: "invalid",
    Status.MODEL_MISMATCH: "of another model",
    Status.FAILED: "failed",
    Status.NOT_HELD: "without their reference",
    Status.DIVERGED: "of a stream that diverged",
}

_STAGES = {
    "queue": lambda feedback: feedback.queue_s,
    "decode": lambda feedback: feedback.decode_s,
    "compute": lambda feedback: feedback.compute_s,
    "post-process": lambda feedback: feedback.postprocess_s,
}


class EdgeHealth:
    """
    Collects answers from any thread; the executor's thread makes all other calls.

    :param now_s: time of the start, monotonic seconds.
    """

    def __init__(self, now_s: float) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Status] = Counter()
        self._totals: Totals[Counter[Status]] = Totals(now_s, Counter())
        self._answers: Recent[Feedback] = Recent()

    def answered(self, feedback: Feedback, now_s: float) -> None:
        """Record a finished request, successful or not."""
        with self._lock:
            self._counts[feedback.status] += 1
            if feedback.status is Status.OK:
                self._answers.add(now_s, feedback)

    def look(self, now_s: float) -> tuple[Counter[Status], dict[str, object]]:
        """
        Return the statistics of the last seconds; called for each diagnostics message.

        :returns: requests that finished in these seconds, by status; and counts, rates, and mean delays in
            milliseconds, for display.
        """
        with self._lock:
            counts = Counter(self._counts)
            self._answers.expire(now_s)
            feedback = self._answers.all()
        then, span_s = self._totals.slide(now_s, counts)
        recent = counts - then
        values: dict[str, object] = {"requests [Hz]": f"{recent.total() / span_s:.1f}"}
        values |= {f"{name} [Hz]": f"{recent[status] / span_s:.1f}" for status, name in _OUTCOMES.items()}
        values |= {name: counts[status] for status, name in _OUTCOMES.items()}
        if feedback:
            for stage, seconds in _STAGES.items():
                values[f"{stage} delay [ms]"] = f"{1e3 * statistics.fmean(map(seconds, feedback)):.1f}"
        return recent, values


def stream_values(counts: StreamCounts) -> dict[str, object]:
    """Return what the edge holds of its robots' streams, and what happened to them since the start, for display."""
    return {
        "streams held": counts.held,
        "memory of streams [MiB]": f"{counts.held_bytes / 2**20:.1f}",
        "keys": counts.keys,
        "references not held": counts.not_held,
        "streams evicted": counts.evicted,
        "streams diverged": counts.diverged,
    }


def edge_level(recent: Counter[Status], robots: int) -> tuple[bytes, str]:
    """
    Return an edge's health: ERROR if requests fail, WARN if it cannot serve all requests.

    :param recent: requests that finished in the last seconds, by status.
    :param robots: number of robots that it serves.
    """
    within = f"in the last {WINDOW_S:.0f} s"
    if recent[Status.FAILED]:
        return DiagnosticStatus.ERROR, f"{recent[Status.FAILED]} requests failed {within}"
    for status in (Status.INVALID, Status.MODEL_MISMATCH, Status.DIVERGED, Status.OVERLOADED):
        if recent[status]:
            return (
                DiagnosticStatus.WARN,
                f"{recent[status]} of {recent.total()} requests were {_OUTCOMES[status]} {within}",
            )
    return DiagnosticStatus.OK, f"serves {robots} robots" if robots != 1 else "serves 1 robot"
