# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An edge's answers to its robots: errors, with the rate that a robot can count on, and results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.load import EdgeCounts
from neurosurgeon_ros.edge.waiting import Refusal, Waiting
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status


class Answers:
    """
    Sends answers and counts them. Any thread may use it.

    :param reply: called with each answer, from the thread that gives it.
    :param on_problem: called with one sentence if an answer could not be sent.
    :param queue: tells the promised rates; used with the lock held.
    :param lock: lock of the queue and of the counts.
    """

    def __init__(
        self,
        reply: Callable[[Reply], None],
        *,
        on_problem: Callable[[str], None],
        queue: FairQueue,
        lock: threading.Condition,
        clock: Callable[[], float],
    ) -> None:
        self.counts = EdgeCounts()
        self._reply = reply
        self._on_problem = on_problem
        self._queue = queue
        self._lock = lock
        self._clock = clock

    def count(self, *, requests: int = 0, batched: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            counts = self.counts
            self.counts = replace(counts, requests=counts.requests + requests, batched=counts.batched + batched)

    def refuse(self, request: Request, status: Status, reason: str, held: int = 0, retry_s: float = 0.0) -> None:
        """Answer a request with an error, and with the frame that the edge holds of its stream."""
        with self._lock:
            self.counts = replace(self.counts, refused=self.counts.refused + 1)
            rate = self._queue.promised_rate(request, self._clock()) if status is Status.OVERLOADED else 0.0
        self.send(Reply(Feedback(request.key, status, reason, held=held, rate=rate, retry_s=retry_s), request.header))

    def refuse_all(self, refused: Iterable[Refusal]) -> None:
        """Answer requests that were refused for load."""
        for one in refused:
            self.refuse(one.request, Status.OVERLOADED, one.reason, one.held, one.retry_s)

    def fail(self, one: Waiting, problem: Exception) -> None:
        """Answer a request that raised an error."""
        self.refuse(one.request, Status.FAILED, f"{type(problem).__name__}: {problem}", one.held)

    def send(self, reply: Reply) -> None:
        """Send an answer. A failure to send it must not stop the edge or lose other robots' answers."""
        try:
            self._reply(reply)
        except Exception as problem:
            self._on_problem(f"an answer was lost: {type(problem).__name__}: {problem}")
