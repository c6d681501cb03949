# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An emulated wire of a given rate: messages come out in order, after the time that they would take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireCounts:
    """
    The counts of a wire so far.

    :param delivered: messages that came out.
    :param dropped: messages that were dropped for newer ones before their transmission began.
    :param sent_bytes: bytes of the messages that came out.
    """

    delivered: int = 0
    dropped: int = 0
    sent_bytes: int = 0


class Wire:
    """
    A first-in, first-out wire that transmits one message at a time.

    A transmission begins when the message arrives or when the previous transmission ends, whichever is later. It lasts
    for the message's bits divided by the rate. A full wire drops the oldest message whose transmission has not begun,
    as the history of a keep-last publisher does.

    :param bits_per_second: rate, > 0.
    :param capacity: maximum number of messages that are on the wire or wait for it, >= 2.
    :param deliver: called with each message at the end of its transmission, from the wire's own thread.
    :raises ValueError: if the rate or the capacity is out of its range.
    """

    def __init__(
        self,
        bits_per_second: float,
        capacity: int,
        deliver: Callable[[bytes], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not bits_per_second > 0.0:
            raise ValueError(f"the rate of a wire is {bits_per_second} bit/s, expected more than 0")
        if capacity < 2:
            raise ValueError(f"the capacity of a wire is {capacity}, expected 2 or more")
        self._rate = bits_per_second
        self._capacity = capacity
        self._deliver = deliver
        self._clock = clock
        self._condition = threading.Condition()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._free_s = 0.0
        self._closed = False
        self._counts = WireCounts()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> WireCounts:
        """Return the counts so far."""
        with self._condition:
            return self._counts

    @property
    def bits_per_second(self) -> float:
        """Return the rate, > 0; a new rate applies to the message that is on the wire and to all later ones."""
        return self._rate

    @bits_per_second.setter
    def bits_per_second(self, rate: float) -> None:
        if not rate > 0.0:
            raise ValueError(f"the rate of a wire is {rate} bit/s, expected more than 0")
        with self._condition:
            self._rate = rate
            self._condition.notify()

    def duration_s(self, size: int) -> float:
        """Return the seconds that a message of `size` bytes takes."""
        return 8.0 * size / self._rate

    def put(self, message: bytes, arrival_s: float | None = None) -> None:
        """
        Put a message on the wire.

        :param arrival_s: time at which it arrived, by the wire's clock; None for now.
        """
        with self._condition:
            if self._closed:
                return
            if len(self._queue) >= self._capacity:
                del self._queue[1]
                self._count(dropped=1)
            self._queue.append((self._clock() if arrival_s is None else arrival_s, message))
            self._condition.notify()

    def close(self) -> None:
        """Drop the messages on the wire, and join its thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while (message := self._next()) is not None:
            self._deliver(message)
            with self._condition:
                self._count(delivered=1, sent_bytes=len(message))

    def _next(self) -> bytes | None:
        """Wait until the oldest message is transmitted, remove and return it; None once the wire is closed."""
        with self._condition:
            while not self._closed:
                if not self._queue:
                    self._condition.wait()
                    continue
                arrival_s, message = self._queue[0]
                end_s = max(arrival_s, self._free_s) + self.duration_s(len(message))
                left_s = end_s - self._clock()
                if left_s <= 0.0:
                    self._free_s = end_s
                    self._queue.popleft()
                    return message
                self._condition.wait(left_s)
            return None

    def _count(self, *, delivered: int = 0, dropped: int = 0, sent_bytes: int = 0) -> None:
        old = self._counts
        self._counts = WireCounts(old.delivered + delivered, old.dropped + dropped, old.sent_bytes + sent_bytes)
