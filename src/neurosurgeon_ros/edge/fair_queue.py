# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Request queue of an edge: bounded, fair between robots, and without requests that would be answered too late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Request

#: Weight of the newest value in a running mean.
NEWEST = 0.2


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A waiting request.

    :param arrived_s: when it arrived, in monotonic seconds.
    :param behind: whether another request had to be answered first when it arrived.
    :param tensors: its decoded tensors; None until it is decoded, which for a frame of a stream is before it waits.
    :param decode_s: seconds that decoding them took.
    :param held: frame that the edge holds of its stream after it; 0: nothing, or no stream.
    """

    request: Request
    engine: Engine
    arrived_s: float
    behind: bool = False
    tensors: tuple[torch.Tensor, ...] | None = None
    decode_s: float = 0.0
    held: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """
    A refused request and the reason, in one sentence.

    :param held: as in :class:`Waiting`.
    """

    request: Request
    reason: str
    held: int = 0

    @classmethod
    def of(cls, one: Waiting, reason: str) -> Refusal:
        """Return the refusal of a request for load."""
        return cls(one.request, reason, one.held)


class ServiceTimes:
    """Running means of the seconds that requests take, per network, partition point and batch size."""

    def __init__(self) -> None:
        self._means_s: dict[tuple[str, int, int], float] = {}

    def expected_s(self, request: Request, size: int = 1) -> float:
        """
        Return the seconds that a request, or a batch of such requests, will take; 0 until a similar one was answered.

        Until a batch of this size was answered, it is expected to take as long as its requests one after another.
        """
        means_s, key = self._means_s, (request.fingerprint, request.partition_point)
        return means_s.get((*key, size), size * means_s.get((*key, 1), 0.0))

    def took(self, request: Request, seconds: float, size: int = 1) -> None:
        """Record the seconds that a request, or a batch of such requests, took from decoding to post-processing."""
        key = (request.fingerprint, request.partition_point, size)
        mean_s = self._means_s.get(key, seconds)
        self._means_s[key] = mean_s + NEWEST * (seconds - mean_s)


def _always_alone(_: Request) -> Sequence[int]:
    return ()


class FairQueue:
    """
    Serves robots in turn, and frames before samples.

    The queue keeps each robot's newest frame and newest sample. It also keeps earlier ones while they can still meet
    their deadline, because a robot may have several requests in flight.

    A request with nothing ahead of it is never refused because of its deadline: only answered requests show that a
    slow edge is fast again. Not thread-safe: the owner must call it from one thread at a time.

    :param max_waiting: maximum number of waiting requests.
    :param sizes: returns the batch sizes that are useful for requests of the same network and partition point.

    :ivar times: how long requests take; filled by the owner.
    """

    def __init__(self, max_waiting: int, sizes: Callable[[Request], Sequence[int]] = _always_alone) -> None:
        self.times = ServiceTimes()
        self._max_waiting = max_waiting
        self._sizes = sizes
        self._robots: OrderedDict[str, dict[tuple[Kind, int], Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._robots.values())

    def put(self, arrived: Waiting, *, busy_s: float) -> list[Refusal]:
        """
        Add a request, unless it would be answered too late or the queue is full.

        :param busy_s: seconds that the worker still needs for its current work; negative if it is idle.
        :returns: the requests that are refused because of this one, or this one itself.
        """
        key = arrived.request.key
        alike = [one for one in self._robots.get(key.robot_id, {}).values() if one.request.key.kind is key.kind]
        if any(_is_newer(one.request, arrived.request) for one in alike):
            return [Refusal.of(arrived, "a newer request of this robot came before it")]
        refused = []
        for older in alike:
            if not self._is_awaited_beside(older, arrived):
                refused.append(Refusal.of(older, "a newer request of this robot took its place in the queue"))
                self._remove(older)
        if len(self) >= self._max_waiting:
            spared = self._spared_for(arrived)
            if spared is None:
                return [Refusal.of(arrived, f"the queue is full ({self._max_waiting} requests wait)")]
            what = spared.request.key.kind.name.lower()
            refused.append(Refusal.of(spared, f"a frame took the place of this {what} in the full queue"))
            self._remove(spared)

        self._robots.setdefault(key.robot_id, {})[key.kind, key.sequence] = arrived
        ahead_s, ahead = max(0.0, busy_s), int(busy_s >= 0.0)
        for other in self._order():
            if other is arrived:
                break
            ahead_s, ahead = ahead_s + self.times.expected_s(other.request), ahead + 1
        arrived.behind = ahead > 0
        late = self._late(arrived, ahead_s, ahead)
        if late:
            self._remove(arrived)
            refused.append(Refusal.of(arrived, late))
        return refused

    def take(self, now_s: float) -> tuple[list[Waiting], list[Refusal]]:
        """
        Remove and return the request to answer next, and the requests that benefit from sharing its back-end run.

        A request can share the run if it already waits and is the first of its robot, and if neither it nor a request
        that it overtakes misses its deadline as a result.

        :returns: the requests, in the order in which to answer them, empty if no request waits; and the requests that
            have waited for too long.
        """
        refused: list[Refusal] = []
        while self._robots:
            robot, own = self._robots.popitem(last=False)
            one = own.pop(min(own))
            late = self._late(one, now_s - one.arrived_s, 0)
            batch = [one] if late else self._with_companions(one, now_s)
            if own:
                self._robots[robot] = own  # the robot's next turn is after the others'
            for companion in batch[1:]:
                self._remove(companion)
                if companion.request.key.robot_id in self._robots:
                    self._robots.move_to_end(companion.request.key.robot_id)
            if not late:
                return batch, refused
            refused.append(Refusal.of(one, late))
        return [], refused

    def forget(self, robot_id: str) -> None:
        """Drop the waiting requests of a robot that is gone."""
        self._robots.pop(robot_id, None)

    def clear(self) -> list[Request]:
        """Remove and return all requests."""
        everything = [one.request for one in self._order()]
        self._robots.clear()
        return everything

    def _with_companions(self, first: Waiting, now_s: float) -> list[Waiting]:
        """Return the largest batch that starts with a request already taken out and makes no waiting request late."""
        request = first.request
        lines = [own[min(own)] for own in self._robots.values()]
        alike = [one for one in lines if _share_a_back_end(one.request, request)]
        for size in self._sizes(request):
            batch = [first, *alike[: size - 1]]
            if len(batch) == size > 1 and self._none_is_late(batch, lines, now_s):
                return batch
        return [first]

    def _none_is_late(self, batch: list[Waiting], lines: list[Waiting], now_s: float) -> bool:
        """
        Return whether a batch makes neither its own requests late nor the requests after it.

        :param lines: the first request of every other robot, in the order in which they would be answered.
        """
        batch_s = self.times.expected_s(batch[0].request, len(batch))
        unknown = batch_s == 0.0 and any(one.request.deadline_s > 0.0 for one in batch + lines)
        if unknown or not all(_is_in_time(one, now_s + batch_s) for one in batch):
            return False
        in_turn_s = now_s + self.times.expected_s(batch[0].request)
        at_s = now_s + batch_s
        for one in lines:
            own_s = self.times.expected_s(one.request)
            in_turn_s += own_s
            if one not in batch:
                at_s += own_s
                if _is_in_time(one, in_turn_s) and not _is_in_time(one, at_s):
                    return False
        return True

    def _late(self, one: Waiting, wait_s: float, ahead: int) -> str:
        """Return why a request would be answered too late, in one sentence; empty if it would not."""
        deadline_s, service_s = one.request.deadline_s, self.times.expected_s(one.request)
        if not one.behind or deadline_s <= 0.0 or wait_s + service_s <= deadline_s:
            return ""
        waits = (
            f"{ahead} requests before it take {1e3 * wait_s:.0f} ms" if ahead else f"it waited {1e3 * wait_s:.0f} ms"
        )
        return f"the edge is overloaded: {waits}, it takes {1e3 * service_s:.0f}, and has {1e3 * deadline_s:.0f} in all"

    def _order(self) -> Iterator[Waiting]:
        """Yield the waiting requests, in the order in which they will be answered."""
        for turn in range(max(map(len, self._robots.values()), default=0)):
            for own in self._robots.values():
                if turn < len(own):
                    yield own[sorted(own)[turn]]

    def _is_awaited_beside(self, older: Waiting, newer: Waiting) -> bool:
        """Return whether the sender of the newer request still waits for the older one and will get it in time."""
        request = older.request
        if request.deadline_s <= 0.0 or not _is_newer(newer.request, request):
            return False
        return _is_in_time(older, newer.arrived_s + self.times.expected_s(request))

    def _spared_for(self, arrived: Waiting) -> Waiting | None:
        """Return the request that a frame replaces in a full queue: a sample, or one of a robot that has several."""
        key, order = arrived.request.key, tuple(self._order())
        if key.kind is not Kind.FRAME:
            return None
        samples = [one for one in order if one.request.key.kind is Kind.SAMPLE]
        if samples or key.robot_id in self._robots:
            return samples[-1] if samples else None
        later = [one for one in order if len(self._robots[one.request.key.robot_id]) > 1]
        return later[-1] if later else None

    def _remove(self, one: Waiting) -> None:
        key = one.request.key
        del self._robots[key.robot_id][key.kind, key.sequence]
        if not self._robots[key.robot_id]:
            del self._robots[key.robot_id]


def _share_a_back_end(one: Request, other: Request) -> bool:
    return (one.fingerprint, one.partition_point) == (other.fingerprint, other.partition_point)


def _is_in_time(one: Waiting, answered_s: float) -> bool:
    """Return whether an answer at `answered_s` meets the request's deadline."""
    return one.request.deadline_s <= 0.0 or answered_s - one.arrived_s <= one.request.deadline_s


def _is_newer(one: Request, other: Request) -> bool:
    """Return whether one request of a robot is newer than another of the same session."""
    return one.key.session == other.key.session and one.key.sequence > other.key.sequence
