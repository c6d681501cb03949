# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The publishers of a robot for every accepted frame: detections, decision, and visualization."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.diagnostics import markers
from neurosurgeon_ros.diagnostics.drawing import draw_detections
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.robot.decision import Decision, FrameResult
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy
from neurosurgeon_ros.ros.result_messages import from_decision, from_detections, label_info

#: Maximum seconds to wait at the end until subscribers have received the last messages.
LAST_WORDS_S = 1.0


class RobotOutputs:
    """
    The robot's publishers, from construction until :meth:`close`; the pipeline's thread publishes on them.

    :param labels: name of each class.
    :param camera_info: returns the camera's newest calibration, None without one.
    :param say: called once for each reason why something cannot be drawn.
    """

    def __init__(
        self,
        node: Node,
        identity: Identity,
        labels: tuple[str, ...],
        *,
        confidence: float,
        camera_info: Callable[[], CameraInfo | None],
        say: Callable[[str], object],
    ) -> None:
        self._node = node
        self._identity = identity
        self._labels = labels
        self._camera_info = camera_info
        self._say = say
        self.marker_range_m = 10.0
        quiet = qos.QUIET_PUBLISHER
        overridable = QoSOverridingOptions.with_default_policies()
        # Copies, because rclpy writes overrides into the profile, which other topics share.
        self._detections = node.create_publisher(
            Detection2DArray,
            "detections",
            copy.copy(qos.DETECTIONS),
            qos_overriding_options=overridable,
            event_callbacks=quiet,
        )
        self._drawn = node.create_publisher(
            Image,
            "detections/image",
            copy.copy(qos.SENSOR_DATA),
            qos_overriding_options=overridable,
            event_callbacks=quiet,
        )
        self._markers = node.create_publisher(MarkerArray, "detections/markers", qos.DETECTIONS, event_callbacks=quiet)
        self._decisions = node.create_publisher(PartitionDecision, "~/decision", qos.DECISION, event_callbacks=quiet)
        self._label_info = node.create_publisher(LabelInfo, "label_info", qos.LABELS, event_callbacks=quiet)
        self.say_labels(confidence)

    def close(self) -> None:
        """
        Destroy the publishers after every subscriber has received the messages; the pipeline must have stopped.

        A destroyed publisher drops messages that it has not delivered yet, and messages that a subscriber has missed.
        """
        end_s = time.monotonic() + LAST_WORDS_S
        for publisher in (self._detections, self._decisions):
            with contextlib.suppress(Exception):  # rclpy's RCLError, from an RMW that does not support waiting
                publisher.wait_for_all_acked(Duration(seconds=max(0.0, end_s - time.monotonic())))
        destroy(self._node, self._detections, self._drawn, self._markers, self._decisions, self._label_info)

    def say_labels(self, confidence: float) -> None:
        """Publish the class names, with the minimum score of published detections."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(label_info(self._labels, confidence, header))

    def detections(self, result: FrameResult) -> None:
        """Publish the detections of an accepted frame, and visualize them if there are subscribers."""
        self._detections.publish(from_detections(result.detections, self._labels, result.header))
        for publisher, show in ((self._drawn, self._draw), (self._markers, self._mark)):
            if publisher.get_subscription_count() > 0:
                try:
                    show(result)
                except Exception as problem:  # visualization is optional: the frame has its result without it
                    self._say(f"detections cannot be shown: {type(problem).__name__}: {problem}")

    def decision(self, decision: Decision) -> None:
        """Publish the decision for an accepted frame."""
        self._decisions.publish(from_decision(decision, self._identity.robot_id, self._identity.session))

    def _draw(self, result: FrameResult) -> None:
        found: Detections = result.detections
        names = [self._labels[int(index)] for index in found.classes]
        status = f"{result.arm}  {1e3 * result.total_s:.0f} ms  {result.outcome.name.lower()}"
        drawn: NDArray[np.uint8] = draw_detections(result.image, found.boxes, names, found.scores, status)
        self._drawn.publish(from_bgr(drawn, result.header))

    def _mark(self, result: FrameResult) -> None:
        info = self._camera_info()
        if info is None:
            return
        height, width = result.image.shape[:2]
        obstacle = markers.obstacle(info, (width, height))
        if obstacle:
            self._say(f"no markers can be drawn for this camera: {obstacle}")
            return
        header = result.header if isinstance(result.header, Header) else Header()
        self._markers.publish(
            markers.frustums(result.detections, self._labels, info, range_m=self.marker_range_m, header=header)
        )
