# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Edge discovery: which edge a robot uses, based on the statuses that it hears, and whether that edge serves it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection

from neurosurgeon_ros.protocol.presence import EDGE_TIMEOUT_S, EdgeReport
from neurosurgeon_ros.robot.uplink.link import NO_EDGE, Obstacle, ObstacleKind

#: Number of earlier starts of an edge that are remembered.
MOST_STARTS = 8


class EdgeDiscovery:
    """
    A robot's view of its edge. Thread-safe.

    The robot stays with one edge until that edge is gone, or until another edge serves its model and that one does not.
    If two edges announce the same id, it stays with the start that it heard last as a new one.

    :param robot_id: this robot's id.
    :param session: random number of this start.
    :param fingerprint: fingerprint of the robot's model.
    :param former: sessions that this robot has ended; an edge may report one of them until it hears the new one.

    :ivar twins: a sentence about two edges with the same id; empty if there are none.
    """

    def __init__(self, *, robot_id: str, session: int, fingerprint: str, former: Collection[int] = ()) -> None:
        self._robot_id = robot_id
        self._session = session
        self._fingerprint = fingerprint
        self._former = frozenset(former) - {session}
        self._lock = threading.Lock()
        self._report: EdgeReport | None = None
        self._heard_s = float("-inf")
        self._replaced: deque[int] = deque(maxlen=MOST_STARTS)
        self.twins = ""

    def hear(self, report: EdgeReport, now_s: float) -> None:
        """Record an edge's status, unless the robot stays with another edge."""
        with self._lock:
            known = self._report
            if (
                known is not None
                and report.edge_id != known.edge_id
                and now_s - self._heard_s <= EDGE_TIMEOUT_S
                and (self._fingerprint in known.models or self._fingerprint not in report.models)
            ):
                return
            if known is not None and report.edge_id == known.edge_id and report.session != known.session:
                if report.session in self._replaced and now_s - self._heard_s <= EDGE_TIMEOUT_S:
                    self.twins = (
                        f"two edges announce the id {known.edge_id}, {known.node} and {report.node}: "
                        "give each its own edge_id"
                    )
                    return
                self._replaced.append(known.session)
            self._report, self._heard_s = report, now_s

    def edge(self, now_s: float) -> EdgeReport | None:
        """Return the edge that is alive now, or None."""
        with self._lock:
            return self._report if now_s - self._heard_s <= EDGE_TIMEOUT_S else None

    def obstacle(self, now_s: float) -> Obstacle | None:
        """Return why the edge cannot be used now; None if it can."""
        edge = self.edge(now_s)
        if edge is None:
            return NO_EDGE
        if self._fingerprint not in edge.models:
            served = ", ".join(f"{name} ({fingerprint[:12]})" for fingerprint, name in edge.models.items()) or "none"
            return Obstacle(
                ObstacleKind.OTHER_MODEL,
                f"the edge {edge.edge_id} has no model {self._fingerprint[:12]}, it serves {served}: "
                "start both with the same model and weights",
            )
        holder = edge.robots.get(self._robot_id)
        if holder is None or holder in self._former:
            return Obstacle(
                ObstacleKind.HELLO_UNANSWERED, f"the edge {edge.edge_id} has not answered this robot's hello yet"
            )
        if holder != self._session:
            return Obstacle(
                ObstacleKind.ID_TAKEN,
                f"another robot holds the id {self._robot_id} at the edge {edge.edge_id}: give each its own robot_id",
            )
        return None
