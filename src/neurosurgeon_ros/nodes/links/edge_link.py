# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's link to one edge over DDS: outgoing requests, incoming answers, and whether the edge can be used."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.node import Node

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, PartialInference
from neurosurgeon_ros.protocol.presence import EdgeReport
from neurosurgeon_ros.protocol.requests import Identity, Request
from neurosurgeon_ros.robot.uplink.discovery import EdgeDiscovery
from neurosurgeon_ros.robot.uplink.inbox import Inbox
from neurosurgeon_ros.robot.uplink.link import NO_EDGE, Obstacle, ObstacleKind
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy
from neurosurgeon_ros.ros.hellos import Hellos
from neurosurgeon_ros.ros.intake import DETECTIONS_BYTES, SMALL_BYTES, Intake
from neurosurgeon_ros.ros.messages import from_request, to_edge_detections, to_feedback
from neurosurgeon_ros.ros.outbox import AT_ONCE_BYTES, Outbox

_UNMATCHED = Obstacle(ObstacleKind.TOPICS_UNMATCHED, "the topics to and from the edge are not matched yet")


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """
    What all links of a robot have in common.

    :param hellos: holds the robot's id.
    :param lifespan_s: seconds after which a request that has not reached the edge is no longer sent, > 0.
    """

    node: Node
    hellos: Hellos
    intake: Intake
    identity: Identity
    engine: Engine
    lifespan_s: float


class EdgeLink:
    """
    The transport of a robot's uplink, as :class:`neurosurgeon_ros.robot.uplink.link.Link`.

    The edge is used only while its status arrives, it serves the robot's model, it has answered the robot's hello, and
    every topic between the two is matched, so that the first answer is not lost.

    :param base: namespace of requests and answers.
    """

    def __init__(self, ends: Ends, base: str) -> None:
        node, self._ends = ends.node, ends
        self.lifespan_s = ends.lifespan_s
        self._labels = {name: index for index, name in enumerate(ends.engine.model.labels)}
        self._discovery = EdgeDiscovery(
            robot_id=ends.identity.robot_id,
            session=ends.identity.session,
            fingerprint=ends.engine.fingerprint,
            former=ends.hellos.sessions,
        )
        self._inbox: Inbox | None = None
        self._matched = False
        self._obstacle: Obstacle | None = NO_EDGE
        self._requests = node.create_publisher(
            PartialInference,
            f"{base}/partial_inference",
            qos.requests_for(ends.lifespan_s),
            event_callbacks=qos.QUIET_PUBLISHER,
        )
        self._outbox = Outbox(self._requests.publish, on_problem=lambda problem: node.get_logger().error(problem))
        answers = f"{base}/{ends.identity.robot_id}"
        self._detections = ends.intake.subscribe(
            EdgeDetections, f"{answers}/detections", self._on_detections, qos.ANSWERS, max_bytes=DETECTIONS_BYTES
        )
        self._feedback = ends.intake.subscribe(
            DelayFeedback, f"{answers}/delay_feedback", self._on_feedback, qos.ANSWERS, max_bytes=SMALL_BYTES
        )

    def connect(self, inbox: Inbox) -> None:
        """Set the inbox for answers; call once, before the first frame."""
        self._inbox = inbox

    def close(self) -> None:
        """Destroy everything. Requests are dropped from then on."""
        if not self._outbox.close():
            self._ends.node.get_logger().warning("a request was still being sent when the link to the edge was closed")
        destroy(self._ends.node, self._requests, self._detections, self._feedback)

    @property
    def edge(self) -> EdgeReport | None:
        """Return the last status of the edge that is there; None if there is no edge."""
        return self._discovery.edge(time.monotonic())

    @property
    def edge_id(self) -> str:
        """Return the id of the edge; empty if there is no edge."""
        edge = self.edge
        return "" if edge is None else edge.edge_id

    @property
    def edge_session(self) -> int:
        """Return the number of the edge's present start; 0 if there is no edge."""
        edge = self.edge
        return 0 if edge is None else edge.session

    @property
    def twins(self) -> str:
        """Return a sentence about two edges with the same id; empty if there are none."""
        return self._discovery.twins

    @property
    def publishing(self) -> dict[type[EdgeDetections | DelayFeedback], str]:
        """Return the topics on which an edge answers, by their types."""
        return {EdgeDetections: str(self._detections.topic_name), DelayFeedback: str(self._feedback.topic_name)}

    @property
    def requests_topic(self) -> str:
        """Return the topic of the requests."""
        return str(self._requests.topic_name)

    def obstacle(self) -> Obstacle | None:
        """Return why the edge cannot be used now; None if it can."""
        return self._discovery.obstacle(time.monotonic()) or (None if self._matched else _UNMATCHED)

    def publish(self, request: Request) -> None:
        """Send a request. Its message is made now, so its tensors may change; another thread sends large messages."""
        self._outbox.put(from_request(request), at_once=request.payload_bytes <= AT_ONCE_BYTES)

    def hear(self, report: EdgeReport) -> None:
        """Record an edge's status."""
        self._discovery.hear(report, time.monotonic())

    def look(self) -> bool:
        """
        Track topic matching and the presence of the edge, and wake the pipeline when they change.

        :returns: whether they have changed.
        """
        node = self._ends.node
        self._matched = (
            self._requests.get_subscription_count() > 0
            and node.count_publishers(self._detections.topic_name) > 0
            and node.count_publishers(self._feedback.topic_name) > 0
        )
        obstacle = self.obstacle()
        if obstacle == self._obstacle:
            return False
        self._obstacle = obstacle
        if self._inbox is not None:
            self._inbox.ring()
        return True

    def _on_detections(self, message: EdgeDetections) -> None:
        if self._is_ours(message):
            self._put_detections(message)

    def _on_feedback(self, message: DelayFeedback) -> None:
        if self._is_ours(message):
            self._put_feedback(message)

    def _put_detections(self, message: EdgeDetections) -> None:
        key, detections = to_edge_detections(message, self._labels)
        if self._inbox is not None:
            self._inbox.put_detections(key, detections)

    def _put_feedback(self, message: DelayFeedback) -> None:
        if self._inbox is not None:
            self._inbox.put_feedback(to_feedback(message))

    def _is_ours(self, message: EdgeDetections | DelayFeedback) -> bool:
        identity = self._ends.identity
        ours = (message.robot_id, message.session) == (identity.robot_id, identity.session)
        if not ours:  # common after a restart, so it is not logged
            self._ends.intake.refused["for another robot or session"] += 1
        return ours
