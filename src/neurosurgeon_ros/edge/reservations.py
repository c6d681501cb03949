# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Turns that are kept for robots that were refused.

A request with a short deadline cannot wait for the run that is under way. Without a reservation it would find the
back-end busy each time, and other robots would be served instead. So a refused robot is told when its turn will be, and
the back-end is kept free for it then: no run is started that would not end before its next frame is expected. This is
anticipatory scheduling (Iyer and Druschel, SOSP 2001), with backfilling of what is short enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

#: The back-end is kept free for at most this many seconds before a robot's frame is expected.
LONGEST_S = 0.5

#: Maximum number of turns that are kept.
MOST_KEPT = 64

#: From this many refusals in a row on, nothing is run before the robot's frame.
STRICT_AFTER = 2

#: A longer time between two frames is a pause of the robot, in seconds.
LONGEST_GAP_S = 10.0

#: The shortest time between two frames grows by this factor with each longer one, and the longest one shrinks so.
FORGET = 1.1

# A frame may come sooner than expected by this share of the robot's period, and at most by these seconds.
_EARLY, _EARLY_S = 0.15, 0.05

# A frame may come later than expected by this share of the robot's longest period, and by these seconds.
_LATE, _LATE_S = 0.1, 0.02


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    A turn that is kept for a robot.

    :param from_s: clock time from which its frame is expected; a run that ends before may be started.
    :param comes_s: clock time at which its frame is expected.
    :param until_s: clock time at which the turn lapses.
    :param cost_s: seconds that its request will take.
    """

    from_s: float
    comes_s: float
    until_s: float
    cost_s: float


@dataclass(slots=True)
class Rhythm:
    """
    When a robot's frames come.

    :ivar shortest_s: its shortest recent time between two frames, in seconds; 0 if unknown.
    :ivar longest_s: its longest one.
    """

    shortest_s: float = 0.0
    longest_s: float = 0.0
    _newest_s: float = -math.inf

    def came(self, now_s: float) -> None:
        """Record that a frame came."""
        gap_s, self._newest_s = now_s - self._newest_s, now_s
        if gap_s > LONGEST_GAP_S:
            return
        self.shortest_s = min(gap_s, FORGET * self.shortest_s) if self.shortest_s else gap_s
        self.longest_s = max(gap_s, self.longest_s / FORGET)


class Reservations:
    """The turns that are kept, at most one for each robot. Not thread-safe."""

    def __init__(self) -> None:
        self._kept: dict[str, Reservation] = {}

    def __iter__(self) -> Iterator[tuple[str, Reservation]]:
        return iter(self._kept.items())

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, robot_id: str, now_s: float, rhythm: Rhythm, *, retry_s: float, in_row: int, cost_s: float) -> None:
        """
        Keep a turn for a robot; none if it is not known when its next frame will come, or too many are kept.

        :param rhythm: when its frames come.
        :param retry_s: seconds after which its turn will be.
        :param in_row: number of its refusals in a row.
        :param cost_s: seconds that its request will take.
        """
        if not rhythm.shortest_s or (len(self._kept) >= MOST_KEPT and robot_id not in self._kept):
            return
        early_s = LONGEST_S if in_row >= STRICT_AFTER else min(_EARLY_S, _EARLY * rhythm.shortest_s)
        periods = max(1.0, math.ceil(retry_s / rhythm.shortest_s - _EARLY))
        soonest_s = now_s + periods * rhythm.shortest_s
        until_s = now_s + retry_s + (1.0 + _LATE) * rhythm.longest_s + _LATE_S
        self._kept[robot_id] = Reservation(soonest_s - early_s, soonest_s, until_s, cost_s)

    def drop(self, robot_id: str) -> None:
        """Drop a robot's turn, because its frame came or the robot is gone."""
        self._kept.pop(robot_id, None)

    def take_lapsed(self, now_s: float) -> list[tuple[str, float]]:
        """Drop the turns of robots that did not come, and return these robots with the seconds of their requests."""
        lapsed = [(robot, kept.cost_s) for robot, kept in self._kept.items() if now_s >= kept.until_s]
        for robot, _ in lapsed:
            del self._kept[robot]
        return lapsed

    def clear(self) -> None:
        """Drop all turns."""
        self._kept.clear()
