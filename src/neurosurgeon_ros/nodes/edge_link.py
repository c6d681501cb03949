# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's link to its edge over DDS: hello, status, outgoing requests and incoming answers."""

from __future__ import annotations

import time

from rclpy.node import Node

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.protocol.presence import EdgeReport
from neurosurgeon_ros.protocol.requests import Identity, Request
from neurosurgeon_ros.robot.uplink.discovery import EdgeDiscovery
from neurosurgeon_ros.robot.uplink.inbox import Inbox
from neurosurgeon_ros.robot.uplink.link import NO_EDGE, Obstacle, ObstacleKind
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy, steady_timer
from neurosurgeon_ros.ros.hellos import Hellos
from neurosurgeon_ros.ros.intake import DETECTIONS_BYTES, SMALL_BYTES, Intake
from neurosurgeon_ros.ros.messages import from_request, to_edge_detections, to_edge_report, to_feedback
from neurosurgeon_ros.ros.outbox import AT_ONCE_BYTES, Outbox
from neurosurgeon_ros.ros.peers import LOOK_PERIOD_S, Peers

#: Seconds between hellos.
HELLO_PERIOD_S = 0.5

#: Seconds between checks whether the edge is still there.
WATCH_PERIOD_S = 0.1

#: Maximum number of edges that are checked as soon as they are heard; others wait for the next periodic check.
MAX_KNOWN = 64

_UNMATCHED = Obstacle(ObstacleKind.TOPICS_UNMATCHED, "the topics to and from the edge are not matched yet")


class EdgeLink:
    """
    The transport of a robot's uplink, as :class:`neurosurgeon_ros.robot.uplink.link.Link`.

    The edge is used only while its status arrives, it serves the robot's model, it has answered the robot's hello, and
    every topic between the two is matched, so that the first answer is not lost.

    :param hellos: holds the robot's id.
    :param namespace: namespace of the topics between robot and edge.
    :param lifespan_s: seconds after which a request that has not reached the edge is no longer sent, > 0.
    """

    def __init__(
        self, node: Node, hellos: Hellos, *, namespace: str, identity: Identity, engine: Engine, lifespan_s: float
    ) -> None:
        self.lifespan_s = lifespan_s
        self._node = node
        self._hellos = hellos
        self._identity = identity
        self._labels = {name: index for index, name in enumerate(engine.model.labels)}
        self._discovery = EdgeDiscovery(
            robot_id=identity.robot_id,
            session=identity.session,
            fingerprint=engine.fingerprint,
            former=hellos.sessions,
        )
        self._inbox: Inbox | None = None
        self._matched = False
        self._peers = Peers(node)
        self._foreign: dict[str, str] = {}
        self._known: set[str] = set()
        self._obstacle: Obstacle | None = NO_EDGE
        base = f"{namespace}/{identity.robot_id}"
        self._requests = node.create_publisher(
            PartialInference,
            f"{namespace}/partial_inference",
            qos.requests_for(lifespan_s),
            event_callbacks=qos.QUIET_PUBLISHER,
        )
        self._outbox = Outbox(self._requests.publish, on_problem=lambda problem: node.get_logger().error(problem))
        self.intake = Intake(node)
        self._detections = self.intake.subscribe(
            EdgeDetections, f"{base}/detections", self._on_detections, qos.ANSWERS, max_bytes=DETECTIONS_BYTES
        )
        self._feedback = self.intake.subscribe(
            DelayFeedback, f"{base}/delay_feedback", self._on_feedback, qos.ANSWERS, max_bytes=SMALL_BYTES
        )
        self._status = self.intake.subscribe(
            EdgeStatus, f"{namespace}/status", self._on_status, qos.PRESENCE, max_bytes=SMALL_BYTES
        )
        self._timers = (
            steady_timer(node, HELLO_PERIOD_S, hellos.say),
            steady_timer(node, WATCH_PERIOD_S, self._look),
            steady_timer(node, LOOK_PERIOD_S, self._check_peers),
        )

    def connect(self, inbox: Inbox) -> None:
        """Set the inbox for answers; call once, before the first frame."""
        self._inbox = inbox
        self._hellos.say()

    def close(self) -> None:
        """Destroy everything; the pipeline must have stopped."""
        if not self._outbox.close():
            self._node.get_logger().warning("a request was still being sent when the link to the edge was closed")
        destroy(self._node, *self._timers, self._requests, self._detections, self._feedback, self._status)

    @property
    def edge(self) -> EdgeReport | None:
        """Return the last status of the edge that is there; None if there is no edge."""
        return self._discovery.edge(time.monotonic())

    @property
    def edge_session(self) -> int:
        """Return the number of the edge's present start; 0 if there is no edge."""
        edge = self.edge
        return 0 if edge is None else edge.session

    @property
    def status_topic(self) -> str:
        """Return the topic on which edges publish their status."""
        return str(self._status.topic_name)

    def obstacle(self) -> Obstacle | None:
        """Return why the edge cannot be used now; None if it can."""
        return self._discovery.obstacle(time.monotonic()) or (None if self._matched else _UNMATCHED)

    def publish(self, request: Request) -> None:
        """Send a request. Its message is made now, so its tensors may change; another thread sends large messages."""
        self._outbox.put(from_request(request), at_once=request.payload_bytes <= AT_ONCE_BYTES)

    def _look(self) -> None:
        """Track topic matching and the presence of the edge, and wake the pipeline when they change."""
        node = self._node
        self._matched = (
            self._requests.get_subscription_count() > 0
            and node.count_publishers(self._detections.topic_name) > 0
            and node.count_publishers(self._feedback.topic_name) > 0
        )
        obstacle = self.obstacle()
        if obstacle == self._obstacle:
            return
        self._obstacle = obstacle
        log = node.get_logger()
        if obstacle is None:
            edge = self.edge
            log.info(f"uses the edge {edge.edge_id if edge else ''}")
        elif obstacle.is_mistake:
            log.error(obstacle.text)
        else:
            log.warning(f"works without the edge: {obstacle.text}")
        if self._inbox is not None:
            self._inbox.ring()

    def _check_peers(self) -> None:
        """Find peers that would misread this robot's messages, or whose messages this robot would misread."""
        publishing = {EdgeStatus: self._status, EdgeDetections: self._detections, DelayFeedback: self._feedback}
        self._foreign = {
            **self._peers.foreign(PartialInference, self._requests.topic_name, publishers=False),
            **self._peers.foreign(RobotHello, self._hellos.topic, publishers=False),
        }
        for kind, subscription in publishing.items():
            self._foreign |= self._peers.foreign(kind, subscription.topic_name, subscriptions=False)
        self._peers.say_new(self._foreign.values())

    def _on_status(self, message: EdgeStatus) -> None:
        self._peers.check_version(message, self._status.topic_name)
        if message.node not in self._known and len(self._known) < MAX_KNOWN:
            self._known.add(message.node)
            self._check_peers()
        if message.node in self._foreign:
            self.intake.refused["of a node with other message types"] += 1
            return
        self._discovery.hear(to_edge_report(message), time.monotonic())

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
        ours = (message.robot_id, message.session) == (self._identity.robot_id, self._identity.session)
        if not ours:  # common after a restart, so it is not logged
            self.intake.refused["for another robot or session"] += 1
        return ours
