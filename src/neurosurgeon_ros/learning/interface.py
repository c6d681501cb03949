# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Inputs and outputs of a policy: only arrays and indices, without ROS, torch or codecs.

An *arm* is a partition point with a codec, given as an index into the arrays of a :class:`Context`. One arm is
`on_device` (p = P). It has no edge offloading delay, and all its features are zero.
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

#: The columns of ``Context.features`` (paper section 3.2): multiply-accumulates of the back-end's convolutional, fully
#: connected and activation layers, the numbers of those layers, and psi, the number of bytes sent.
FEATURES = ("conv_macs", "fc_macs", "act_macs", "conv_layers", "fc_layers", "act_layers", "psi")

#: The robot does not send a frame with an arm that takes more than this many deadlines even at best. It then takes
#: `on_device`, and the policy learns nothing from the frame.
HOPELESS_DEADLINES = 3.0


class Kind(enum.IntEnum):
    """The kind of a request to the edge; the values are those of PartialInference.kind."""

    FRAME = 0
    SAMPLE = 1
    PROBE = 2


class Truth(Protocol):
    """A truth value that may be slow to evaluate. A policy evaluates it only when it matters."""

    def __bool__(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """
    What is known when an arm is chosen for one accepted frame. There are n arms.

    :param frame: number of this accepted frame, from 1.
    :param robot_s: seconds on the robot before the tensors are published (pre-processing, front-end, encoding); for
        `on_device`, the whole network and post-processing. Shape (n,).
    :param features: the back-end's contextual features, columns as in :data:`FEATURES`. Shape (n, 7).
    :param decode_s: expected seconds to decode at the edge. Shape (n,).
    :param point: partition point p of each arm. Shape (n,).
    :param allowed: arms that may be chosen now; `on_device` is always allowed. Shape (n,).
    :param on_device: index of the arm p = P.
    :param key_frame: whether this frame is a key frame.
    :param now_s: seconds on a monotonic clock.
    :param period_s: expected seconds between two images of the camera; 0 if unknown.
    :param deadline_s: seconds after which the robot finishes the frame itself, counted from the arrival of its image.
    :param waited_s: seconds of the deadline that the frame has already waited for earlier frames.
    :param edge_available: whether an edge can answer; without one, only `on_device` is allowed.
    :param link_busy: whether an earlier request of this robot is still on its way to the edge.
    :param penalty_s: seconds that are added to the delay of each arm for the fidelity that its codec loses. Shape (n,),
        or one number.
    :param finish_s: expected seconds to finish the frame on the robot after an arm's tensors were published; 0 for
        `on_device`. Shape (n,), or one number; 0 if unknown.
    :param key_bytes: additional bytes of this frame, beyond psi, for arms whose codec has memory and whose reference
        the edge does not hold. Only the first frame of a stream needs them. Shape (n,), or 0.
    :param sample_key_bytes: additional bytes of a sample, beyond psi, for arms whose codec has memory. A sample changes
        no stream and builds on none, so it is a key even if the edge holds the arm's reference. Shape (n,), or 0.
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
    finish_s: FloatArray | float = 0.0
    key_bytes: FloatArray | float = 0.0
    sample_key_bytes: FloatArray | float = 0.0

    @property
    def cost_s(self) -> FloatArray:
        """Return the cost of each arm before publication: its seconds on the robot plus its penalty. Shape (n,)."""
        cost: FloatArray = self.robot_s + self.penalty_s
        return cost


@dataclass(frozen=True, slots=True)
class Choice:
    """
    The arm for one frame, and what to send alongside the frame, off the critical path.

    :param arm: index of the arm.
    :param sample_arm: an arm of an earlier partition point whose tensors go to the edge as SAMPLE, or None.
    :param probe_bytes: size of a PROBE to send alongside the frame; 0 for no probe.
    :param forced: whether forced sampling excluded `on_device` on this frame.
    :param predicted_offload_s: expected edge offloading delay of `arm`; NaN if the policy cannot predict it.
    :param optimistic_offload_s: lower confidence bound of this delay, at least 0; 0 if the policy cannot predict it.
    :param predicted_robot_s: expected robot-side seconds of `arm` if the policy tracks them; NaN otherwise.
    :param overdue_s: edge offloading delay after which the answer is overdue. The robot then begins to finish the frame
        itself while it still waits, and the first result counts. Infinity: never before the deadline.
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
    The measurements of one frame, sample or probe.

    :param arm: index of the arm; -1 for a probe, which has none.
    :param sequence: number (``Context.frame``) of the frame that it was sent with.
    :param kind: FRAME, SAMPLE or PROBE.
    :param offload_s: edge offloading delay, from publication to answer; a lower bound if `censored`; NaN for a frame
        that was finished on the device by choice.
    :param transmit_s: offload_s minus the edge's own durations; NaN if unknown.
    :param queue_s: seconds that the request waited at the edge; NaN if unknown.
    :param decode_s: seconds of decoding at the edge; NaN if unknown.
    :param compute_s: seconds of back-end and post-processing at the edge; NaN if unknown.
    :param censored: whether `offload_s` is only a lower bound.
    :param overlapped: whether another request of this robot was on the link at the same time.
    :param sent_bytes: payload bytes that were sent.
    :param robot_s: measured robot-side seconds of the frame; NaN if not measured.
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
    """Chooses an arm for each frame and learns from observations."""

    def select(self, context: Context) -> Choice:
        """Choose an arm among ``context.allowed``."""

    def observe(self, observation: Observation, context: Context) -> None:
        """
        Learn from one observation. Observations may be late and in any order; censored and overlapped ones are marked.

        :param context: context of the frame that it was sent with; it may be older than the context of the latest
            choice.
        """


def is_offloading_delay(observation: Observation, context: Context) -> bool:
    """Return whether an observation is a frame's whole offloading delay; the paper's policies use only these."""
    return (
        observation.kind is Kind.FRAME
        and observation.arm != context.on_device
        and not observation.censored
        and math.isfinite(observation.offload_s)
    )
