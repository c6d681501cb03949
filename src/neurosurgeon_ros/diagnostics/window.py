# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A window over the last seconds: the totals at its start, and the events since then."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds that diagnostics look back.
WINDOW_S = 5.0

#: Maximum number of remembered events.
MOST_EVENTS = 1000


class Totals(Generic[T]):
    """
    Totals that only grow, with their values from some seconds ago.

    :param now_s: time of the start, monotonic seconds.
    :param none: the totals at the start.
    """

    def __init__(self, now_s: float, none: T) -> None:
        self._seen: deque[tuple[float, T]] = deque([(now_s, none)])

    @property
    def newest(self) -> T:
        """Return the totals that were recorded last."""
        return self._seen[-1][1]

    def slide(self, now_s: float, totals: T) -> tuple[T, float]:
        """
        Record the totals, and return the totals from some seconds ago.

        :returns: the earlier totals, and the seconds since then, above 0.
        """
        self._seen.append((now_s, totals))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()
        then_s, then = self._seen[0]
        return then, max(now_s - then_s, 1e-9)


class Recent(Generic[T]):
    """The events of the last seconds. The owner ensures that only one thread at a time calls this object."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, T]] = deque(maxlen=MOST_EVENTS)

    def add(self, now_s: float, event: T) -> None:
        """Record an event."""
        self._events.append((now_s, event))

    def expire(self, now_s: float) -> None:
        """Drop events that are older than the window."""
        while self._events and now_s - self._events[0][0] > WINDOW_S:
            self._events.popleft()

    def all(self) -> list[T]:
        """Return the remembered events, oldest first."""
        return [event for _, event in self._events]
