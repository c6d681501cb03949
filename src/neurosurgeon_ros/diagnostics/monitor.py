# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Monitor a camera, a robot and an edge on their topics, from a separate thread, and return plain values."""

from __future__ import annotations

import dataclasses
import queue
import threading

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from neurosurgeon_ros.camera.compressed import decode_compressed
from neurosurgeon_ros.camera.images import to_bgr
from neurosurgeon_ros.camera.transports import COMPRESSED, RAW, transport_topic
from neurosurgeon_ros.diagnostics.records import (
    HeaderKey,
    Seen,
    SeenDecision,
    SeenDetections,
    SeenDiagnostics,
    SeenEdge,
    SeenImage,
    SeenRobot,
)
from neurosurgeon_ros.msg import EdgeStatus, PartitionDecision, RobotHello
from neurosurgeon_ros.robot.arrival import ImageRejected
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.uplink.breaker import Circuit
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile

#: Same as for a camera, but with room for images that arrive while this process draws: the results lack lost images.
IMAGES = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)

#: Seconds between checks whether the monitor must stop.
SPIN_S = 0.1

# Fields of a decision that are not copied unchanged.
_CONVERTED = ("header", "outcome", "circuit")
_COPIED = tuple(field.name for field in dataclasses.fields(SeenDecision) if field.name not in _CONVERTED)


class Monitor:
    """
    Subscribes on construction, until :meth:`close`; `seen` holds the received messages, in order of arrival.

    :param robot: fully qualified name of the robot's node.
    :param edge_namespace: namespace of the topics between robot and edge.
    :param image_transport: transport of the camera's images: raw or compressed.
    """

    def __init__(
        self, *, robot: str = "/robot_node", edge_namespace: str = "/neurosurgeon", image_transport: str = RAW
    ) -> None:
        apply_profile()
        self.seen: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self.rmw: str = get_rmw_implementation_identifier()
        self._ending = threading.Event()
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("monitor", context=self._context, start_parameter_services=False, enable_rosout=False)
        put = self.seen.put
        compressed = image_transport == COMPRESSED
        for kind, topic, profile, callback in (
            (
                CompressedImage if compressed else Image,
                transport_topic(self._node, image_transport),
                IMAGES,
                self._on_image,
            ),
            (Detection2DArray, "detections", qos.DETECTIONS, lambda message: put(to_seen_detections(message))),
            (PartitionDecision, f"{robot}/decision", qos.DECISION, lambda message: put(to_seen_decision(message))),
            (EdgeStatus, f"{edge_namespace}/status", qos.PRESENCE, self._on_status),
            (RobotHello, f"{edge_namespace}/hello", qos.PRESENCE, self._on_hello),
            (DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS, self._on_diagnostics),
        ):
            self._node.create_subscription(kind, topic, callback, profile)
        self._thread = threading.Thread(target=self._spin, name="monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop monitoring, and join the thread."""
        self._ending.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        while not self._ending.is_set():
            try:
                executor.spin_once(timeout_sec=SPIN_S)
            except Exception as problem:  # one message's error must not end the monitor
                self._node.get_logger().error(f"a message could not be read: {type(problem).__name__}: {problem}")
        executor.shutdown(timeout_sec=0.5)

    def _on_image(self, message: Image | CompressedImage) -> None:
        try:
            image = decode_compressed(message) if isinstance(message, CompressedImage) else to_bgr(message)
        except ImageRejected:  # the robot reports it
            return
        self.seen.put(SeenImage(_key(message.header), image))

    def _on_status(self, message: EdgeStatus) -> None:
        self.seen.put(SeenEdge(message.edge_id, message.session))

    def _on_hello(self, message: RobotHello) -> None:
        if message.fingerprint:  # a goodbye has none
            self.seen.put(SeenRobot(message.robot_id, message.session, message.model))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            self.seen.put(SeenDiagnostics(status.name, status.message, values))


def to_seen_decision(message: PartitionDecision) -> SeenDecision:
    """Read a decision message."""
    return SeenDecision(
        header=_key(message.header),
        outcome=Outcome(message.outcome).name.lower(),
        circuit=Circuit(message.circuit).name.lower(),
        **{name: getattr(message, name) for name in _COPIED},
    )


def to_seen_detections(message: Detection2DArray) -> SeenDetections:
    """Read the detections of one frame, with the best hypothesis of each."""
    best = [max(found.results, key=lambda result: result.hypothesis.score).hypothesis for found in message.detections]
    boxes = [
        (found.bbox.center.position.x, found.bbox.center.position.y, found.bbox.size_x, found.bbox.size_y)
        for found in message.detections
    ]
    return SeenDetections(
        header=_key(message.header),
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        names=tuple(hypothesis.class_id for hypothesis in best),
        scores=np.array([hypothesis.score for hypothesis in best], dtype=np.float64),
    )


def _key(header: Header) -> HeaderKey:
    return HeaderKey(header.stamp.sec * 1_000_000_000 + header.stamp.nanosec, header.frame_id)
