# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The requests that wait at an edge, in the order in which their turns come."""

from __future__ import annotations

from neurosurgeon_ros.edge.service_times import ServiceTimes
from neurosurgeon_ros.edge.shares import Shares
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.learning.interface import Kind

#: A place in the order: virtual start time, number among the robot's waiting requests, its newest run, its number.
Place = tuple[float, int, int, int]


class Lines:
    """The waiting requests of each robot: the robot with the lowest tag first, and frames before samples."""

    def __init__(self, shares: Shares, times: ServiceTimes) -> None:
        self._shares = shares
        self._times = times
        self._robots: dict[str, dict[tuple[Kind, int], Waiting]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._robots.values()))

    def of(self, robot_id: str, kind: Kind) -> list[Waiting]:
        """Return the waiting requests of a robot that are of one kind."""
        return [one for one in self._robots.get(robot_id, {}).values() if one.request.key.kind is kind]

    def add(self, one: Waiting) -> None:
        """Add a request, in place of one with the same key."""
        key = one.request.key
        self._robots.setdefault(key.robot_id, {})[key.kind, key.sequence] = one

    def remove(self, one: Waiting) -> None:
        """Remove a waiting request."""
        key = one.request.key
        del self._robots[key.robot_id][key.kind, key.sequence]
        if not self._robots[key.robot_id]:
            del self._robots[key.robot_id]

    def forget(self, robot_id: str) -> None:
        """Remove all requests of a robot."""
        self._robots.pop(robot_id, None)

    def clear(self) -> None:
        """Remove all requests."""
        self._robots.clear()

    def order(self) -> list[tuple[Place, Waiting]]:
        """Return the waiting requests with their places, in the order in which their turns come."""
        order: list[tuple[Place, Waiting]] = []
        for robot, own in self._robots.items():
            account = self._shares.of(robot)
            tag = account.tag
            for turn, key in enumerate(sorted(own)):
                tag = max(tag, own[key].least_tag)
                order.append(((tag, turn, account.turn, account.number), own[key]))
                tag += self._times.expected_s(own[key].request) / account.weight
        return sorted(order, key=lambda placed: placed[0])

    def first_place(self, robot_id: str) -> Place:
        """Return the place of a robot's first request, whether it waits or is expected."""
        account = self._shares.of(robot_id)
        return account.tag, 0, account.turn, account.number

    def firsts(self, but: str) -> list[Waiting]:
        """Return the first request of each robot but one, in the order in which their turns come."""
        return [one for place, one in self.order() if place[1] == 0 and one.request.key.robot_id != but]

    def spared_for(self, arrived: Waiting) -> Waiting:
        """Return the request that has no room: a sample if a frame came, else the last one, maybe the new one."""
        order = [one for _, one in self.order()]
        if arrived.request.key.kind is not Kind.FRAME:
            return arrived
        samples = [one for one in order if one.request.key.kind is Kind.SAMPLE]
        return samples[-1] if samples else order[-1]
