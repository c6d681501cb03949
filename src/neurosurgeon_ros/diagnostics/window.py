# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The last seconds: totals as they were then, and what has happened since."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds that diagnostics look back.
WINDOW_S = 5.0

#: Events that are remembered at most.
MOST_EVENTS = 1000


class Totals(Generic[T]):
    """
    Totals that only grow, as they were some seconds ago.

    :param now_s: the start, monotonic seconds.
    :param none: the totals at the start.
    """

    def __init__(self, now_s: float, none: T) -> None:
        self._seen: deque[tuple[float, T]] = deque([(now_s, none)])

    @property
    def newest(self) -> T:
        """The totals that were seen last."""
        return self._seen[-1][1]

    def slide(self, now_s: float, totals: T) -> tuple[T, float]:
        """
        Record the totals, and return those of some seconds ago.

        :returns: these, and the seconds since then, above 0.
        """
        self._seen.append((now_s, totals))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()
        then_s, then = self._seen[0]
        return then, max(now_s - then_s, 1e-9)


class Recent(Generic[T]):
    """What has happened in the last seconds; the owner sees to it that one thread at a time calls it."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, T]] = deque(maxlen=MOST_EVENTS)

    def add(self, now_s: float, event: T) -> None:
        """Record an event."""
        self._events.append((now_s, event))

    def expire(self, now_s: float) -> None:
        """Forget what is older than the window."""
        while self._events and now_s - self._events[0][0] > WINDOW_S:
            self._events.popleft()

    def all(self) -> list[T]:
        """Return what is remembered, oldest first."""
        return [event for _, event in self._events]
