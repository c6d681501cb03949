# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Make the messages that a robot publishes for any subscriber: detections, class names, decisions, diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.robot.decision import Decision

#: Maximum length of an error text or a reason in a message, characters.
MAX_TEXT = 256


def from_detections(detections: Detections, labels: tuple[str, ...], header: object) -> Detection2DArray:
    """Make the message for the detections of one frame, with the camera's header."""
    header = header if isinstance(header, Header) else Header()
    message = Detection2DArray(header=header)
    for box, score, index in zip(detections.boxes, detections.scores, detections.classes, strict=True):
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = labels[int(index)]
        result.hypothesis.score = float(score)
        detection = Detection2D(header=header, results=[result])
        detection.bbox.center.position.x, detection.bbox.center.position.y = float(box[0]), float(box[1])
        detection.bbox.size_x, detection.bbox.size_y = float(box[2]), float(box[3])
        message.detections.append(detection)
    return message


def label_info(labels: tuple[str, ...], threshold: float, header: Header) -> LabelInfo:
    """Make the message for the class names."""
    classes = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(labels)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def from_decision(decision: Decision, robot_id: str, session: int) -> PartitionDecision:
    """Make the message for a decision."""
    delays, counts = decision.delays, decision.counts
    return PartitionDecision(
        header=decision.header if isinstance(decision.header, Header) else Header(),
        robot_id=robot_id,
        session=session,
        sequence=decision.sequence,
        policy=decision.policy,
        arm=decision.arm,
        partition_point=decision.partition_point,
        sample_arm=decision.sample_arm,
        probe_bytes=decision.probe_bytes,
        key_frame=decision.key_frame,
        similarity=decision.similarity,
        forced=decision.forced,
        predicted_robot_delay=decision.predicted_robot_s,
        predicted_offload_delay=decision.predicted_offload_s,
        slot_delay=delays.slot,
        preprocess_delay=delays.preprocess,
        front_end_delay=delays.front_end,
        encode_delay=delays.encode,
        offload_delay=delays.offload,
        transmit_delay=delays.transmit,
        edge_queue_delay=delays.edge_queue,
        edge_decode_delay=delays.edge_decode,
        edge_compute_delay=delays.edge_compute,
        edge_postprocess_delay=delays.edge_postprocess,
        finish_delay=delays.finish,
        total_delay=delays.total,
        sent_bytes=decision.sent_bytes,
        outcome=int(decision.outcome),
        circuit=int(decision.circuit),
        reason=decision.reason[:MAX_TEXT],
        detections=min(decision.detections, 65535),
        frames_received=counts.received,
        frames_accepted=counts.accepted,
        frames_dropped=counts.dropped,
        frames_rejected=counts.rejected,
        edge=decision.edge,
    )


def diagnostics_of(node: Node, level: bytes, text: str, values: dict[str, object]) -> DiagnosticArray:
    """Make a node's message for /diagnostics, with one status of the node's fully qualified name."""
    name = node.get_fully_qualified_name()
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id="", values=key_values(values))
    message = DiagnosticArray(status=[status])
    message.header.stamp = node.get_clock().now().to_msg()
    return message


def key_values(values: dict[str, object]) -> list[KeyValue]:
    """Make the key-value pairs of a diagnostic status."""
    return [KeyValue(key=name, value=str(value)) for name, value in values.items()]
