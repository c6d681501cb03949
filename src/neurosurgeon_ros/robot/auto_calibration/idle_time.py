# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Idle time of a robot's pipeline, for work that may wait.

The work is done in small units. Before each one its thread waits until the robot works on no frame, and until the unit
probably ends before the camera's next image arrives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: A robot that had no idle time for a unit for this many seconds makes room for units all the same.
STARVED_S = 1.0

#: Share of one core that such units take at most.
SHARE = 0.1

#: Maximum seconds of a brief wait.
BRIEFLY_S = 0.2

#: A unit is expected to take at most this many times as long as units of its kind take on average.
MARGIN = 2.0

#: Weight of the newest value in a running mean.
_NEWEST = 0.2

#: The camera is not waited for longer than this many periods after its last image.
_LATEST = 1.5


class Closed(Exception):
    """The robot stops; the unit must not begin."""


class IdleTime:
    """
    Says when there is time for a unit of work. Thread-safe; one thread calls :meth:`wait`.

    :ivar starved: whether the robot has had no idle time for a unit recently.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.starved = False
        self._clock = clock
        self._condition = threading.Condition()
        self._working = False
        self._closed = False
        self._arrived_s = 0.0
        self._period_s = 0.0
        self._units_s: dict[str, float] = {}
        self._unit = ""
        self._begun_s = 0.0
        self._fitted_s = clock()

    # The pipeline's side: a few assignments for each frame.

    def arrived(self) -> None:
        """Record that an image has arrived from the camera."""
        now_s = self._clock()
        gap_s = now_s - self._arrived_s
        if self._arrived_s and self._period_s == 0.0:
            self._period_s = gap_s
        elif self._arrived_s:
            self._period_s += _NEWEST * (min(gap_s, 2.0 * self._period_s) - self._period_s)
        self._arrived_s = now_s

    def begin_work(self) -> None:
        """Record that the pipeline works on a frame."""
        self._working = True

    def end_work(self) -> None:
        """Record that the pipeline waits, for a frame or for the edge."""
        self._working = False
        with self._condition:
            self._condition.notify_all()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Count the time of the body, in which the pipeline waits for the edge, as idle."""
        self.end_work()
        try:
            yield
        finally:
            self.begin_work()

    def close(self) -> None:
        """End every wait with :class:`Closed`, now and later."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    # The side of the work that may wait.

    def wait(self, unit: str) -> None:
        """
        Wait for time for a unit of work. The unit before it ends with this call.

        :param unit: kind of the work; its duration is taken from earlier units of this kind.
        :raises Closed: if the robot stops.
        """
        if not self._unit:
            self._fitted_s = self._clock()  # there was nothing to wait with
        self.end_unit()
        needed_s = MARGIN * self._units_s.get(unit, 0.0)
        with self._condition:
            while True:
                if self._closed:
                    raise Closed
                now_s = self._clock()
                if not self._working and self._fits(now_s, needed_s):
                    self._fitted_s, self.starved = now_s, False
                    break
                if now_s - self._fitted_s > STARVED_S and now_s - self._begun_s > needed_s / SHARE:
                    self.starved = True
                    break
                self._condition.wait(self._pause_s(now_s))
        self._unit, self._begun_s = unit, self._clock()

    def rest(self, seconds: float) -> None:
        """
        Wait for some time in which nothing is to do.

        :raises Closed: if the robot stops.
        """
        self.end_unit()
        end_s = self._clock() + seconds
        with self._condition:
            while (left_s := end_s - self._clock()) > 0.0 and not self._closed:
                self._condition.wait(left_s)
            if self._closed:
                raise Closed

    def wait_briefly(self) -> None:
        """Wait until the pipeline works on no frame, but not long. Any thread may call this."""
        with self._condition:
            self._condition.wait_for(lambda: not self._working or self._closed, BRIEFLY_S)

    def end_unit(self) -> None:
        """Record that the last unit has ended, before the work waits for something else than time."""
        if self._unit:
            took_s = self._clock() - self._begun_s
            before_s = self._units_s.get(self._unit, took_s)
            self._units_s[self._unit] = before_s + _NEWEST * (took_s - before_s)
            self._begun_s = self._clock()
        self._unit = ""

    def _fits(self, now_s: float, needed_s: float) -> bool:
        """Return whether a unit ends before the next image, or the camera is late, or no gap is long enough."""
        late_s = now_s - self._arrived_s
        return (
            self._period_s == 0.0
            or late_s + needed_s <= self._period_s
            or late_s > _LATEST * self._period_s
            or (needed_s > self._period_s and late_s < self._period_s / 2)
        )

    def _pause_s(self, now_s: float) -> float:
        """Return for how long nothing can change, unless the pipeline says so."""
        if self._working:
            return 0.05
        return max(1e-3, self._arrived_s + _LATEST * self._period_s - now_s)
