# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks that are always affordable, so that no belief about link or edge keeps the robot from looking again."""

from __future__ import annotations

import math

#: An answer is fast below this share of what was expected, and late above so many times it.
_FAST, _LATE = 0.5, 3.0
#: A wait is this share of the time since a frame last used the edge, between the shortest and the longest one.
_SHARE = 0.25


class KeepAlive:
    """
    Decides when to look at the link, or at the edge, although it is believed to be too slow for any frame.

    A belief that nothing tests says less with every second. So while frames stay on the robot for its sake, a small
    look is due at the latest some seconds after the last one, whatever is believed. A fast answer makes the next look
    due at once, and so do two more: one fast answer may be an outlier, some in a row are a change. An answer that is
    late by far makes the next look due at once, too: all may be well again since it was sent.

    :param shortest_s: seconds between two looks, at least.
    :param longest_s: seconds between two looks, at most.
    """

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._fast, self._at_once = 0, False
        self._sent_s = self._used_s = -math.inf

    @property
    def fast(self) -> int:
        """Number of answers in a row that were fast, among looks that were due at once."""
        return self._fast

    def used(self, now_s: float) -> None:
        """Record that a frame goes to the edge, seconds on the context's clock."""
        self._used_s = now_s

    def is_due(self, now_s: float, idle_s: float) -> bool:
        """
        Whether a look is due.

        :param now_s: seconds on the context's clock.
        :param idle_s: seconds since anything was learnt of what is looked at.
        """
        wait_s = min(max(_SHARE * (now_s - self._used_s), self._shortest_s), self._longest_s)
        waited_s = min(idle_s, now_s - self._sent_s)
        return self._at_once or not 0.0 <= waited_s < wait_s

    def sent(self, now_s: float) -> None:
        """Record that the look that was due is sent."""
        self._sent_s = now_s
        self._fast = self._fast if self._at_once else 0
        self._at_once = False

    def answered(self, seconds: float, expected_s: float) -> None:
        """
        Record an answer.

        :param seconds: that it took.
        :param expected_s: that it was expected to take.
        """
        fast = seconds < _FAST * expected_s
        self._fast = self._fast + 1 if fast else 0
        self._at_once = fast or seconds > _LATE * expected_s
