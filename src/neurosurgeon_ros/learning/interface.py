# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What a policy is given and what it answers: arrays and indices, nothing of ROS, torch or codecs.

An *arm* is an index into the arrays of a :class:`Context`: a partition point with a codec. One arm is
`on_device` (p = P); it has no edge offloading delay, and all its features are zero.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: The columns of ``Context.features`` (paper section 3.2): multiply-accumulates of the back-end's convolutional,
#: fully connected and activation layers, the numbers of those layers, and psi, the bytes that travel.
FEATURES = ("conv_macs", "fc_macs", "act_macs", "conv_layers", "fc_layers", "act_layers", "psi")


class Kind(enum.IntEnum):
    """Why something was sent to the edge; the values are those of PartialInference.kind."""

    FRAME = 0
    SAMPLE = 1
    PROBE = 2


class Truth(Protocol):
    """What is true or false; asking may take a while, so that a policy asks where it matters alone."""

    def __bool__(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """
    What is known before an arm is chosen for one accepted frame; n arms.

    :param frame: number of this accepted frame, from 1.
    :param robot_s: seconds on the robot before the tensors are published (pre-processing, front-end, encoding); for
        `on_device` the whole network and post-processing. Shape (n,).
    :param features: the back-end's contextual features, columns as in :data:`FEATURES`. Shape (n, 7).
    :param decode_s: expected seconds to decode at the edge. Shape (n,).
    :param point: partition point p of each arm. Shape (n,).
    :param allowed: arms that may be chosen now; `on_device` always is. Shape (n,).
    :param on_device: index of the arm p = P.
    :param key_frame: whether this frame is a key frame.
    :param now_s: seconds on a monotonic clock.
    :param period_s: expected seconds between accepted frames; 0 where unknown.
    :param deadline_s: seconds after which the robot finishes the frame itself, from when its image came.
    :param waited_s: of these, the seconds that the frame has waited for the ones before it.
    :param edge_available: whether an edge is there to answer; without one only `on_device` is allowed.
    :param link_busy: whether something of ours is still on its way to the edge.
    :param penalty_s: seconds by which each arm counts as slower than it is, for what its codec loses. Shape (n,), or
        one number.
    """

    frame: int
    robot_s: FloatArray
    features: FloatArray
    decode_s: FloatArray
    point: IntArray
    allowed: BoolArray
    on_device: int
    key_frame: Truth
    now_s: float = 0.0
    period_s: float = 0.0
    deadline_s: float = float("inf")
    waited_s: float = 0.0
    edge_available: bool = True
    link_busy: bool = False
    penalty_s: FloatArray | float = 0.0

    @property
    def cost_s(self) -> FloatArray:
        """What an arm costs before it is published: its seconds on the robot and its penalty. Shape (n,)."""
        cost: FloatArray = self.robot_s + self.penalty_s
        return cost


@dataclass(frozen=True, slots=True)
class Choice:
    """
    The arm for one frame, and what to send beside it off the critical path.

    :param arm: index of the arm.
    :param sample_arm: an arm of an earlier partition point whose tensors go to the edge as SAMPLE, or None.
    :param probe_bytes: size of a PROBE to send beside the frame; 0 for none.
    :param forced: whether forced sampling excluded `on_device` on this frame.
    :param predicted_offload_s: expected edge offloading delay of `arm`; NaN where the policy has no idea.
    :param optimistic_offload_s: its lower confidence bound, at least 0; 0 where the policy has no idea.
    :param predicted_robot_s: expected robot-side seconds of `arm` if the policy tracks them; NaN otherwise.
    :param overdue_s: edge offloading delay from which the answer is overdue: the robot then begins to finish the frame
        itself while it still waits, and the first result counts. Infinity for never before the deadline.
    """

    arm: int
    sample_arm: int | None = None
    probe_bytes: int = 0
    forced: bool = False
    predicted_offload_s: float = float("nan")
    optimistic_offload_s: float = 0.0
    predicted_robot_s: float = float("nan")
    overdue_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Observation:
    """
    What was measured of one frame, sample or probe.

    :param arm: index of the arm; -1 for a probe, which has none.
    :param sequence: the frame's number (``Context.frame``) that it was sent with.
    :param kind: FRAME, SAMPLE or PROBE.
    :param offload_s: edge offloading delay, from publishing to the answer; where `censored`, a lower bound; NaN for
        a frame finished on the device by choice, which has none.
    :param transmit_s: offload_s less the edge's own durations; NaN where unknown.
    :param queue_s: seconds the request waited at the edge; NaN where unknown.
    :param decode_s: seconds of decoding at the edge; NaN where unknown.
    :param compute_s: seconds of back-end and post-processing at the edge; NaN where unknown.
    :param censored: `offload_s` is only known to be at least this.
    :param overlapped: another transfer of ours was on its way during this one.
    :param sent_bytes: bytes of payload that travelled.
    :param robot_s: measured robot-side seconds of the frame; NaN where it was not measured.
    """

    arm: int
    sequence: int
    kind: Kind
    offload_s: float
    transmit_s: float = float("nan")
    queue_s: float = float("nan")
    decode_s: float = float("nan")
    compute_s: float = float("nan")
    censored: bool = False
    overlapped: bool = False
    sent_bytes: int = 0
    robot_s: float = float("nan")


class Policy(Protocol):
    """Chooses an arm for each frame and learns from what is measured."""

    def select(self, context: Context) -> Choice:
        """Choose an arm among ``context.allowed``."""

    def observe(self, observation: Observation, context: Context) -> None:
        """
        Learn from one measurement. Late, censored and overlapped ones come marked, in any order.

        :param context: that of the frame that it was sent with; it may be older than the one chosen for last.
        """


def is_offloading_delay(observation: Observation, context: Context) -> bool:
    """Whether an observation is the whole offloading delay of a frame, the only kind that the paper's policies use."""
    return (
        observation.kind is Kind.FRAME
        and observation.arm != context.on_device
        and not observation.censored
        and math.isfinite(observation.offload_s)
    )
