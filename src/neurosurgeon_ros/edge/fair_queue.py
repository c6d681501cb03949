# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Request queue of an edge: bounded, fair between robots, and without requests that would be answered too late."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from neurosurgeon_ros.edge.reservations import Reservation, Reservations
from neurosurgeon_ros.edge.service_times import NEWEST, ServiceTimes
from neurosurgeon_ros.edge.shares import Account, Shares
from neurosurgeon_ros.edge.waiting import Refusal, Waiting, is_in_time, is_newer, share_a_back_end
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Request

# A place in the order: virtual start time, number among the robot's waiting requests, its newest run, its number.
_Place = tuple[float, int, int, int]


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

    :ivar times: how long requests take; filled by the owner.
    :ivar shares: what each robot has had.
    :ivar held_until_s: clock time until which the back-end is kept free, after :meth:`take` has returned no request.
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
        self._robots: dict[str, dict[tuple[Kind, int], Waiting]] = {}
        self._reservations = Reservations()
        self._idle_since_s: float | None = None
        self._charged_s = 0.0
        self._cost = 1.0

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._robots.values())

    def put(self, arrived: Waiting, *, busy_s: float) -> list[Refusal]:
        """
        Add a request, unless it would be answered too late or the queue is full.

        :param busy_s: seconds that the worker still needs for its current work; negative if it is idle.
        :returns: the requests that are refused because of this one, or this one itself.
        """
        key, now_s = arrived.request.key, arrived.arrived_s
        self._end_reservations(now_s, is_idle=busy_s < 0.0)
        is_frame = key.kind is Kind.FRAME
        self.shares.asks(key.robot_id, now_s, cost_s=self.times.expected_s(arrived.request), is_frame=is_frame)
        alike = [one for one in self._robots.get(key.robot_id, {}).values() if one.request.key.kind is key.kind]
        if any(is_newer(one.request, arrived.request) for one in alike):
            return [Refusal.of(arrived, "a newer request of this robot came before it")]
        if is_frame:
            self._reservations.drop(key.robot_id)
        refused = []
        for older in alike:
            if not self._is_awaited_beside(older, arrived):
                refused.append(Refusal.of(older, "a newer request of this robot took its place in the queue"))
                self._remove(older)
        self._robots.setdefault(key.robot_id, {})[key.kind, key.sequence] = arrived
        if len(self) > self._max_waiting:
            spared = self._spared_for(arrived)
            self._remove(spared)
            if spared is arrived:
                refused.append(self._refuse(arrived, f"the queue is full ({self._max_waiting} requests wait)", now_s))
                return refused
            what = spared.request.key.kind.name.lower()
            refused.append(self._refuse(spared, f"a frame took the place of this {what} in the full queue", now_s))
        return refused + self._without_late(arrived, now_s, busy_s)

    def take(self, now_s: float) -> tuple[list[Waiting], list[Refusal]]:
        """
        Remove and return the request to answer next, and the requests that benefit from sharing its back-end run.

        A request can share the run if it already waits and is the first of its robot, and if neither it nor a request
        that it overtakes misses its deadline as a result.

        :returns: the requests, in the order in which to answer them; empty if no request waits, or if the back-end is
            kept free until ``held_until_s``; and the requests that have waited for too long.
        """
        refused: list[Refusal] = []
        self._end_reservations(now_s, is_idle=True)
        while order := self._order():
            one = next((one for place, one in order if not self._is_kept_from(one, place, now_s)), None)
            if one is None:
                place, first = order[0]
                self.held_until_s = max(kept.until_s for kept in self._before(first, place))
                return [], refused
            self._remove(one)
            late = self._late(one, now_s - one.arrived_s, 0)
            if late:
                refused.append(self._refuse(one, late, now_s))
                continue
            batch = self._with_companions(one, now_s)
            for companion in batch[1:]:
                self._remove(companion)
            self._begin(batch, now_s)
            return batch, refused
        return [], refused

    def _begin(self, batch: Sequence[Waiting], now_s: float) -> None:
        self._charged_s = self.times.expected_s(batch[0].request, len(batch)) / len(batch)
        for one in batch:
            waited_s = max(0.0, now_s - one.arrived_s)
            self.shares.begins(one.request.key.robot_id, self._charged_s, waited_s=waited_s, now_s=now_s)
        self._idle_since_s = None

    def ended(self, batch: Sequence[Waiting], took_s: float, now_s: float) -> None:
        """Charge each robot of the batch taken last for its part of the `took_s` seconds that the run took."""
        part_s, alone_s = took_s / len(batch), self.times.expected_s(batch[0].request)
        if alone_s > 0.0:
            self._cost += NEWEST * (part_s / alone_s - self._cost)
        for one in batch:
            self.shares.ended(one.request.key.robot_id, self._charged_s, part_s, now_s)

    def promised_rate(self, request: Request, now_s: float) -> float:
        """Return how many requests like this one per second its robot can count on; 0: no limit."""
        share, cost_s = self.shares.promise(request.key.robot_id, now_s), self._cost * self.times.expected_s(request)
        return 0.0 if math.isinf(share) or cost_s <= 0.0 else share / cost_s

    def forget(self, robot_id: str) -> None:
        """Drop the waiting requests of a robot that is gone, and its share."""
        self._robots.pop(robot_id, None)
        self._reservations.drop(robot_id)
        self.shares.forget(robot_id)

    def clear(self) -> list[Request]:
        """Remove and return all requests."""
        everything = [one.request for _, one in self._order()]
        self._robots.clear()
        self._reservations.clear()
        return everything

    # The order.

    def _order(self) -> list[tuple[_Place, Waiting]]:
        """Return the waiting requests with their places, in the order in which their turns come."""
        order: list[tuple[_Place, Waiting]] = []
        for robot, own in self._robots.items():
            account = self.shares.of(robot)
            tag = account.tag
            for turn, key in enumerate(sorted(own)):
                tag = max(tag, own[key].least_tag)
                order.append(((tag, turn, account.turn, account.number), own[key]))
                tag += self.times.expected_s(own[key].request) / account.weight
        return sorted(order, key=lambda placed: placed[0])

    def _before(self, one: Waiting, place: _Place) -> list[Reservation]:
        """Return the turns that are kept before a waiting request, for other robots than its own, soonest first."""
        kept, own = [], self.shares.of(one.request.key.robot_id)
        if one.least_tag > own.tag:
            place = self._first_place(own)  # it is only after the requests that it would make too late
        for robot, reservation in self._reservations:
            account = self.shares.of(robot)
            if robot != one.request.key.robot_id and self._first_place(account) < place:
                kept.append(reservation)
        return sorted(kept, key=lambda reservation: reservation.from_s)

    def _first_place(self, account: Account) -> _Place:
        """Return the place of a robot's first waiting request."""
        return (account.tag, 0, account.turn, account.number)

    def _is_kept_from(self, one: Waiting, place: _Place, now_s: float, size: int = 1) -> bool:
        """Return whether a request, or a batch with it, has to wait because of a turn that is kept for another robot."""
        end_s = now_s + self.times.expected_s(one.request, size)
        return any(end_s > kept.from_s for kept in self._before(one, place))

    def _end_reservations(self, now_s: float, *, is_idle: bool) -> None:
        """Count the time that the back-end was kept free, and drop the turns of robots that did not come."""
        if self._idle_since_s is not None:
            self.shares.reserved(now_s - self._idle_since_s, now_s)
        for robot, cost_s in self._reservations.take_lapsed(now_s):
            self.shares.missed(robot, cost_s)
        self._idle_since_s = now_s if is_idle and len(self._reservations) else None

    def _with_companions(self, first: Waiting, now_s: float) -> list[Waiting]:
        """Return the largest batch that starts with a request already taken out and makes no waiting request late."""
        request = first.request
        lines = [
            one for place, one in self._order() if place[1] == 0 and one.request.key.robot_id != request.key.robot_id
        ]
        alike = [one for one in lines if share_a_back_end(one.request, request)]
        for size in self._sizes(request):
            batch = [first, *alike[: size - 1]]
            if len(batch) == size > 1 and self._none_is_late(batch, lines, now_s):
                return batch
        return [first]

    def _none_is_late(self, batch: list[Waiting], lines: list[Waiting], now_s: float) -> bool:
        """
        Return whether a batch makes neither its own requests late nor the requests after it, nor takes a kept turn.

        :param lines: the first request of every other robot, in the order in which they would be answered.
        """
        batch_s = self.times.expected_s(batch[0].request, len(batch))
        unknown = batch_s == 0.0 and any(one.request.deadline_s > 0.0 for one in batch + lines)
        if unknown or not all(is_in_time(one, now_s + batch_s) for one in batch):
            return False
        if any(now_s + batch_s > kept.from_s for _, kept in self._reservations):
            return False
        in_turn_s = now_s + self.times.expected_s(batch[0].request)
        at_s = now_s + batch_s
        for one in lines:
            own_s = self.times.expected_s(one.request)
            in_turn_s += own_s
            if one not in batch:
                at_s += own_s
                if is_in_time(one, in_turn_s) and not is_in_time(one, at_s):
                    return False
        return True

    # Refusals.

    def _without_late(self, arrived: Waiting, now_s: float, busy_s: float) -> list[Refusal]:
        """
        Refuse a request that arrived if it would be answered too late, else those that become too late by it.

        If it can wait until after those, its turn is after them, and none is refused.
        """
        late = self._find_late(arrived, now_s, busy_s)
        others = [one for one, _, _ in late if one is not arrived]
        if others:
            places = {id(one): place for place, one in self._order()}
            arrived.least_tag = math.nextafter(max(places[id(one)][0] for one in others), math.inf)
            if self._find_late(arrived, now_s, busy_s):
                arrived.least_tag = -math.inf
            late = self._find_late(arrived, now_s, busy_s)
        for one, _, _ in late:
            self._remove(one)
        return [self._refuse(one, reason, now_s, begin_s) for one, reason, begin_s in late]

    def _find_late(self, arrived: Waiting, now_s: float, busy_s: float) -> list[tuple[Waiting, str, float]]:
        """Return the requests to refuse, why, and the seconds until each would begin; see :meth:`_without_late`."""
        found: list[tuple[Waiting, str, float]] = []
        at_s, ahead, is_behind = max(0.0, busy_s), int(busy_s >= 0.0), False
        for place, one in self._order():
            own_s, begin_s = self.times.expected_s(one.request), at_s
            for kept in self._before(one, place):
                if now_s + begin_s + own_s > kept.from_s:
                    begin_s = max(begin_s, kept.from_s - now_s) + kept.cost_s
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
            at_s, ahead = begin_s + own_s, ahead + 1
        return found

    def _refuse(self, one: Waiting, reason: str, now_s: float, begin_s: float | None = None) -> Refusal:
        """
        Refuse a request that is no longer in the queue, and keep a turn for its robot.

        :param begin_s: seconds until it would have begun; None if it would have been the last.
        """
        request, robot = one.request, one.request.key.robot_id
        if request.key.kind is not Kind.FRAME or any(kind is Kind.FRAME for kind, _ in self._robots.get(robot, ())):
            self.shares.refused(robot, now_s, 0.0)
            return Refusal.of(one, reason)
        own_s = self.times.expected_s(request)
        if begin_s is None:
            begin_s = sum(self.times.expected_s(other.request) for _, other in self._order())
        begin_s = max(begin_s, self.shares.owed_s(robot, now_s))
        retry_s = max(0.0, begin_s + own_s - request.deadline_s) if request.deadline_s > 0.0 else begin_s
        self.shares.refused(robot, now_s, retry_s)
        account = self.shares.of(robot)
        self._reservations.keep(
            robot, now_s, account.rhythm, retry_s=retry_s, in_row=account.in_row, cost_s=own_s
        )
        return Refusal.of(one, reason, retry_s=retry_s)

    def _late(self, one: Waiting, wait_s: float, ahead: int) -> str:
        """Return why a request would be answered too late, in one sentence; empty if it would not."""
        deadline_s, service_s = one.request.deadline_s, self.times.expected_s(one.request)
        if not one.behind or deadline_s <= 0.0 or wait_s + service_s <= deadline_s:
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

    def _spared_for(self, arrived: Waiting) -> Waiting:
        """Return the request that has no room: a sample if a frame arrived, else the last one. It may be the new one."""
        order = [one for _, one in self._order()]
        if arrived.request.key.kind is not Kind.FRAME:
            return arrived
        samples = [one for one in order if one.request.key.kind is Kind.SAMPLE]
        return samples[-1] if samples else order[-1]

    def _remove(self, one: Waiting) -> None:
        key = one.request.key
        del self._robots[key.robot_id][key.kind, key.sequence]
        if not self._robots[key.robot_id]:
            del self._robots[key.robot_id]
