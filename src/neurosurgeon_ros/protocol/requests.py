# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests and replies between robot and edge, with their keys and statuses. Independent of ROS."""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from neurosurgeon_ros.codecs import EncodedTensor, is_stream_codec
from neurosurgeon_ros.learning.interface import Kind as Kind
from neurosurgeon_ros.models import Detections, Letterbox

#: Version of the messages; both sides refuse any other version.
PROTOCOL_VERSION = 2


class Status(enum.IntEnum):
    """Result of a request at the edge; the values match DelayFeedback.status."""

    OK = 0
    INVALID = 1
    MODEL_MISMATCH = 2
    OVERLOADED = 3
    FAILED = 4
    NOT_HELD = 5
    DIVERGED = 6


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The first two parts of every key.

    :param robot_id: lower-case letters, digits and underscores, at most 64 characters.
    :param session: random 64-bit number of this start.
    """

    robot_id: str
    session: int


@dataclass(frozen=True, slots=True)
class Key:
    """
    Identifies one request. An answer is accepted only while its key is outstanding.

    :param robot_id: lower-case letters, digits and underscores, at most 64 characters.
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
    :param reference: sequence of the frame that the tensors build on; 0: none, see a key if a codec has memory.
    :param checksum: :func:`stream_checksum` of what the edge must hold after this request; 0: no stream.
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
    reference: int = 0
    checksum: int = 0

    @property
    def stream_codec(self) -> str:
        """Return the codec with memory that the tensors are encoded with; empty if there is none."""
        return next((tensor.codec for tensor in self.tensors if is_stream_codec(tensor.codec)), "")

    @property
    def is_of_stream(self) -> bool:
        """Return whether the request changes a stream; samples and probes never do."""
        return self.key.kind is Kind.FRAME and bool(self.stream_codec)

    @property
    def payload_bytes(self) -> int:
        """Return the number of tensor bytes that are sent."""
        return sum(tensor.data.nbytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class Feedback:
    """
    Delays of a request at the edge, in seconds; 0 if a step did not run. See neurosurgeon_ros/DelayFeedback.

    :param held: sequence of the frame that the edge now holds of the request's stream; 0: nothing, or no stream.
    :param rate: requests like this one per second that the robot can count on; 0: no limit.
    :param retry_s: seconds after which the robot's next request will have its turn, if this one was refused for load.
    """

    key: Key
    status: Status = Status.OK
    error: str = ""
    queue_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    postprocess_s: float = 0.0
    held: int = 0
    rate: float = 0.0
    retry_s: float = 0.0

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


def stream_checksum(parts: Sequence[int]) -> int:
    """
    Return one checksum of all tensors of a stream, in [0, 2**32).

    :param parts: checksum of each tensor that a request sends with a codec with memory, in their order, in [0, 2**32).
    """
    return zlib.crc32(struct.pack(f"<{len(parts)}I", *parts)) if parts else 0
