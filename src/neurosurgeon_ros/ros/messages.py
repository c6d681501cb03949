# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convert the messages between robot and edge to and from plain values. Bytes are never processed one by one."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from std_msgs.msg import Header

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.msg import (
    DelayFeedback,
    EdgeDetections,
    EdgeStatus,
    PartialInference,
    RobotHello,
    Tensor,
)
from neurosurgeon_ros.protocol.presence import EdgeReport
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION, Feedback, Identity, Key, Request, Status
from neurosurgeon_ros.ros.result_messages import MAX_TEXT, from_detections


class InvalidMessage(ValueError):
    """
    A message from the network that is not valid; the text is one sentence.

    :ivar reason: one or two words; such messages are counted by reason.
    """

    def __init__(self, text: str, *, reason: str = "invalid") -> None:
        super().__init__(text)
        self.reason = reason


def check_version(message: Any) -> None:
    """Reject a message of another protocol version; raises :class:`InvalidMessage`."""
    if message.protocol_version != PROTOCOL_VERSION:
        raise InvalidMessage(
            f"{type(message).__name__} has protocol version {message.protocol_version}, this node speaks "
            f"{PROTOCOL_VERSION}: install the same version of neurosurgeon_ros on both sides"
        )


def from_request(request: Request) -> PartialInference:
    """Make the message for a request."""
    key, letterbox = request.key, request.letterbox
    message = PartialInference(
        protocol_version=PROTOCOL_VERSION,
        robot_id=key.robot_id,
        session=key.session,
        sequence=key.sequence,
        header=request.header if isinstance(request.header, Header) else Header(),
        kind=int(key.kind),
        fingerprint=request.fingerprint,
        partition_point=request.partition_point,
        deadline=request.deadline_s,
        confidence_threshold=request.confidence,
        iou_threshold=request.iou,
        reference=request.reference,
        checksum=request.checksum,
        tensors=[_from_tensor(tensor) for tensor in request.tensors],
    )
    if letterbox is not None:
        message.image_width, message.image_height = letterbox.image_width, letterbox.image_height
        message.scale_x, message.scale_y = letterbox.scale_x, letterbox.scale_y
        message.pad_x, message.pad_y = letterbox.pad_x, letterbox.pad_y
    return message


def to_request(message: PartialInference) -> Request:
    """
    Read a request; its tensors share the message's memory.

    The edge's server checks whether the request fits the model.

    :raises InvalidMessage: if the version or the kind is unknown.
    """
    check_version(message)
    kind = _kind(message.kind)
    letterbox = None
    if kind is not Kind.PROBE:
        letterbox = Letterbox(
            image_width=message.image_width,
            image_height=message.image_height,
            scale_x=message.scale_x,
            scale_y=message.scale_y,
            pad_x=message.pad_x,
            pad_y=message.pad_y,
        )
    return Request(
        key=Key(message.robot_id, message.session, message.sequence, kind),
        header=message.header,
        fingerprint=message.fingerprint,
        partition_point=message.partition_point,
        tensors=tuple(_to_tensor(tensor) for tensor in message.tensors),
        letterbox=letterbox,
        confidence=message.confidence_threshold,
        iou=message.iou_threshold,
        deadline_s=message.deadline,
        reference=message.reference,
        checksum=message.checksum,
    )


def from_feedback(feedback: Feedback) -> DelayFeedback:
    """Make the message for a delay feedback."""
    key = feedback.key
    return DelayFeedback(
        protocol_version=PROTOCOL_VERSION,
        robot_id=key.robot_id,
        session=key.session,
        sequence=key.sequence,
        kind=int(key.kind),
        queue_delay=feedback.queue_s,
        decode_delay=feedback.decode_s,
        compute_delay=feedback.compute_s,
        postprocess_delay=feedback.postprocess_s,
        status=int(feedback.status),
        error=feedback.error[:MAX_TEXT],
        held=feedback.held,
        rate=feedback.rate,
        retry_after=feedback.retry_s,
    )


def to_feedback(message: DelayFeedback) -> Feedback:
    """
    Read a delay feedback.

    :raises InvalidMessage: if version, kind or status is unknown, or a number is negative or not finite.
    """
    check_version(message)
    durations = (message.queue_delay, message.decode_delay, message.compute_delay, message.postprocess_delay)
    if not all(np.isfinite(duration) and duration >= 0.0 for duration in durations):
        raise InvalidMessage(f"DelayFeedback has durations {durations}, expected 0 or more seconds")
    promise = (message.rate, message.retry_after)
    if not all(np.isfinite(number) and number >= 0.0 for number in promise):
        raise InvalidMessage(f"DelayFeedback has rate and retry_after {promise}, expected 0 or more")
    if message.status not in iter(Status):
        raise InvalidMessage(f"DelayFeedback has status {message.status}, which is none of its constants")
    return Feedback(
        Key(message.robot_id, message.session, message.sequence, _kind(message.kind)),
        Status(message.status),
        message.error,
        *durations,
        held=message.held,
        rate=message.rate,
        retry_s=message.retry_after,
    )


