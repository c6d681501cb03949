# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks that are always affordable, so no belief about link or edge stops the robot from looking again."""

from __future__ import annotations

import math

#: An answer is fast below the first of these shares of its expected time, and late above the second.
_FAST, _LATE = 0.5, 3.0
#: The wait is this share of the time since a frame last used the edge, limited to the shortest and the longest wait.
_SHARE = 0.25


class KeepAlive:
    """
    Decides when to look at a link or an edge that is believed to be too slow for any frame.

    A belief that is not tested becomes less reliable over time. While a belief keeps frames on the robot, a small look
    is therefore due some seconds after the last one at the latest. A fast answer makes the next look due at once, and
    so do the next two fast answers: one fast answer may be an outlier, several in a row are a change. A very late
    answer also makes the next look due at once, because the link or edge may have recovered since the look was sent.

    :param shortest_s: minimum seconds between two looks.
    :param longest_s: maximum seconds between two looks.
    """

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._fast, self._at_once = 0, False
        self._sent_s = self._used_s = -math.inf

    @property
    def fast(self) -> int:
        """Return the number of consecutive fast answers, among looks that were due at once."""
        return self._fast

    def used(self, now_s: float) -> None:
        """Record that a frame goes to the edge at `now_s`, seconds on the context's clock."""
        self._used_s = now_s

    def is_due(self, now_s: float, idle_s: float) -> bool:
        """
        Return whether a look is due.

        :param now_s: seconds on the context's clock.
        :param idle_s: seconds since the last observation of the link or edge that is looked at.
        """
        wait_s = min(max(_SHARE * (now_s - self._used_s), self._shortest_s), self._longest_s)
        waited_s = min(idle_s, now_s - self._sent_s)
        return self._at_once or not 0.0 <= waited_s < wait_s

    def sent(self, now_s: float) -> None:
        """Record that the due look is sent."""
        self._sent_s = now_s
        self._fast = self._fast if self._at_once else 0
        self._at_once = False

    def answered(self, seconds: float, expected_s: float) -> None:
        """
        Record an answer.

        :param seconds: time that the answer took.
        :param expected_s: time that the answer was expected to take.
        """
        fast = seconds < _FAST * expected_s
        self._fast = self._fast + 1 if fast else 0
        self._at_once = fast or seconds > _LATE * expected_s
