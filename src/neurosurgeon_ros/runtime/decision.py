# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes into the robot's pipeline and what comes out of it, frame by frame."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.runtime.breaker import Circuit

if TYPE_CHECKING:  # they bring torch, which a camera's node has no use for
    from neurosurgeon_ros.models import Detections
    from neurosurgeon_ros.runtime.protocol import Request

NAN = math.nan


class ImageRejected(ValueError):
    """An image that cannot be converted; the message says why in one sentence."""


class Outcome(enum.IntEnum):
    """Where a frame's detections come from; the values are those of PartitionDecision.outcome."""

    EDGE = 0
    ON_DEVICE = 1
    FALLBACK = 2


@dataclass(frozen=True, slots=True)
class RobotSettings:
    """
    What can change while the robot runs.

    :param deadline_s: seconds from accepting a frame after which the robot finishes it itself; 0: derived from the
        camera's rate and the on-device delay.
    :param confidence: detections with a lower score are left out, in [0, 1].
    :param iou: overlap above which the weaker box of a class is suppressed, in [0, 1].
    :param fidelity_price_s: seconds by which an arm counts as slower for each hundredth of agreement that it loses.
    :param max_in_flight: frames that may be on their way to the edge at once, at least 1.
    """

    deadline_s: float = 0.0
    confidence: float = 0.25
    iou: float = 0.45
    fidelity_price_s: float = 0.0
    max_in_flight: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """
    An image as it came from the camera.

    :param header: the camera's header, opaque here and handed through untouched.
    :param received_s: when it came, monotonic seconds.
    :param decode: makes the BGR image, uint8, shape (h, w, 3); raises :class:`ImageRejected`.
    :param encoded: the compressed image that it is made of; None if it did not come compressed.
    """

    header: object
    received_s: float
    decode: Callable[[], NDArray[np.uint8]]
    encoded: memoryview | None = None


@dataclass(frozen=True, slots=True)
class Delays:
    """
    What one frame took, stage by stage, in seconds; NaN for a stage that did not run or was not measured.

    :param slot: from arrival to being taken out of the slot.
    :param preprocess: conversion, and the letterbox where the frame needed it.
    :param front_end: the front-end, the whole network for `on_device`.
    :param encode: tensors to bytes.
    :param offload: from publishing to the answer, less the time behind an earlier frame of ours; at least this long
        where the deadline came first.
    :param transmit: offload less the edge's own durations.
    :param edge_queue: waiting at the edge.
    :param edge_decode: bytes to tensors at the edge.
    :param edge_compute: the back-end at the edge.
    :param edge_postprocess: raw outputs to detections at the edge.
    :param finish: the rest of the network and post-processing on the robot.
    :param total: from arrival to detections.
    """

    slot: float = NAN
    preprocess: float = NAN
    front_end: float = NAN
    encode: float = NAN
    offload: float = NAN
    transmit: float = NAN
    edge_queue: float = NAN
    edge_decode: float = NAN
    edge_compute: float = NAN
    edge_postprocess: float = NAN
    finish: float = NAN
    total: float = NAN

    @property
    def robot_s(self) -> float:
        """Seconds of the robot's own stages."""
        stages = (self.preprocess, self.front_end, self.encode, self.finish)
        return math.fsum(stage for stage in stages if not math.isnan(stage))


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Images since the start: received = accepted + dropped + rejected, once none waits and none is being converted.

    :param received: came from the camera.
    :param accepted: taken out of the slot and converted; each gives one detections message.
    :param dropped: replaced by a newer one before they were taken.
    :param rejected: could not be converted.
    """

    received: int = 0
    accepted: int = 0
    dropped: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """
    The one answer to an accepted frame.

    :param image: the BGR image, for whoever draws on it.
    :param arm: name of the arm that was chosen.
    """

    header: object
    sequence: int
    detections: Detections
    outcome: Outcome
    arm: str
    total_s: float
    image: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What was chosen for an accepted frame and what it cost; see neurosurgeon_ros/PartitionDecision."""

    header: object
    sequence: int
    policy: str
    arm: str
    partition_point: int
    key_frame: bool
    similarity: float
    forced: bool
    predicted_robot_s: float
    predicted_offload_s: float
    delays: Delays
    outcome: Outcome
    detections: int
    counts: Counts
    sent_bytes: int = 0
    reason: str = ""
    sample_arm: str = ""
    probe_bytes: int = 0
    circuit: Circuit = Circuit.CLOSED


class Uplink(Protocol):
    """The way to the edge, as the pipeline needs it."""

    def obstacle(self) -> str:
        """Why the edge cannot be used now, in one sentence; empty if it can."""

    def publish(self, request: Request) -> None:
        """Send a request; must not wait for the link."""


class Sink(Protocol):
    """Where the pipeline's results go; called from its worker's thread, in camera order."""

    def detections(self, result: FrameResult) -> None:
        """Take the one answer to an accepted frame."""

    def decision(self, decision: Decision) -> None:
        """Take what was chosen for it; comes after its detections."""

    def rejected(self, reason: str) -> None:
        """Take note of an image that could not be converted."""
