# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests and replies between robot and edge, with their keys and statuses. Independent of ROS."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Kind as Kind
from neurosurgeon_ros.models import Detections, Letterbox

#: Version of the messages; both sides refuse any other version.
PROTOCOL_VERSION = 1


class Status(enum.IntEnum):
    """Result of a request at the edge; the values match DelayFeedback.status."""

    OK = 0
    INVALID = 1
    MODEL_MISMATCH = 2
    OVERLOADED = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The first two parts of every key.

    :param robot_id: [a-z0-9_], at most 64 characters.
    :param session: random 64-bit number of this start.
    """

    robot_id: str
    session: int


@dataclass(frozen=True, slots=True)
class Key:
    """
    Identifies one request. An answer is accepted only while its key is outstanding.

    :param robot_id: [a-z0-9_], at most 64 characters.
    :param session: random 64-bit number per start of the robot.
    :param sequence: number of the accepted frame, from 1.
    :param kind: frame, sample or probe of that frame.
    """

    robot_id: str
    session: int
    sequence: int
    kind: Kind


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """
    A robot's request to an edge; see neurosurgeon_ros/PartialInference.

    :param header: the camera image's header, opaque here.
    :param deadline_s: seconds that the robot waits; 0: no limit.
    :param letterbox: how the image was placed into the network's input; None in a probe.
    """

    key: Key
    header: object
    fingerprint: str
    partition_point: int
    tensors: tuple[EncodedTensor, ...]
    letterbox: Letterbox | None
    confidence: float
    iou: float
    deadline_s: float = 0.0

    @property
    def payload_bytes(self) -> int:
        """Return the number of tensor bytes that are sent."""
        return sum(tensor.data.nbytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Delays of a request at the edge, in seconds; 0 if a step did not run. See neurosurgeon_ros/DelayFeedback."""

    key: Key
    status: Status = Status.OK
    error: str = ""
    queue_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    postprocess_s: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Return whether the edge completed the request."""
        return self.status is Status.OK

    @property
    def edge_s(self) -> float:
        """Return the seconds that the edge took, from arrival to answer."""
        return self.queue_s + self.decode_s + self.compute_s + self.postprocess_s


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """
    An edge's answer to one request.

    :param detections: detections of a successful FRAME; otherwise None.
    :param header: the request's header.
    """

    feedback: Feedback
    header: object
    detections: Detections | None = None
