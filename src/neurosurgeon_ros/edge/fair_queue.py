# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Request queue of an edge: bounded, fair between robots, and without requests that would be answered too late."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from neurosurgeon_ros.edge.companions import with_companions
from neurosurgeon_ros.edge.lines import Lines, Place
from neurosurgeon_ros.edge.reservations import Reservation, Reservations
from neurosurgeon_ros.edge.service_times import NEWEST, ServiceTimes
from neurosurgeon_ros.edge.shares import Shares
from neurosurgeon_ros.edge.waiting import Refusal, Waiting, is_in_time, is_newer
from neurosurgeon_ros.edge.worker_times import WorkerTimes
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Request

#: A robot that was refused more often than this in a row is told to ask later, by this many times its request's
#: seconds for each further refusal.
PATIENCE_AFTER, PATIENCE = 1, 4.0

#: A robot that was refused this often in a row is not refused again because its request would be too late.
MOST_IN_ROW = 3


def _always_alone(_: Request) -> Sequence[int]:
    return ()


class FairQueue:
    """
    Gives each robot its share of the back-end, see :mod:`.shares`, and serves frames before samples.

    The queue keeps each robot's newest frame and newest sample. It also keeps earlier ones while they can still meet
    their deadline, because a robot may have several requests in flight.

    A request that would be answered too late in its turn is refused, which costs its robot nothing, and a turn is kept
    for the robot's next frame, see :mod:`.reservations`. A request takes its place before those of robots that have had
    more, and those that become too late thereby are refused.

    A request with nothing ahead of it is never refused because of its deadline: only answered requests show that a
    slow edge is fast again. Not thread-safe: the owner must call it from one thread at a time.

    :param max_waiting: maximum number of waiting requests.
    :param sizes: returns the batch sizes that are useful for requests of the same network and partition point.
    :param weights: as in :class:`.shares.Shares`.

    The back-end may have several workers, each of which runs one request, or one batch, at a time.

    :ivar workers: number of workers, ≥ 1; the owner sets it whenever it changes.
    :ivar times: how long requests take; filled by the owner.
    :ivar shares: what each robot has had.
    :ivar held_until_s: clock time until which a worker is kept free, after :meth:`take` has returned no request.
    """

    def __init__(
        self,
        max_waiting: int,
        sizes: Callable[[Request], Sequence[int]] = _always_alone,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.times = ServiceTimes()
        self.shares = Shares(weights)
        self.held_until_s = -math.inf
        self._max_waiting = max_waiting
        self._sizes = sizes
        self._lines = Lines(self.shares, self.times)
        self._reservations = Reservations()
        self._idle, self._idle_since_s = 0, 0.0
        self._cost = 1.0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def workers(self) -> int:
        """Return the number of workers."""
        return self.shares.workers

    @workers.setter
    def workers(self, workers: int) -> None:
        self.shares.workers = workers

    def put(self, arrived: Waiting, *, busy_s: Sequence[float]) -> list[Refusal]:
        """
        Add a request, unless it already waits, would be answered too late, or the queue is full.

        :param busy_s: for each run under way, the seconds that it still needs, ≥ 0.
        :returns: the requests that are refused because of this one, or this one itself.
        """
        key, now_s = arrived.request.key, arrived.arrived_s
        if any(one.request.key == key for one in self._lines.of(key.robot_id, key.kind)):
            return []  # the same message twice
        self._end_reservations(now_s, idle=self.workers - len(busy_s))
        is_frame = key.kind is Kind.FRAME
        self.shares.asks(key.robot_id, now_s, cost_s=self.times.expected_s(arrived.request), is_frame=is_frame)
        alike = self._lines.of(key.robot_id, key.kind)
        if any(is_newer(one.request, arrived.request) for one in alike):
            return [Refusal.of(arrived, "a newer request of this robot came before it")]
        if is_frame:
            self._reservations.drop(key.robot_id)
        refused = []
        for older in alike:
            if not self._is_awaited_beside(older, arrived):
                refused.append(Refusal.of(older, "a newer request of this robot took its place in the queue"))
                self._lines.remove(older)
        self._lines.add(arrived)
        if len(self) > self._max_waiting:
            spared = self._lines.spared_for(arrived)
            self._lines.remove(spared)
            if spared is arrived:
                refused.append(self._refuse(arrived, f"the queue is full ({self._max_waiting} requests wait)", now_s))
                return refused
            what = spared.request.key.kind.name.lower()
            refused.append(self._refuse(spared, f"a frame took the place of this {what} in the full queue", now_s))
        return refused + self._without_late(arrived, now_s, busy_s)

    def take(self, now_s: float, busy_s: Sequence[float] = ()) -> tuple[list[Waiting], list[Refusal]]:
        """
        Remove and return the request to answer next, and the requests that benefit from sharing its back-end run.

        A request can share the run if it already waits and is the first of its robot, if no idle worker is left for it,
        and if neither it nor a request that it overtakes misses its deadline as a result.

        :param busy_s: for each run under way, the seconds that it still needs, ≥ 0.
        :returns: the requests, in the order in which to answer them; empty if no request waits, or if the worker is
            kept free until ``held_until_s``; and the requests that have waited for too long.
        """
        refused: list[Refusal] = []
        idle = max(1, self.workers - len(busy_s))
        self._end_reservations(now_s, idle=idle)
        while order := self._lines.order():
            one = next((one for place, one in order if not self._is_kept_from(one, place, now_s, busy_s)), None)
            if one is None:
                place, first = order[0]
                self.held_until_s = max(kept.until_s for kept in self._before(first, place))
                return [], refused
            self._lines.remove(one)
            late = self._late(one, now_s - one.arrived_s, 0)
            if late:
                refused.append(self._refuse(one, late, now_s))
                continue
            lines = self._lines.firsts(but=one.request.key.robot_id)
            soonest_s = min((kept.from_s for _, kept in self._reservations), default=math.inf)
            sizes = self._sizes(one.request)
            if idle > 1:
                sizes = [size for size in sizes if size <= -(-(len(self) + 1) // idle)]
            batch = with_companions(one, lines, sizes, self.times, now_s=now_s, until_s=soonest_s)
            for companion in batch[1:]:
                self._lines.remove(companion)
            self._begin(batch, now_s)
            return batch, refused
        return [], refused

    def _begin(self, batch: Sequence[Waiting], now_s: float) -> None:
        charged_s = self.times.expected_s(batch[0].request, len(batch)) / len(batch)
        for one in batch:
            waited_s, one.charged_s = max(0.0, now_s - one.arrived_s), charged_s
            self.shares.begins(one.request.key.robot_id, charged_s, waited_s=waited_s, now_s=now_s)
        self._idle = max(0, self._idle - 1)

    def ended(self, batch: Sequence[Waiting], took_s: float, now_s: float) -> None:
        """Charge each robot of a batch for its part of the `took_s` seconds that the run took."""
        part_s, alone_s = took_s / len(batch), self.times.expected_s(batch[0].request)
        if alone_s > 0.0:
            self._cost += NEWEST * (part_s / alone_s - self._cost)
        for one in batch:
            self.shares.ended(one.request.key.robot_id, one.charged_s, part_s, now_s)

    def promised_rate(self, request: Request, now_s: float) -> float:
        """Return how many requests like this one per second its robot can count on; 0: no limit."""
        share, cost_s = self.shares.promise(request.key.robot_id, now_s), self._cost * self.times.expected_s(request)
        return 0.0 if math.isinf(share) or cost_s <= 0.0 else share / cost_s

    def forget(self, robot_id: str) -> None:
        """Drop the waiting requests of a robot that is gone, and its share."""
        self._lines.forget(robot_id)
        self._reservations.drop(robot_id)
        self.shares.forget(robot_id)

    def clear(self) -> list[Request]:
        """Remove and return all requests."""
        everything = [one.request for _, one in self._lines.order()]
        self._lines.clear()
        self._reservations.clear()
        return everything

    # The order.

    def _before(self, one: Waiting, place: Place) -> list[Reservation]:
        """Return the turns that are kept before a waiting request, for other robots than its own, soonest first."""
        own = one.request.key.robot_id
        place = min(place, self._lines.first_place(own)) if one.least_tag > -math.inf else place
        kept = [turn for robot, turn in self._reservations if robot != own and self._lines.first_place(robot) < place]
        return sorted(kept, key=lambda turn: turn.from_s)

    def _is_kept_from(self, one: Waiting, place: Place, now_s: float, busy_s: Sequence[float]) -> bool:
        """Return whether a request has to wait because of a turn that is kept for another robot."""
        before = self._before(one, place)
        if not before:
            return False
        end_s, workers = now_s + self.times.expected_s(one.request), WorkerTimes(self.workers, busy_s)
        return any(
            end_s > kept.from_s and workers.others(kept.from_s - now_s) <= number for number, kept in enumerate(before)
        )

    def _end_reservations(self, now_s: float, *, idle: int) -> None:
        """Count the time that workers were kept free, and drop the turns of robots that did not come."""
        if self._idle:
            self.shares.reserved(self._idle * max(0.0, now_s - self._idle_since_s), now_s)
        for robot, cost_s in self._reservations.take_lapsed(now_s):
            self.shares.missed(robot, cost_s)
        self._idle, self._idle_since_s = max(0, min(idle, len(self._reservations))), now_s

    # Refusals.

    def _without_late(self, arrived: Waiting, now_s: float, busy_s: Sequence[float]) -> list[Refusal]:
        """
        Refuse a request that arrived if it would be answered too late, else those that become too late by it.

        If it can wait until after those, its turn is after them, and none is refused.
        """
        late = self._find_late(arrived, now_s, busy_s)
        others = [one for one, _, _ in late if one is not arrived]
        if others:
            places = {id(one): place for place, one in self._lines.order()}
            arrived.least_tag = math.nextafter(max(places[id(one)][0] for one in others), math.inf)
            if self._find_late(arrived, now_s, busy_s):
                arrived.least_tag = -math.inf
            late = self._find_late(arrived, now_s, busy_s)
        for one, _, _ in late:
            self._lines.remove(one)
        return [self._refuse(one, reason, now_s, begin_s) for one, reason, begin_s in late]

    def _find_late(self, arrived: Waiting, now_s: float, busy_s: Sequence[float]) -> list[tuple[Waiting, str, float]]:
        """Return the requests to refuse, why, and the seconds until each would begin; see :meth:`_without_late`."""
        found: list[tuple[Waiting, str, float]] = []
        is_behind, workers = False, WorkerTimes(self.workers, busy_s)
        for place, one in self._lines.order():
            begin_s, ahead = workers.next()
            own_s = self.times.expected_s(one.request)
            for number, kept in enumerate(self._before(one, place)):
                if now_s + begin_s + own_s > kept.from_s and workers.others(kept.from_s - now_s) <= number:
                    begin_s = max(begin_s, kept.comes_s - now_s) + kept.cost_s
                    ahead += int(one is arrived)
            if one is arrived or is_behind:
                one.behind = ahead > 0
                late = self._late(one, now_s - one.arrived_s + begin_s, ahead)
                if late:
                    found.append((one, late, begin_s))
                    if one is arrived:
                        break
                    continue
                is_behind = True
            workers.give(begin_s + own_s, ahead + 1)
        return found

    def _refuse(self, one: Waiting, reason: str, now_s: float, begin_s: float | None = None) -> Refusal:
        """
        Refuse a request that is no longer in the queue, and keep a turn for its robot.

        :param begin_s: seconds until it would have begun; None if it would have been the last.
        """
        request, robot = one.request, one.request.key.robot_id
        if self.shares.is_alone(robot, now_s):
            return Refusal.of(one, reason)
        self.shares.contend(now_s)
        if request.key.kind is not Kind.FRAME or self._lines.of(robot, Kind.FRAME):
            return Refusal.of(one, reason)
        own_s = self.times.expected_s(request)
        if begin_s is None:
            begin_s = sum(self.times.expected_s(other.request) for _, other in self._lines.order()) / self.workers
        account = self.shares.of(robot)
        begin_s = max(begin_s, self.shares.owed_s(robot, now_s) / self.workers)
        begin_s += PATIENCE * own_s * max(0, account.in_row - PATIENCE_AFTER)
        retry_s = max(0.0, begin_s + own_s - request.deadline_s) if request.deadline_s > 0.0 else begin_s
        self.shares.refused(robot, now_s, retry_s)
        self._reservations.keep(robot, now_s, account.rhythm, retry_s=retry_s, in_row=account.in_row, cost_s=own_s)
        return Refusal.of(one, reason, retry_s=retry_s)

    def _late(self, one: Waiting, wait_s: float, ahead: int) -> str:
        """Return why a request would be answered too late, in one sentence; empty if it would not."""
        deadline_s, service_s = one.request.deadline_s, self.times.expected_s(one.request)
        if not one.behind or deadline_s <= 0.0 or wait_s + service_s <= deadline_s:
            return ""
        if self.shares.of(one.request.key.robot_id).in_row >= MOST_IN_ROW:
            return ""
        waits = (
            f"{ahead} requests before it take {1e3 * wait_s:.0f} ms" if ahead else f"it waited {1e3 * wait_s:.0f} ms"
        )
        return f"the edge is overloaded: {waits}, it takes {1e3 * service_s:.0f}, and has {1e3 * deadline_s:.0f} in all"

    def _is_awaited_beside(self, older: Waiting, newer: Waiting) -> bool:
        """Return whether the sender of the newer request still waits for the older one and will get it in time."""
        request = older.request
        if request.deadline_s <= 0.0 or not is_newer(newer.request, request):
            return False
        return is_in_time(older, newer.arrived_s + self.times.expected_s(request))
