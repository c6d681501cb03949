# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A queue in front of a link whose rate follows a recording: says when each packet has left the link."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import accumulate


class Capacity:
    """
    Bytes that a link passes if it is never idle.

    :param mbps: rates in Mbit/s, at least 0 and not all 0; they repeat after the last one.
    :param row_s: seconds for which each rate holds.
    """

    def __init__(self, mbps: Sequence[float], row_s: float) -> None:
        self._row_s = row_s
        self._rates = [1e6 / 8.0 * rate for rate in mbps]
        self._passed = [0.0, *accumulate(row_s * rate for rate in self._rates)]

    def passed(self, seconds: float) -> float:
        """Return the bytes that the link passes in the first `seconds`."""
        rows = len(self._rates)
        row = int(seconds / self._row_s)
        rounds, rest = divmod(row, rows)
        in_row = (seconds - row * self._row_s) * self._rates[rest]
        return rounds * self._passed[-1] + self._passed[rest] + in_row

    def seconds(self, size: float) -> float:
        """Return the time at which the link has passed `size` bytes, in seconds since the first row began."""
        if size <= 0.0:
            return 0.0
        rounds, rest = divmod(size, self._passed[-1])
        if rest == 0.0:
            rounds, rest = rounds - 1.0, self._passed[-1]
        row = bisect_left(self._passed, rest) - 1
        in_row = (rest - self._passed[row]) / self._rates[row]
        return (rounds * len(self._rates) + row) * self._row_s + in_row


class LinkQueue:
    """
    A first-in, first-out queue that drops a new packet when it is full.

    A packet leaves when the link has passed all its bytes. An idle link saves nothing for later.

    :param now_s: current time; all times are seconds on the same monotonic clock.

    :ivar passed: number of packets that have left.
    :ivar passed_bytes: their bytes.
    :ivar dropped: number of packets that found the queue full.
    """

    def __init__(self, mbps: Sequence[float], row_s: float, limit_bytes: int, now_s: float) -> None:
        self.passed = self.passed_bytes = self.dropped = 0
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._end = 0.0
        self._capacity, self._limit, self._begin_s = Capacity(mbps, row_s), limit_bytes, now_s

    def follow(self, mbps: Sequence[float], row_s: float, limit_bytes: int, now_s: float) -> None:
        """Follow other rates from now on. Packets that wait keep their places."""
        passed = self._capacity.passed(now_s - self._begin_s)
        self._waiting = deque((max(0.0, end - passed), packet) for end, packet in self._waiting)
        self._end = max(0.0, self._end - passed)
        self._capacity, self._limit, self._begin_s = Capacity(mbps, row_s), limit_bytes, now_s

    @property
    def due_s(self) -> float:
        """Return when the first packet leaves; infinity if none waits."""
        if not self._waiting:
            return math.inf
        return self._begin_s + self._capacity.seconds(self._waiting[0][0])

    def put(self, packet: bytes, now_s: float) -> bool:
        """Add a packet; returns False if it was dropped. Call :meth:`take` first: packets that have left hold room."""
        if self._held + len(packet) > self._limit:
            self.dropped += 1
            return False
        self._end = max(self._end, self._capacity.passed(now_s - self._begin_s)) + len(packet)
        self._waiting.append((self._end, packet))
        self._held += len(packet)
        return True

    def take(self, now_s: float) -> list[bytes]:
        """Remove and return the packets that have left by now."""
        passed = self._capacity.passed(now_s - self._begin_s) + 1e-6  # a millionth of a byte: rounding
        left = []
        while self._waiting and self._waiting[0][0] <= passed:
            packet = self._waiting.popleft()[1]
            self._held -= len(packet)
            self.passed += 1
            self.passed_bytes += len(packet)
            left.append(packet)
        return left
