# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot that copies the requests of another one, and sends them as its own with other references and checksums."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.faults.stage.relay import EDGE_SIDE
from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.msg import DelayFeedback, PartialInference, RobotHello
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.ros import qos

ROBOT_ID, SESSION = "hostile", 666

#: Seconds between two hellos.
HELLO_S = 0.2


class HostileRobot:
    """
    A robot that is served like the others, until :meth:`close`. Its callbacks run in the executor of the stage's node.

    :param change: changes a copied request, which is called with its number from 0.
    :ivar statuses: statuses that the edge answered with, of which :meth:`sent` is the number of requests.
    """

    def __init__(self, stage: Stage, change: Callable[[PartialInference, int], None]) -> None:
        self.statuses: list[int] = []
        self.sent = 0
        self._node = node = stage.node
        self._change = change
        self._fingerprint = ""
        topic = f"{EDGE_SIDE}/partial_inference"
        self._requests = node.create_publisher(PartialInference, topic, qos.PARTIAL_INFERENCE)
        self._hello = node.create_publisher(RobotHello, f"{EDGE_SIDE}/hello", qos.PRESENCE)
        self._heard = (
            node.create_subscription(PartialInference, topic, self._copy, qos.PARTIAL_INFERENCE),
            node.create_subscription(
                DelayFeedback, f"{EDGE_SIDE}/{ROBOT_ID}/delay_feedback", self._on_feedback, qos.ANSWERS
            ),
        )
        self._timer = node.create_timer(HELLO_S, self._say_hello)

    def close(self) -> None:
        """Leave without a goodbye."""
        self._node.destroy_timer(self._timer)
        for subscription in self._heard:
            self._node.destroy_subscription(subscription)
        for publisher in (self._requests, self._hello):
            self._node.destroy_publisher(publisher)

    def _copy(self, request: PartialInference) -> None:
        """Send a copy of another robot's request."""
        if request.robot_id == ROBOT_ID or request.kind != PartialInference.FRAME:
            return
        self._fingerprint = request.fingerprint
        request.robot_id, request.session = ROBOT_ID, SESSION
        self._change(request, self.sent)
        self.sent += 1
        self._requests.publish(request)

    def _on_feedback(self, feedback: DelayFeedback) -> None:
        self.statuses.append(feedback.status)

    def _say_hello(self) -> None:
        if self._fingerprint:
            self._hello.publish(
                RobotHello(
                    protocol_version=PROTOCOL_VERSION,
                    robot_id=ROBOT_ID,
                    session=SESSION,
                    fingerprint=self._fingerprint,
                )
            )
