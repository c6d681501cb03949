# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robots of an edge: which session holds each id, and how many requests each may send."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from neurosurgeon_ros.protocol.presence import ROBOT_TIMEOUT_S, is_id, session_of


@dataclass(slots=True)
class _Robot:
    session: int
    fingerprint: str
    heard_s: float


class RequestBudget:
    """
    Limits how often each robot may send: one second's worth at once, then at its rate. Use from one thread only.

    :param rate: requests per second.
    """

    def __init__(self, *, rate: float) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, robot_id: str, now_s: float) -> bool:
        """Spend one request of a robot's budget. Return whether one was left."""
        left, then_s = self._left.get(robot_id, (self._rate, now_s))
        left = min(self._rate, left + (now_s - then_s) * self._rate)
        self._left[robot_id] = (left - 1.0 if left >= 1.0 else left, now_s)
        return left >= 1.0

    def forget(self, robot_id: str) -> None:
        """Drop the budget of a robot that is gone."""
        self._left.pop(robot_id, None)


class RobotRegistry:
    """
    An edge's view of its robots. An id belongs to the session that sent the first hello.

    The id is free again when that session ends itself, see :meth:`leave`, or when its hellos stop.

    :param max_robots: maximum number of ids held at once.
    """

    def __init__(self, *, max_robots: int = 64) -> None:
        self._max_robots = max_robots
        self._lock = threading.Lock()
        self._robots: dict[str, _Robot] = {}

    def hello(self, robot_id: str, session: int, fingerprint: str, now_s: float) -> str:
        """
        Record a hello.

        :returns: why the robot cannot be served, in one sentence; empty if it holds its id now.
        """
        if not is_id(robot_id):
            return f"the robot id {robot_id!r} is not a letter followed by [a-z0-9_]: give it another robot_id"
        with self._lock:
            known = self._robots.get(robot_id)
            if known is None:
                if len(self._robots) >= self._max_robots:
                    return f"robot {robot_id} is one too many: this edge serves {self._max_robots} (max_robots)"
                self._robots[robot_id] = _Robot(session, fingerprint, now_s)
            elif known.session == session:
                known.heard_s, known.fingerprint = now_s, fingerprint
            elif now_s - known.heard_s > ROBOT_TIMEOUT_S:
                self._robots[robot_id] = _Robot(session, fingerprint, now_s)
            else:
                return f"the robot id {robot_id} is held by another robot: give each its own robot_id"
            return ""

    def leave(self, robot_id: str, session: int, secret: str) -> bool:
        """
        Free an id immediately, if the session that holds it asks for that.

        :param secret: secret of the session, see :func:`session_of`. Only its robot knows it and can free the id.
        :returns: whether this session held the id, which is free now.
        """
        if session_of(secret) != session:
            return False
        with self._lock:
            known = self._robots.get(robot_id)
            if known is None or known.session != session:
                return False
            del self._robots[robot_id]
            return True

    def holds(self, robot_id: str, session: int) -> bool:
        """Return whether this session of the robot holds its id."""
        with self._lock:
            known = self._robots.get(robot_id)
            return known is not None and known.session == session

    def expire(self, now_s: float) -> list[str]:
        """Free the ids whose hellos have stopped, and return them."""
        with self._lock:
            gone = [name for name, robot in self._robots.items() if now_s - robot.heard_s > ROBOT_TIMEOUT_S]
            for name in gone:
                del self._robots[name]
            return gone

    def sessions(self) -> dict[str, int]:
        """Return the session that holds each id now."""
        with self._lock:
            return {name: robot.session for name, robot in self._robots.items()}
