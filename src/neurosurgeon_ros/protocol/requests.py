# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What robot and edge say to each other, free of ROS: requests and replies with their key and their status."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Kind as Kind
from neurosurgeon_ros.models import Detections, Letterbox

#: The version of the messages; both sides refuse any other.
PROTOCOL_VERSION = 1


class Status(enum.IntEnum):
    """How a request ended at the edge; the values are those of DelayFeedback.status."""

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
    Names one request: answers are accepted only while their key is outstanding.

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
    What an edge is asked to do; see neurosurgeon_ros/PartialInference.

    :param header: the camera image's header, opaque here.
    :param deadline_s: seconds that the robot waits; 0 for ever.
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
        """Bytes of tensor data that travel."""
        return sum(tensor.data.nbytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a request cost at the edge; see neurosurgeon_ros/DelayFeedback. In seconds, 0 where a step did not run."""

    key: Key
    status: Status = Status.OK
    error: str = ""
    queue_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    postprocess_s: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether the edge did what it was asked."""
        return self.status is Status.OK

    @property
    def edge_s(self) -> float:
        """Seconds of the edge's own, from arrival to answer."""
        return self.queue_s + self.decode_s + self.compute_s + self.postprocess_s


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """
    An edge's answer to one request.

    :param detections: of a FRAME that went well, otherwise None.
    :param header: the request's header.
    """

    feedback: Feedback
    header: object
    detections: Detections | None = None
