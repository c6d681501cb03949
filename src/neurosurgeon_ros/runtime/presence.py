# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is there: the edge as a robot sees it, and the robots as an edge sees them. Both live by what they last heard."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass

#: Seconds without a status after which an edge is gone: three of its 2 Hz statuses.
EDGE_TIMEOUT_S = 1.5

#: Seconds without a hello after which a robot's id is free again.
ROBOT_TIMEOUT_S = 2.0

#: Longest robot id, as bounded in the messages.
MAX_ID_LENGTH = 64


def to_id(name: str) -> str:
    """
    Reduce a name, such as a node's fully qualified one, to an id that can be a part of a topic's name.

    It becomes lower case, runs of anything but [a-z0-9] become one underscore, and a digit does not come first.

    :raises ValueError: if nothing is left of it.

    >>> to_id("/Robot1/front-camera")
    'robot1_front_camera'
    >>> to_id("7")
    'id_7'
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not text:
        raise ValueError(f"the id {name!r} holds none of a-z and 0-9: give one that does")
    return (f"id_{text}" if text[0].isdigit() else text)[:MAX_ID_LENGTH]


def is_id(text: str) -> bool:
    """Whether a text from the network can be an id, and so a part of a topic's name."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text) is not None and "__" not in text


def new_secret() -> str:
    """Make the secret of a session, 64 hexadecimal digits: only its owner can end the session early."""
    return secrets.token_hex(32)


def session_of(secret: str) -> int:
    """
    Return the number of the session that a secret opens and ends, 64 bits.

    The number is public, and the secret cannot be computed from it.
    """
    return int.from_bytes(hashlib.sha256(secret.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """
    What an edge says of itself; see neurosurgeon_ros/EdgeStatus.

    :param models: name by fingerprint of each model that it serves.
    :param robots: the session that holds each robot id.
    """

    edge_id: str
    session: int
    models: dict[str, str]
    robots: dict[str, int]
    queue_length: int = 0
    load: float = 0.0


class EdgeWatch:
    """
    A robot's view of its edge. Safe for any number of threads.

    It keeps to one edge until that one is gone, or another one serves its model and that one does not.

    :param robot_id: this robot's id.
    :param session: this start's random number.
    :param fingerprint: of the robot's model.
    :param former: sessions that this robot has ended; an edge may name one of them until it has heard the new one.
    """

    def __init__(self, *, robot_id: str, session: int, fingerprint: str, former: Collection[int] = ()) -> None:
        self._robot_id = robot_id
        self._session = session
        self._fingerprint = fingerprint
        self._former = frozenset(former) - {session}
        self._lock = threading.Lock()
        self._report: EdgeReport | None = None
        self._heard_s = float("-inf")

    def hear(self, report: EdgeReport, now_s: float) -> None:
        """Take note of a status, unless another edge than the one that sent it is kept to."""
        with self._lock:
            known = self._report
            if (
                known is not None
                and report.edge_id != known.edge_id
                and now_s - self._heard_s <= EDGE_TIMEOUT_S
                and (self._fingerprint in known.models or self._fingerprint not in report.models)
            ):
                return
            self._report, self._heard_s = report, now_s

    def edge(self, now_s: float) -> EdgeReport | None:
        """Return the edge that is there now, or None."""
        with self._lock:
            return self._report if now_s - self._heard_s <= EDGE_TIMEOUT_S else None

    def obstacle(self, now_s: float) -> str:
        """Why the edge cannot be used now, in one sentence; empty if it can."""
        edge = self.edge(now_s)
        if edge is None:
            return "no edge is there"
        if self._fingerprint not in edge.models:
            served = ", ".join(f"{name} ({fingerprint[:12]})" for fingerprint, name in edge.models.items()) or "none"
            return (
                f"the edge {edge.edge_id} has no model {self._fingerprint[:12]}, it serves {served}: "
                "start both with the same model and weights"
            )
        holder = edge.robots.get(self._robot_id)
        if holder is None or holder in self._former:
            return f"the edge {edge.edge_id} has not answered this robot's hello yet"
        if holder != self._session:
            return f"another robot holds the id {self._robot_id} at the edge {edge.edge_id}: give each its own robot_id"
        return ""


@dataclass(slots=True)
class _Robot:
    session: int
    fingerprint: str
    heard_s: float


class RequestBudget:
    """
    How often each robot may ask: a second's worth at once, and then at its rate. For one thread.

    :param rate: requests per second.
    """

    def __init__(self, *, rate: float) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, robot_id: str, now_s: float) -> bool:
        """Take one request from a robot's budget; say whether there was one."""
        left, then_s = self._left.get(robot_id, (self._rate, now_s))
        left = min(self._rate, left + (now_s - then_s) * self._rate)
        self._left[robot_id] = (left - 1.0 if left >= 1.0 else left, now_s)
        return left >= 1.0

    def forget(self, robot_id: str) -> None:
        """Drop what is known of a robot that is gone."""
        self._left.pop(robot_id, None)


class RobotRegistry:
    """
    An edge's view of its robots: an id belongs to the session that said hello first.

    It is free again when that session ends itself, see :meth:`leave`, or when its hellos stop.

    :param max_robots: how many ids are held at once.
    """

    def __init__(self, *, max_robots: int = 64) -> None:
        self._max_robots = max_robots
        self._lock = threading.Lock()
        self._robots: dict[str, _Robot] = {}

    def hello(self, robot_id: str, session: int, fingerprint: str, now_s: float) -> str:
        """
        Take note of a hello.

        :return: why the robot cannot be served, in one sentence; empty if it holds its id now.
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
        Free an id at once, if the session that holds it asks for that.

        :param secret: of the session, see :func:`session_of`; nobody else knows it, so nobody else can free the id.
        :return: whether the id was held by this session and is free now.
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
        """Whether this session of the robot holds its id."""
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
