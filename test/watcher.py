# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node of the test: plays the camera, listens to robot and edge, and calls their services."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from numpy.typing import NDArray
from pictures import video_frame
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.msg import EdgeStatus, PartitionDecision
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

#: Time limit for events that must happen, in seconds.
LONG_S = 60.0


class Watcher:
    """A node that spins only while it waits for something."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.node = node
        self._executor = executor
        self.images: list[Image] = []
        self.detections: list[Detection2DArray] = []
        self.decisions: list[PartitionDecision] = []
        self.drawn: list[Image] = []
        self.labels: list[LabelInfo] = []
        self.statuses: list[EdgeStatus] = []
        self.diagnostics: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.picture: Callable[[int], NDArray[np.uint8]] = video_frame
        self.camera = node.create_publisher(Image, "image_raw", 10)
        for kind, topic, profile, heard in (
            (Detection2DArray, "detections", qos.DETECTIONS, self.detections),
            (PartitionDecision, "robot_node/decision", qos.DECISION, self.decisions),
            (EdgeStatus, "/neurosurgeon/status", qos.PRESENCE, self.statuses),
        ):
            node.create_subscription(kind, topic, heard.append, profile)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)

    def watch_drawn(self) -> None:
        self.node.create_subscription(Image, "detections/image", self.drawn.append, qos.SENSOR_DATA)

    def watch_labels(self) -> None:
        self.node.create_subscription(LabelInfo, "label_info", self.labels.append, qos.LABELS)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status.message
            self.values.update((value.key, value.value) for value in status.values)

    def until(self, condition: Callable[[], object], what: str, timeout: float = LONG_S) -> None:
        """Spin until a condition holds."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"waited {timeout:g} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def robot_is_there(self) -> None:
        """Wait until the robot receives images and its publications arrive here."""
        self.until(
            lambda: (
                self.camera.get_subscription_count() > 0
                and self.node.count_publishers("detections") > 0
                and self.node.count_publishers("robot_node/decision") > 0
            ),
            "a robot that takes images",
        )
        # A topic is in the graph a moment before its two endpoints are matched. An image sent in between is lost.
        self.diagnostics.clear()
        self.until(lambda: any("robot_node" in name for name in self.diagnostics), "the robot's diagnostics")

    def edge_serves(self, number: int = 1) -> None:
        """Wait until the edge reports that it serves this number of robots."""
        self.statuses.clear()
        self.until(lambda: self.statuses and len(self.statuses[-1].robots) == number, f"an edge with {number} robots")

    def show(self, index: int | None = None) -> None:
        """Publish an image with a unique header."""
        number = len(self.images) + 1
        message = from_bgr(self.picture((5 * number) % 250 if index is None else index), None)
        message.header.stamp.sec, message.header.stamp.nanosec = 1000 + number, 7 * number
        message.header.frame_id = f"camera_{number}"
        self.images.append(message)
        self.camera.publish(message)

    def step(self, index: int | None = None) -> PartitionDecision:
        """Publish an image, and wait for its detections and its decision."""
        number = len(self.decisions) + 1
        self.show(index)
        self.until(lambda: len(self.decisions) >= number and len(self.detections) >= number, f"decision {number}")
        return self.decisions[-1]

    def step_until(self, outcome: Outcome, timeout: float = LONG_S) -> None:
        """Publish images until one has this outcome."""
        end = time.monotonic() + timeout
        while self.step().outcome != outcome:
            assert time.monotonic() < end, f"no frame had outcome {outcome.name} within {timeout:g} s"

    def step_until_policy(self, policy: str, timeout: float = LONG_S) -> None:
        """Publish images until one is decided by this policy."""
        end = time.monotonic() + timeout
        while self.step().policy != policy:
            assert time.monotonic() < end, f"no frame was decided by {policy} within {timeout:g} s"

    def assert_every_frame_was_answered_once_in_order(self) -> None:
        shown = [image.header for image in self.images]
        assert [message.header for message in self.detections] == shown
        assert [message.header for message in self.decisions] == shown

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready, service)
        future = client.call_async(request)
        self.until(future.done, f"the answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def transition(self, node: str, label: str) -> bool:
        """Request a transition by its label, and return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4, "unknown": 99}[label]
        return bool(self.call(ChangeState, f"{node}/change_state", request).success)

    def state(self, node: str) -> str:
        return str(self.call(GetState, f"{node}/get_state", GetState.Request()).current_state.label)

    def set(self, node: str, **values: Any) -> tuple[bool, str]:
        """Set parameters; return whether that succeeded, and the reason if not."""
        request = SetParametersAtomically.Request(
            parameters=[
                Parameter(name, Parameter.Type.STRING_ARRAY if value == [] else None, value).to_parameter_msg()
                for name, value in values.items()
            ]
        )
        result = self.call(SetParametersAtomically, f"{node}/set_parameters_atomically", request).result
        return result.successful, result.reason

    def get(self, node: str, name: str) -> Any:
        request = GetParameters.Request(names=[name])
        return self.call(GetParameters, f"{node}/get_parameters", request).values[0]


@contextmanager
def watching(namespace: str = "") -> Iterator[Watcher]:
    """Yield a watcher in the test's ROS domain, in the namespace of the robot to watch."""
    context = Context()
    rclpy.init(context=context, args=[])
    node = Node("watcher", namespace=namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield Watcher(node, executor)
    finally:
        # The report of a failed test keeps the node, which would still publish in the next test's domain.
        executor.shutdown(timeout_sec=0.5)
        node.destroy_node()
        context.try_shutdown()
