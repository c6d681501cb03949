# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Output of the robot's pipeline for each frame: one result, and the decision with its delays."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.robot.arrival import Counts
from neurosurgeon_ros.robot.uplink.breaker import Circuit

NAN = math.nan


class Outcome(enum.IntEnum):
    """Source of a frame's detections; the values match PartitionDecision.outcome."""

    EDGE = 0
    ON_DEVICE = 1
    FALLBACK = 2


@dataclass(frozen=True, slots=True)
class RobotSettings:
    """
    Settings that can change while the robot runs.

    :param deadline_s: seconds from accepting a frame until the robot finishes it itself; 0: derived from the camera's
        rate and the on-device delay.
    :param confidence: detections with a lower score are dropped, in [0, 1].
    :param iou: overlap above which the weaker box of a class is suppressed, in [0, 1].
    :param fidelity_price_s: penalty in seconds for each hundredth of agreement that an arm loses.
    :param max_in_flight: maximum number of frames in flight to the edge at once, at least 1.
    """

    deadline_s: float = 0.0
    confidence: float = 0.25
    iou: float = 0.45
    fidelity_price_s: float = 0.0
    max_in_flight: int = 1


@dataclass(frozen=True, slots=True)
class Delays:
    """
    Delays of one frame by stage, in seconds. NaN if a stage did not run or was not measured.

    :param slot: from arrival until the worker takes the frame from the slot.
    :param preprocess: conversion, and letterboxing if the frame needed it.
    :param front_end: the front-end; the whole network for `on_device`.
    :param encode: tensors to bytes.
    :param offload: from publishing to the answer, minus the time spent behind this robot's earlier frame; a lower
        bound if the deadline passed first.
    :param transmit: offload minus the edge's own durations.
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
        """Return the total seconds of the robot's own stages."""
        stages = (self.preprocess, self.front_end, self.encode, self.finish)
        return math.fsum(stage for stage in stages if not math.isnan(stage))


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """
    The single result of an accepted frame.

    :param image: the BGR image, for drawing.
    :param arm: name of the chosen arm.
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
    """The choice for an accepted frame and its cost; see neurosurgeon_ros/PartitionDecision."""

    header: object
    sequence: int
    policy: str
    arm: str
    partition_point: int
    delays: Delays
    outcome: Outcome
    detections: int
    counts: Counts
    key_frame: bool = False
    similarity: float = 0.0
    forced: bool = False
    predicted_robot_s: float = NAN
    predicted_offload_s: float = NAN
    sent_bytes: int = 0
    reason: str = ""
    sample_arm: str = ""
    probe_bytes: int = 0
    circuit: Circuit = Circuit.CLOSED
    edge: str = ""


class Sink(Protocol):
    """Receiver of the pipeline's results. Called from the worker thread, in camera order."""

    def detections(self, result: FrameResult) -> None:
        """Publish the single result of an accepted frame."""

    def decision(self, decision: Decision) -> None:
        """Publish a frame's decision, after its detections."""

    def rejected(self, reason: str) -> None:
        """Record an image that could not be converted."""