def from_edge_detections(key: Key, detections: Detections, labels: tuple[str, ...], header: object) -> EdgeDetections:
    """Make the edge's answer to a frame."""
    return EdgeDetections(
        protocol_version=PROTOCOL_VERSION,
        robot_id=key.robot_id,
        session=key.session,
        sequence=key.sequence,
        detections=from_detections(detections, labels, header),
    )


def to_edge_detections(message: EdgeDetections, labels: dict[str, int]) -> tuple[Key, Detections]:
    """
    Read the edge's answer to a frame.

    :param labels: index of each class name.
    :raises InvalidMessage: if the version or a class is unknown, or a number is not finite or out of its range.
    """
    check_version(message)
    found = message.detections.detections
    boxes, scores, classes = np.zeros((len(found), 4)), np.zeros(len(found)), np.zeros(len(found), dtype=np.int64)
    for index, detection in enumerate(found):
        if len(detection.results) != 1:
            raise InvalidMessage(f"a detection has {len(detection.results)} hypotheses, expected one")
        hypothesis, box = detection.results[0].hypothesis, detection.bbox
        if hypothesis.class_id not in labels:
            raise InvalidMessage(f"a detection is of class {hypothesis.class_id!r}, which the model does not know")
        boxes[index] = box.center.position.x, box.center.position.y, box.size_x, box.size_y
        scores[index] = hypothesis.score
        classes[index] = labels[hypothesis.class_id]
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] >= 0.0).all()):
        raise InvalidMessage("a detection's box is not finite or its size negative")
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise InvalidMessage("a detection's score is not in [0, 1]")
    key = Key(message.robot_id, message.session, message.sequence, Kind.FRAME)
    return key, Detections(boxes, scores, classes)


def to_edge_report(message: EdgeStatus) -> EdgeReport:
    """
    Read an edge's status.

    :raises InvalidMessage: if the version is unknown, the lists differ in length or contain an entry twice, or the
        load is not in [0, 1].
    """
    check_version(message)
    if len(message.models) != len(message.fingerprints) or len(message.robots) != len(message.robot_sessions):
        raise InvalidMessage("EdgeStatus has lists of different lengths")
    for name, entries in (("fingerprints", message.fingerprints), ("robots", message.robots)):
        if len(set(entries)) != len(entries):
            raise InvalidMessage(f"EdgeStatus names one of its {name} twice")
    if not 0.0 <= message.load <= 1.0:
        raise InvalidMessage(f"EdgeStatus has load {message.load}, expected 0 to 1")
    return EdgeReport(
        edge_id=message.edge_id,
        session=message.session,
        models=dict(zip(message.fingerprints, message.models, strict=True)),
        robots={name: int(session) for name, session in zip(message.robots, message.robot_sessions, strict=True)},
        queue_length=message.queue_length,
        load=message.load,
        node=message.node,
        has_own_topics=message.own_topics,
    )


def hello(identity: Identity, fingerprint: str, model: str, *, node: str = "", host: str = "") -> RobotHello:
    """
    Make a robot's hello.

    :param model: name of the robot's model.
    :param node: fully qualified name of the robot's node.
    :param host: name of the robot's machine.
    """
    return RobotHello(
        protocol_version=PROTOCOL_VERSION,
        robot_id=identity.robot_id,
        session=identity.session,
        fingerprint=fingerprint,
        model=model[:64],
        node=node[:256],
        host=host[:64],
    )


def goodbye(said: RobotHello, secret: str) -> RobotHello:
    """
    Make the hello that ends a robot's session: it has no fingerprint, and the session's secret in place of the model.

    :param said: the session's hello.
    :param secret: secret of the session, see :func:`neurosurgeon_ros.protocol.presence.session_of`.
    """
    return RobotHello(
        protocol_version=said.protocol_version,
        robot_id=said.robot_id,
        session=said.session,
        model=secret,
        node=said.node,
        host=said.host,
    )


def _from_tensor(tensor: EncodedTensor) -> Tensor:
    message = Tensor(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        codec=tensor.codec,
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )
    data = array.array("B")
    data.frombytes(tensor.data)
    message.data = data
    return message


def _to_tensor(message: Tensor) -> EncodedTensor:
    return EncodedTensor(
        name=message.name,
        dtype=message.dtype,
        shape=tuple(message.shape),
        codec=message.codec,
        data=memoryview(message.data),
        scale=tuple(message.scale),
        zero_point=tuple(message.zero_point),
    )


def _kind(value: int) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise InvalidMessage(f"kind is {value}, expected 0 (frame), 1 (sample) or 2 (probe)") from None
