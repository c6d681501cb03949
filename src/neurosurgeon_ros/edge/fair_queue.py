# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What waits at an edge: few requests, fair between robots, and none that would come too late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Request

#: Weight of the newest value in a running mean.
NEWEST = 0.2


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A request that waits.

    :param arrived_s: when it came, monotonic seconds.
    :param behind: whether another request was to be answered first when it came.
    """

    request: Request
    engine: Engine
    arrived_s: float
    behind: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """A request that is not answered, and why, in one sentence."""

    request: Request
    reason: str


class ServiceTimes:
    """Running means of the seconds that requests take, per network, partition point and number in a batch."""

    def __init__(self) -> None:
        self._means_s: dict[tuple[str, int, int], float] = {}

    def expected_s(self, request: Request, size: int = 1) -> float:
        """
        Return the seconds that a request will take, or a batch of such; 0 until one like it has been answered.

        Until there was such a batch, it counts as long as its requests one after the other.
        """
        means_s, key = self._means_s, (request.fingerprint, request.partition_point)
        return means_s.get((*key, size), size * means_s.get((*key, 1), 0.0))

    def took(self, request: Request, seconds: float, size: int = 1) -> None:
        """Record what a request took alone, or in a batch of such all of them, decoding to post-processing."""
        key = (request.fingerprint, request.partition_point, size)
        mean_s = self._means_s.get(key, seconds)
        self._means_s[key] = mean_s + NEWEST * (seconds - mean_s)


def _always_alone(_: Request) -> Sequence[int]:
    return ()


class FairQueue:
    """
    Robots are served in turns, frames before samples.

    Of each robot there wait the newest frame and the newest sample, and earlier ones while they can still come by their
    deadline: the robot may have several on their way.

    A request that finds nothing before it is never refused for its deadline: only by answering is it known when an edge
    that was slow is fast again. Its owner sees to it that one thread at a time calls it.

    :param max_waiting: requests that wait at most.
    :param sizes: how many requests of the same network and partition point as this one are worth a batch.

    :ivar times: what requests take; filled by the owner.
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
        Take in a request, unless it would come too late or there is no room.

        :param busy_s: seconds that the worker will still spend on what it has begun; negative if it has begun nothing.
        :returns: what is refused for it, or itself.
        """
        key = arrived.request.key
        alike = [one for one in self._robots.get(key.robot_id, {}).values() if one.request.key.kind is key.kind]
        if any(_is_newer(one.request, arrived.request) for one in alike):
            return [Refusal(arrived.request, "a newer request of this robot came before it")]
        refused = []
        for older in alike:
            if not self._is_awaited_beside(older, arrived):
                refused.append(Refusal(older.request, "a newer request of this robot took its place in the queue"))
                self._remove(older)
        if len(self) >= self._max_waiting:
            spared = self._spared_for(arrived)
            if spared is None:
                return [Refusal(arrived.request, f"the queue is full ({self._max_waiting} requests wait)")]
            what = spared.request.key.kind.name.lower()
            refused.append(Refusal(spared.request, f"a frame took the place of this {what} in the full queue"))
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
            refused.append(Refusal(arrived.request, late))
        return refused

    def take(self, now_s: float) -> tuple[list[Waiting], list[Refusal]]:
        """
        Take out the request to answer next, and those that gain by sharing its back-end.

        What shares it is there already and is the first in its robot's line, and neither it nor what it overtakes would
        come later than its deadline by that.

        :returns: the requests, in the order in which to answer; nothing if nothing waits. And those that have waited
            for too long meanwhile.
        """
        refused: list[Refusal] = []
        while self._robots:
            robot, own = self._robots.popitem(last=False)
            one = own.pop(min(own))
            late = self._late(one, now_s - one.arrived_s, 0)
            batch = [one] if late else self._with_companions(one, now_s)
            if own:
                self._robots[robot] = own  # its turn comes again after the others'
            for companion in batch[1:]:
                self._remove(companion)
                if companion.request.key.robot_id in self._robots:
                    self._robots.move_to_end(companion.request.key.robot_id)
            if not late:
                return batch, refused
            refused.append(Refusal(one.request, late))
        return [], refused

    def forget(self, robot_id: str) -> None:
        """Drop what waits of a robot that is gone."""
        self._robots.pop(robot_id, None)

    def clear(self) -> list[Request]:
        """Remove everything, and return it."""
        everything = [one.request for one in self._order()]
        self._robots.clear()
        return everything

    def _with_companions(self, first: Waiting, now_s: float) -> list[Waiting]:
        """Return the largest batch that begins with a request taken out already, and makes none of those there late."""
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
        Whether a batch makes neither its own requests late nor those that then come after it.

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
        """Why a request would be answered too late, in one sentence; empty if it would not."""
        deadline_s, service_s = one.request.deadline_s, self.times.expected_s(one.request)
        if not one.behind or deadline_s <= 0.0 or wait_s + service_s <= deadline_s:
            return ""
        waits = (
            f"{ahead} requests before it take {1e3 * wait_s:.0f} ms" if ahead else f"it waited {1e3 * wait_s:.0f} ms"
        )
        return f"the edge is overloaded: {waits}, it takes {1e3 * service_s:.0f}, and has {1e3 * deadline_s:.0f} in all"

    def _order(self) -> Iterator[Waiting]:
        """Yield what waits, in the order in which it will be answered."""
        for turn in range(max(map(len, self._robots.values()), default=0)):
            for own in self._robots.values():
                if turn < len(own):
                    yield own[sorted(own)[turn]]

    def _is_awaited_beside(self, older: Waiting, newer: Waiting) -> bool:
        """Whether a robot that sent the newer one still waits for the older one, and will have it in time."""
        request = older.request
        if request.deadline_s <= 0.0 or not _is_newer(newer.request, request):
            return False
        return _is_in_time(older, newer.arrived_s + self.times.expected_s(request))

    def _spared_for(self, arrived: Waiting) -> Waiting | None:
        """Return what leaves a full queue for a frame: a sample, or one of a robot that has several."""
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
    """Whether an answer at this moment comes before the request's deadline."""
    return one.request.deadline_s <= 0.0 or answered_s - one.arrived_s <= one.request.deadline_s


def _is_newer(one: Request, other: Request) -> bool:
    """Whether one request of a robot is newer than another; a new session's always are, since an id has one holder."""
    return one.key.session == other.key.session and one.key.sequence > other.key.sequence
