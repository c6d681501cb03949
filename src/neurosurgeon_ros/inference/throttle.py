# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Emulation of a slower robot: every stage runs normally, then waits until it has taken as long as on that robot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Throttle:
    """
    Stretches stages to the speed of a slower computer.

    A stage with a profiled, uncontended time of *s* seconds ends s / speed seconds after it started. It is not
    stretched if its work takes longer than that.

    :param speed: speed of the emulated computer as a fraction of this one's, in (0, 1]; 1 stretches nothing.
    :raises ValueError: if `speed` is not in (0, 1].
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 0.0 < speed <= 1.0:
            raise ValueError(f"robot speed {speed} is not in (0, 1]: give the fraction of this computer's speed")
        self.speed = speed
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def stage(self, profiled_s: float, wait: Callable[[float], None] | None = None) -> Iterator[None]:
        """
        Run the body, then wait until `profiled_s` / speed seconds have passed since it started.

        :param wait: called instead of sleeping, with the clock time until which to wait; it may return earlier. None to
            sleep.
        """
        if self.speed == 1.0:
            yield
            return
        end = self._clock() + profiled_s / self.speed
        yield
        if wait is not None:
            wait(end)
        left = end - self._clock()
        if left > 0.0:
            self._sleep(left)
