# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the workers of a back-end are free."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


class WorkerTimes:
    """
    When each worker is free, if requests are given to the worker that is free first.

    :param workers: number of workers, ≥ 1.
    :param busy_s: for each run under way, the seconds that it still needs, ≥ 0; there may be more runs than workers.
    """

    def __init__(self, workers: int, busy_s: Sequence[float]) -> None:
        self._free = [(0.0, 0)] * workers
        for seconds in sorted(busy_s) if busy_s else ():
            at_s, ahead = self._free[0]
            self.give(at_s + seconds, ahead + 1)

    def next(self) -> tuple[float, int]:
        """Return the seconds until the first worker is free, and the number of its runs until then."""
        return self._free[0]

    def others(self, in_s: float) -> int:
        """Return how many workers beside the first one will be free in some seconds."""
        return sum(at_s <= in_s for at_s, _ in self._free[1:])

    def give(self, until_s: float, runs: int) -> None:
        """Give the first worker a run that ends in `until_s` seconds and is its run of this number."""
        heapq.heapreplace(self._free, (until_s, runs))
