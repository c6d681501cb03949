# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robots that contend for an edge, in simulated time: the real queue and the real pacers, and nothing that computes."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from robots import small_engine

from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.waiting import Refusal, Waiting
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Request, Status
from neurosurgeon_ros.robot.uplink.pacer import Pacer


@dataclass(eq=False)
class Member:
    """
    A robot that sends as many of its frames to the edge as it may, one at a time.

    :param name: its id
    :param period_s: seconds between two images
    :param phase_s: time of its first image
    :param deadline_s: seconds after an image at which it finishes the frame itself
    :param cost_s: seconds that its back-end takes
    :param distance_s: one-way delay of its link, in seconds
    :param local_s: seconds that it takes to finish a frame itself
    :param p: partition point, which stands for the cost
    :param until_s: it is away afterwards
    :param obeys: whether it paces itself, as all robots do
    """

    name: str
    period_s: float = 0.04
    phase_s: float = 0.0
    deadline_s: float = 0.1
    cost_s: float = 0.04
    distance_s: float = 0.002
    local_s: float = 0.03
    p: int = 0
    until_s: float = math.inf
    obeys: bool = True
    pacer: Pacer = field(default_factory=Pacer)
    sequence: int = 0
    busy: bool = False
    has_image_since_s: float | None = None
    awaited: int = 0
    begun: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    in_row: int = 0
    most_in_row: int = 0
    row_s: float = 0.0
    sent: int = 0
    rates: list[float] = field(default_factory=list)

    def services(self, begin_s: float, end_s: float) -> int:
        """Return how many of its requests were run in a span of time."""
        return sum(begin_s <= at_s < end_s for at_s in self.begun)


class Fleet:
    """
    The robots, their links and the edge.

    :param weights: as for the queue
    :param workers: number of requests that the edge runs at once
    """

    def __init__(
        self, members: Iterable[Member], *, weights: Mapping[str, float] | None = None, workers: int = 1
    ) -> None:
        self.members = {member.name: member for member in members}
        self.queue = FairQueue(max(8, 2 * len(self.members)), weights=weights)
        self.queue.workers = workers
        self.now_s = 0.0
        self.busy_until_s: list[float] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._engine = small_engine()
        self._sent_s: dict[Key, float] = {}
        for member in self.members.values():
            self.queue.times.took(self._request(member, 0, 0.0), member.cost_s)
            self._at(member.phase_s, lambda member=member: self._image(member))

    def run(self, until_s: float) -> None:
        """Go on until a time."""
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, event = heapq.heappop(self._events)
            event()
        self.now_s = until_s

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._numbers), event))

    def _request(self, member: Member, sequence: int, deadline_s: float) -> Request:
        key = Key(member.name, 7, sequence, Kind.FRAME)
        return Request(key, None, self._engine.fingerprint, member.p, (), None, 0.0, 0.0, deadline_s=deadline_s)

    # The robots.

    def _image(self, member: Member) -> None:
        if self.now_s >= member.until_s:
            return
        self._at(self.now_s + member.period_s, lambda: self._image(member))
        member.has_image_since_s = self.now_s
        self._begin(member)

    def _begin(self, member: Member) -> None:
        since_s = member.has_image_since_s
        if member.busy or since_s is None:
            return
        member.has_image_since_s, member.busy = None, True
        member.sequence += 1
        due_s = since_s + member.deadline_s
        if member.obeys and not member.pacer.may_send(self.now_s):
            self._at(self.now_s + member.local_s, lambda: self._end(member))
            return
        member.pacer.sent(self.now_s)
        member.sent += 1
        member.awaited = sequence = member.sequence
        request = self._request(member, sequence, max(0.001, due_s - self.now_s))
        self._sent_s[request.key] = self.now_s
        self._at(self.now_s + member.distance_s, lambda: self._arrive(request))
        self._at(max(self.now_s, due_s), lambda: self._miss(member, sequence))

    def _miss(self, member: Member, sequence: int) -> None:
        if member.awaited == sequence:
            member.awaited = 0
            self._at(self.now_s + member.local_s, lambda: self._end(member))

    def _hear(self, member: Member, feedback: Feedback) -> None:
        member.pacer.heard(feedback, self.now_s)
        member.rates.append(feedback.rate)
        if member.awaited == feedback.key.sequence:
            member.awaited = 0
            self._at(self.now_s + (0.0 if feedback.is_ok else member.local_s), lambda: self._end(member))

    def _end(self, member: Member) -> None:
        member.busy = False
        self._begin(member)

    # The edge.

    def _arrive(self, request: Request) -> None:
        self._refuse(self.queue.put(Waiting(request, self._engine, self.now_s), busy_s=self._busy_s()))
        self._work()

    def _busy_s(self) -> list[float]:
        return [max(0.0, until_s - self.now_s) for until_s in self.busy_until_s]

    def _work(self) -> None:
        if len(self.busy_until_s) >= self.queue.workers:
            return
        batch, refused = self.queue.take(self.now_s, self._busy_s())
        self._refuse(refused)
        if not batch:
            if len(self.queue):
                self._at(self.queue.held_until_s, self._work)
            return
        (one,) = batch
        member, begin_s = self.members[one.request.key.robot_id], self.now_s
        member.begun.append(begin_s)
        member.in_row = 0
        until_s = begin_s + member.cost_s
        self.busy_until_s.append(until_s)
        self._at(until_s, lambda: self._done(one, begin_s))
        self._work()

    def _done(self, one: Waiting, begin_s: float) -> None:
        member = self.members[one.request.key.robot_id]
        self.busy_until_s.remove(min(self.busy_until_s))
        self.queue.times.took(one.request, self.now_s - begin_s)
        feedback = Feedback(one.request.key, rate=self.queue.promised_rate(one.request, self.now_s))
        self.queue.ended([one], self.now_s - begin_s, self.now_s)
        self._at(self.now_s + member.distance_s, lambda: self._hear(member, feedback))
        self._work()

    def _refuse(self, refused: Iterable[Refusal]) -> None:
        for one in refused:
            member = self.members[one.request.key.robot_id]
            # A newer request of its own took its place, or it was sent before the robot heard of the last refusal.
            is_own = "newer" in one.reason or (
                member.refused and self._sent_s[one.request.key] < member.refused[-1] + member.distance_s
            )
            member.refused.append(self.now_s)
            member.in_row += not is_own
            if member.in_row > member.most_in_row:
                member.most_in_row, member.row_s = member.in_row, self.now_s
            rate = self.queue.promised_rate(one.request, self.now_s)
            feedback = Feedback(one.request.key, Status.OVERLOADED, one.reason, rate=rate, retry_s=one.retry_s)
            self._at(self.now_s + member.distance_s, lambda member=member, said=feedback: self._hear(member, said))


def jain(shares: Iterable[float]) -> float:
    """Return Jain's index of fairness, in (0, 1]; 1 if all are equal (Jain, Chiu and Hawe, 1984)."""
    values = list(shares)
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))
