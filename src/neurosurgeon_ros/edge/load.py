# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Load of an edge: its requests so far, and the share of the last second that its workers spent on them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

#: Seconds over which the load is averaged.
LOAD_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class EdgeCounts:
    """
    Number of requests since the edge started.

    :param requests: received.
    :param refused: of these, answered with an error.
    :param batched: of these, answered from a shared back-end run.
    """

    requests: int = 0
    refused: int = 0
    batched: int = 0


class Load:
    """The workers' busy times. Not thread-safe: the owner must call it from one thread at a time."""

    def __init__(self) -> None:
        self._busy: deque[tuple[float, float]] = deque()

    def add(self, begin_s: float, end_s: float) -> None:
        """Record that a worker was busy from one clock time to another, which is now."""
        while self._busy and self._busy[0][1] < end_s - LOAD_WINDOW_S:
            self._busy.popleft()
        self._busy.append((begin_s, end_s))

    def share(self, now_s: float, workers: int = 1) -> float:
        """Return the share of the last second that the workers were busy, in [0, 1]."""
        busy_s = sum(max(0.0, end_s - max(begin_s, now_s - LOAD_WINDOW_S)) for begin_s, end_s in self._busy)
        return min(1.0, busy_s / (LOAD_WINDOW_S * workers))
