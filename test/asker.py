# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot played by a test, which sends an edge any request."""

from __future__ import annotations

import array
from collections.abc import Callable

from watcher import Watcher

from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.ros import qos

#: Width and height of the input of the edge's network, in pixels.
SIDE = 416


class Asker:
    """A robot played by the test: says hello, sends requests, receives answers."""

    def __init__(self, watcher: Watcher, robot_id: str = "asker", session: int = 5) -> None:
        self.watcher = watcher
        self.robot_id = robot_id
        self.session = session
        self.feedback: list[DelayFeedback] = []
        self.detections: list[EdgeDetections] = []
        self.fingerprint = ""
        self.sequence = 0
        node = watcher.node
        self._hello = node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        self._requests = node.create_publisher(
            PartialInference, "/neurosurgeon/partial_inference", qos.PARTIAL_INFERENCE
        )
        base = f"/neurosurgeon/{robot_id}"
        self._heard = (
            node.create_subscription(DelayFeedback, f"{base}/delay_feedback", self.feedback.append, qos.ANSWERS),
            node.create_subscription(EdgeDetections, f"{base}/detections", self.detections.append, qos.ANSWERS),
        )
        node.create_timer(0.2, self.hello)

    def hello(self) -> None:
        self._hello.publish(
            RobotHello(
                protocol_version=PROTOCOL_VERSION,
                robot_id=self.robot_id,
                session=self.session,
                fingerprint=self.fingerprint or "f" * 64,
            )
        )

    def meet(self) -> None:
        """Wait until the edge serves this robot."""
        self.watcher.until(
            lambda: (
                self.watcher.statuses
                and self.robot_id in self.watcher.statuses[-1].robots
                and self._requests.get_subscription_count() > 0
                and all(self.watcher.node.count_publishers(one.topic_name) > 0 for one in self._heard)
            ),
            "an edge that serves the test",
        )
        self.fingerprint = self.watcher.statuses[-1].fingerprints[0]

    def send(self, change: Callable[[PartialInference], object] = lambda request: None) -> None:
        """Send the request for a grey image, after `change` has modified it."""
        self.sequence += 1
        data = array.array("B", bytes([128]) * (SIDE * SIDE * 3))
        request = PartialInference(
            protocol_version=PROTOCOL_VERSION,
            robot_id=self.robot_id,
            session=self.session,
            sequence=self.sequence,
            fingerprint=self.fingerprint,
            image_width=SIDE,
            image_height=SIDE,
            scale_x=1.0,
            scale_y=1.0,
            confidence_threshold=0.25,
            iou_threshold=0.45,
            tensors=[Tensor(name="image", dtype="uint8", shape=[1, 3, SIDE, SIDE], codec="uint8", data=data)],
        )
        change(request)
        self._requests.publish(request)

    def ask(self, change: Callable[[PartialInference], object] = lambda request: None) -> DelayFeedback:
        """Send a request and wait for its feedback."""
        self.send(change)
        self.watcher.until(lambda: self.feedback and self.feedback[-1].sequence == self.sequence, "feedback")
        return self.feedback[-1]
