# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plain values, without ROS, of the messages that a monitor has received from robot and edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class HeaderKey(NamedTuple):
    """
    Identifies the header of a camera image.

    :param stamp_ns: time stamp of the image, nanoseconds.
    """

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, slots=True, eq=False)
class SeenImage:
    """
    A camera image.

    :param image: BGR, uint8, shape (h, w, 3).
    """

    header: HeaderKey
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class SeenDetections:
    """
    The detections of one accepted frame, k of them.

    :param boxes: centre x, centre y, width, height in pixels. Shape (k, 4).
    :param names: names of their classes.
    :param scores: in [0, 1]. Shape (k,).
    """

    header: HeaderKey
    boxes: NDArray[np.float64]
    names: tuple[str, ...]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeenDecision:
    """
    The decision for one accepted frame and its costs: the fields of neurosurgeon_ros/PartitionDecision.

    Delays are in seconds, NaN if not predicted or not measured. The outcome is edge, on_device or fallback, and the
    circuit is closed, open or half_open.
    """

    header: HeaderKey
    robot_id: str
    session: int
    sequence: int
    policy: str
    arm: str
    partition_point: int
    sample_arm: str
    probe_bytes: int
    key_frame: bool
    similarity: float
    forced: bool
    predicted_robot_delay: float
    predicted_offload_delay: float
    slot_delay: float
    preprocess_delay: float
    front_end_delay: float
    encode_delay: float
    offload_delay: float
    transmit_delay: float
    edge_queue_delay: float
    edge_decode_delay: float
    edge_compute_delay: float
    edge_postprocess_delay: float
    finish_delay: float
    total_delay: float
    sent_bytes: int
    outcome: str
    reason: str
    circuit: str
    detections: int
    frames_received: int
    frames_accepted: int
    frames_dropped: int
    frames_rejected: int
    edge: str = ""


@dataclass(frozen=True, slots=True)
class SeenEdge:
    """An edge that has published its status."""

    edge_id: str
    session: int


@dataclass(frozen=True, slots=True)
class SeenRobot:
    """A robot that has sent a hello, so it is active."""

    robot_id: str
    session: int
    model: str


@dataclass(frozen=True, slots=True)
class SeenDiagnostics:
    """The status that a node publishes on /diagnostics."""

    name: str
    message: str
    values: dict[str, str]


Seen = SeenImage | SeenDetections | SeenDecision | SeenEdge | SeenRobot | SeenDiagnostics
