# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The choice among edges, above the policies.

Each edge has a policy of its own, which expects a delay for the best arm at this edge. The chooser compares these
expected delays. It knows neither arms nor links, so it runs in simulated time as well.

Robots that see the same fast edge must not run there and back together. Therefore, a robot waits for a random time
before it moves, looks again, and moves only if the other edge is still better. Each such move raises the gain that the
next one needs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

#: A move must save this share of the expected delay. The share doubles with each recent move, up to the largest share.
GAIN, LARGEST_GAIN = 0.15, 0.5

#: A move is recent for this many seconds.
RECENT_S = 60.0

#: Maximum random delay of a move, in seconds.
SPREAD_S = 1.0

#: Seconds for which an expected delay of an edge that is not in use is valid.
VALID_S = 6.0

#: Minimum and maximum seconds before the robot returns to an edge that failed. They double with each failure.
SHORTEST_REST_S, LONGEST_REST_S = 1.0, 30.0


@dataclass(slots=True)
class _Edge:
    """What is known of one edge."""

    expected_s: float = math.nan
    at_s: float = -math.inf
    rests_until_s: float = -math.inf
    rest_s: float = SHORTEST_REST_S


class EdgeChooser:
    """
    Decides which edge gets the frames. Owned by one thread.

    :param used: id of the edge that is used at first.
    :param seed: seed of the random delays.

    :ivar used: id of the edge that is used.
    :ivar moves: number of moves so far.
    """

    def __init__(self, used: str = "", *, seed: int = 0) -> None:
        self.used = used
        self.moves = 0
        self._random = np.random.default_rng(seed)
        self._edges: dict[str, _Edge] = {}
        self._recent: deque[float] = deque(maxlen=8)
        self._target, self._due_s = "", math.inf

    @property
    def expected_s(self) -> dict[str, float]:
        """Return the expected delays in seconds, as far as they are known. Safe to read from any thread."""
        known = list(self._edges.items())
        return {edge: one.expected_s for edge, one in known if math.isfinite(one.expected_s)}

    def expect(self, edge: str, expected_s: float, now_s: float) -> None:
        """
        Record the expected delay of a frame with an edge's best arm. An edge is considered only after that.

        :param expected_s: seconds; NaN if it is unknown, which changes nothing.
        """
        if math.isfinite(expected_s):
            known = self._edges.setdefault(edge, _Edge())
            known.expected_s, known.at_s = expected_s, now_s

    def forget(self, edge: str) -> None:
        """Forget the expected delay of an edge, because it is gone or has started again."""
        known = self._edges.get(edge)
        if known is not None:
            known.expected_s, known.at_s = math.nan, -math.inf

    def drop(self, edge: str) -> None:
        """Forget everything about an edge, which is no candidate any more."""
        self._edges.pop(edge, None)
        if edge == self._target:
            self._target = ""

    def use(self, edge: str) -> None:
        """Use an edge from now on. This is no move: no frame went to another edge before."""
        self.used, self._target = edge, ""

    def wants_look(self, edge: str, now_s: float) -> bool:
        """Return whether a move to an edge waits for another look at it."""
        return edge == self._target and now_s >= self._due_s > self._edges[edge].at_s

    def choose(self, usable: Collection[str], now_s: float) -> str:
        """
        Return the edge for the next frame.

        If the used edge is not usable, the robot leaves it at once for the best other edge that it knows. Without
        one it stays, so that everything is as with a single edge.

        :param usable: edges to which a frame may go now: they are there, and they answered the last request.
        """
        if self.used not in usable:
            self._leave(usable, now_s)
        else:
            self._consider(usable, now_s)
        return self.used

    def _leave(self, usable: Collection[str], now_s: float) -> None:
        """Leave an edge that failed. An edge that rests is better than none."""
        others = self._known(usable, now_s)
        if not others:
            return
        best = min(others, key=lambda edge: (now_s < self._edges[edge].rests_until_s, self._edges[edge].expected_s))
        failed = self._edges.setdefault(self.used, _Edge())
        failed.rests_until_s = now_s + failed.rest_s
        failed.rest_s = min(LONGEST_REST_S, 2.0 * failed.rest_s)
        self.forget(self.used)
        self._move(best)

    def _consider(self, usable: Collection[str], now_s: float) -> None:
        """Plan a move to a better edge, or carry out a plan that is due."""
        used = self._edges.get(self.used)
        others = [edge for edge in self._known(usable, now_s) if now_s >= self._edges[edge].rests_until_s]
        if used is None or math.isnan(used.expected_s) or not others:
            self._target = ""
            return
        if now_s >= used.rests_until_s + LONGEST_REST_S:
            used.rest_s = SHORTEST_REST_S
        best = min(others, key=lambda edge: self._edges[edge].expected_s)
        if self._edges[best].expected_s >= (1.0 - self._needed_gain(now_s)) * used.expected_s:
            self._target = ""
        elif best != self._target:
            self._target, self._due_s = best, now_s + SPREAD_S * float(self._random.uniform())
        elif self._edges[best].at_s >= self._due_s:
            self._recent.append(now_s)
            self._move(best)

    def _needed_gain(self, now_s: float) -> float:
        recent = sum(now_s - moved_s < RECENT_S for moved_s in self._recent)
        return min(LARGEST_GAIN, GAIN * 2.0**recent)

    def _known(self, usable: Collection[str], now_s: float) -> list[str]:
        """Return the usable edges other than the used one that have an expected delay."""
        return [
            edge
            for edge in usable
            if edge != self.used and edge in self._edges and now_s - self._edges[edge].at_s <= VALID_S
        ]

    def _move(self, edge: str) -> None:
        self.used, self._target = edge, ""
        self.moves += 1
