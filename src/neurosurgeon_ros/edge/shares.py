# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What each robot has had of an edge's back-end, and what it can count on.

This is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over seconds of the back-end. A robot's *tag* is
the virtual time at which its next request should start: the seconds that it has had, divided by its weight. The robot
with the lowest tag is next. The edge's virtual time is the tag of the newest run that was started in turn.

A robot that was refused keeps its tag, so it is next. Its tag lags behind the virtual time by at most :data:`LAG_S`,
and not at all after it was away, so that it gets no burst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from neurosurgeon_ros.edge.reservations import Rhythm

#: Maximum lag of a robot that asks for less than its share or is refused, in virtual seconds.
LAG_S = 0.5

#: A robot is away if nothing comes from it for this many seconds, and for this many of its periods.
AWAY_S, AWAY_PERIODS = 2.0, 3.0

#: The use of the back-end is averaged over about this many seconds.
USE_S = 2.0

#: A share is never taken of less than this many seconds.
LEAST_AGE_S = 0.2

#: Robots contend for the back-end for this many seconds after a request was refused or the back-end was fully used.
CONTENTION_S = 3.0

#: The back-end is fully used if it is busy or reserved for this share of the time.
FULL = 0.85

#: A robot that uses less than this share of what it was promised does not need more.
NEEDS = 0.8

#: Robots are even if their tags differ by at most this many virtual seconds.
EVEN_S = 0.1

#: Minimum share of the time that is promised, however much of it reservations take.
LEAST_CAPACITY = 0.3

#: Maximum number of robots that are remembered.
MAX_ACCOUNTS = 256


#: The parameter value that gives every robot the same weight.
EQUAL = "equal"

#: Any other value of the parameter: a regular expression, and its meaning in words.
WEIGHTS = (r"[a-z][a-z0-9_]{0,63}=(?=[0-9.]*[1-9])[0-9]{1,3}(\.[0-9]{1,3})?", "robot_id=weight, above 0 and below 1000")


def parse_weights(values: Iterable[str]) -> dict[str, float]:
    """
    Return the weight of each robot id that the parameter names.

    :param values: :data:`EQUAL`, or texts that match :data:`WEIGHTS`; the last weight of an id counts.

    >>> parse_weights(["left=2.0", "right=0.5"])
    {'left': 2.0, 'right': 0.5}
    """
    return {name: float(weight) for name, _, weight in (one.partition("=") for one in values if one != EQUAL)}


class RecentShare:
    """The share of the recent time that something took; older times count less."""

    def __init__(self, window_s: float = USE_S) -> None:
        self._window_s = window_s
        self._sum_s = 0.0
        self._since_s = self._at_s = -math.inf

    def add(self, seconds: float, now_s: float) -> None:
        """Add seconds that were spent until now."""
        if not self._sum_s:
            self._since_s = now_s - seconds
        self._sum_s = self._decayed(now_s) + seconds
        self._at_s = max(self._at_s, now_s)

    def share(self, now_s: float) -> float:
        """Return the seconds per second, about those of the last window."""
        age_s = max(LEAST_AGE_S, now_s - self._since_s)
        return self._decayed(now_s) / (self._window_s * -math.expm1(-age_s / self._window_s))

    def _decayed(self, now_s: float) -> float:
        return self._sum_s * math.exp(-max(0.0, now_s - self._at_s) / self._window_s) if self._sum_s else 0.0


@dataclass(slots=True, eq=False)
class Account:
    """
    What is known of one robot.

    :param weight: its weight, > 0.
    :param tag: virtual start time of its next request, in seconds.
    :param number: its place among those that are equal.

    :ivar used: seconds of the back-end that it has used.
    :ivar asked: seconds that it has asked for, with those that were refused.
    :ivar waited: seconds for which its requests have waited.
    :ivar rhythm: when its frames come.
    :ivar turn: number of its newest run among those of all robots; 0 before the first.
    :ivar active_until_s: it is away afterwards.
    :ivar promised: share of the time that it was promised; infinite if it was promised no limit.
    :ivar needs: whether it would use more of the back-end than it gets.
    :ivar in_row: number of its requests that were refused for load since its newest run, without those that came too
        soon.
    :ivar retry_at_s: clock time before which a request comes too soon.
    """

    weight: float
    tag: float
    number: int
    used: RecentShare = field(default_factory=RecentShare)
    asked: RecentShare = field(default_factory=RecentShare)
    waited: RecentShare = field(default_factory=RecentShare)
    rhythm: Rhythm = field(default_factory=Rhythm)
    turn: int = 0
    active_until_s: float = -math.inf
    promised: float = math.inf
    needs: bool = False
    in_row: int = 0
    retry_at_s: float = -math.inf

    def wants(self, now_s: float) -> float:
        """
        Return the share of the time that the robot would use if it neither waited nor was refused; may be infinite.

        A robot that waits for its answers asks less often than it would.
        """
        asked = self.asked.share(now_s)
        if self.used.share(now_s) < NEEDS * asked:
            return math.inf
        return asked / max(LEAST_CAPACITY, 1.0 - self.waited.share(now_s))


class Shares:
    """
    The accounts of the robots. Not thread-safe: the owner must call it from one thread at a time.

    :param weights: weight of each robot id, > 0; a robot that is missing here has weight 1.

    :ivar workers: number of workers of the back-end, ≥ 1. A share of 1 is all the time of one worker.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.workers = 1
        self._weights = dict(weights or {})
        self._accounts: dict[str, Account] = {}
        self._now = 0.0
        self._turn = 0
        self._number = 0
        self._reserved = RecentShare()
        self._contended_until_s = -math.inf

    def __len__(self) -> int:
        return len(self._accounts)

    def of(self, robot_id: str) -> Account:
        """Return a robot's account; a new robot starts at the virtual time."""
        account = self._accounts.get(robot_id)
        if account is None:
            if len(self._accounts) >= MAX_ACCOUNTS:
                oldest = min(self._accounts, key=lambda name: self._accounts[name].active_until_s)
                del self._accounts[oldest]
            account = Account(self._weights.get(robot_id, 1.0), self._now, self._number)
            self._number += 1
            self._accounts[robot_id] = account
        return account

    def asks(self, robot_id: str, now_s: float, *, cost_s: float, is_frame: bool = True) -> Account:
        """
        Record that a robot sent a request, and return its account.

        :param cost_s: seconds that the request will take.
        """
        account = self.of(robot_id)
        lag_s = LAG_S if now_s <= account.active_until_s else 0.0
        account.tag = max(account.tag, self._now - lag_s)
        account.asked.add(cost_s, now_s)
        if is_frame:
            account.rhythm.came(now_s)
        account.active_until_s = now_s + max(AWAY_S, AWAY_PERIODS * account.rhythm.shortest_s)
        return account

    def begins(self, robot_id: str, seconds: float, *, waited_s: float, now_s: float) -> None:
        """Charge a robot for a run of this many expected seconds that starts now, after its request has waited."""
        account = self.of(robot_id)
        self._turn += 1
        self._now = max(self._now, account.tag)
        account.tag += seconds / account.weight
        account.turn, account.in_row = self._turn, 0
        account.waited.add(waited_s, now_s)

    def ended(self, robot_id: str, expected_s: float, took_s: float, now_s: float) -> None:
        """Correct the charge of a run that has ended now."""
        account = self._accounts.get(robot_id)
        if account is not None:
            account.tag += (took_s - expected_s) / account.weight
            account.used.add(took_s, now_s)

    def is_alone(self, robot_id: str, now_s: float) -> bool:
        """Return whether no other robot asks for anything."""
        return self._active(now_s).keys() <= {robot_id}

    def owed_s(self, robot_id: str, now_s: float) -> float:
        """Return the seconds of the back-end that other robots are to have before a robot's turn comes."""
        account = self.of(robot_id)
        others = [one for one in self._active(now_s).values() if one.needs and one is not account]
        return sum(max(0.0, account.tag - one.tag) * one.weight for one in others)

    def refused(self, robot_id: str, now_s: float, retry_s: float) -> None:
        """
        Record that a robot's request was refused for load, which costs it nothing.

        :param retry_s: seconds after which it was told to ask again; if it asks sooner, that is its own doing.
        """
        account = self.of(robot_id)
        account.in_row += now_s >= account.retry_at_s
        account.retry_at_s = now_s + retry_s

    def contend(self, now_s: float) -> None:
        """Record that a request was refused for load: robots contend for the back-end."""
        self._contended_until_s = max(self._contended_until_s, now_s + CONTENTION_S)

    def missed(self, robot_id: str, seconds: float) -> None:
        """Charge a robot that did not come when it was its turn, as if a run of this many seconds had begun."""
        account = self._accounts.get(robot_id)
        if account is not None:
            account.tag += seconds / account.weight

    def reserved(self, seconds: float, now_s: float) -> None:
        """Record that the back-end was kept free for this long until now."""
        self._reserved.add(seconds, now_s)

    def forget(self, robot_id: str) -> None:
        """Drop the account of a robot that is gone."""
        self._accounts.pop(robot_id, None)

    def used(self, now_s: float) -> dict[str, float]:
        """Return how many workers' time was recently spent on each robot, about in [0, :attr:`workers`]."""
        return {name: account.used.share(now_s) for name, account in self._active(now_s).items()}

    def promise(self, robot_id: str, now_s: float) -> float:
        """
        Return how many workers' time a robot can count on, > 0; infinite while nobody has to wait.

        Shares are max-min fair: what a robot leaves of its share goes to those that need more, by their weights. A
        robot that has had more than another one that needs more is promised less, until they are even.
        """
        active = self._active(now_s)
        account = active.get(robot_id)
        if account is None:
            return math.inf
        account.promised = self._promise(account, tuple(active.values()), now_s)
        return account.promised

    def _promise(self, account: Account, active: Sequence[Account], now_s: float) -> float:
        if len(active) < 2:
            return math.inf
        reserved = self._reserved.share(now_s)
        if sum(one.used.share(now_s) for one in active) + reserved >= FULL * self.workers:
            self.contend(now_s)
        if now_s > self._contended_until_s:
            return math.inf
        left, weights = max(LEAST_CAPACITY * self.workers, self.workers - reserved), sum(one.weight for one in active)
        wanted = {one.number: one.wants(now_s) / NEEDS for one in active}
        least_tag = account.tag
        for one in sorted(active, key=lambda one: wanted[one.number] / one.weight):
            one.needs = one is account or wanted[one.number] >= min(one.promised, one.weight * left / weights)
            if one.needs:
                least_tag = min(least_tag, one.tag)
            else:
                left, weights = left - wanted[one.number], weights - one.weight
        ahead_s = max(0.0, account.tag - least_tag - EVEN_S)
        return account.weight * left / weights / (1.0 + ahead_s / LAG_S)

    def _active(self, now_s: float) -> dict[str, Account]:
        return {name: one for name, one in self._accounts.items() if now_s <= one.active_until_s}
