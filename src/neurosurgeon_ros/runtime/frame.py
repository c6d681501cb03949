# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is known of the frame that the robot is working on, and the decision that it ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.learning.interface import Choice, Context
from neurosurgeon_ros.learning.key_frames import KeyFrame
from neurosurgeon_ros.models import Letterbox
from neurosurgeon_ros.runtime.breaker import Circuit
from neurosurgeon_ros.runtime.decision import Arrival, Counts, Decision, Delays, Outcome, RobotSettings
from neurosurgeon_ros.runtime.strategy import Strategy


@dataclass(slots=True, eq=False)
class Frame:
    """
    One accepted frame.

    :param sequence: its number, from 1.
    :param reason: why the edge is not used, in one sentence; empty if it is, or nobody wanted to.
    :param received: the camera's picture, if it may travel as it came; None if not.
    :param test_arm: the arm whose tensors go to the edge beside it to see whether the edge answers; None for none.
    """

    arrival: Arrival
    image: NDArray[np.uint8]
    sequence: int
    settings: RobotSettings
    deadline_s: float
    key_frame: KeyFrame
    x: torch.Tensor
    letterbox: Letterbox
    delays: Delays
    received: memoryview | None = None
    reason: str = ""
    sent_bytes: int = 0
    sample_arm: str = ""
    test_arm: int | None = None
    probe_bytes: int = 0

    @property
    def due_s(self) -> float:
        """Until when the edge's answer is waited for, on the clock: the deadline counts from the image's arrival."""
        return self.arrival.received_s + self.deadline_s

    def decision(
        self,
        strategy: Strategy,
        choice: Choice,
        context: Context,
        outcome: Outcome,
        detections: int,
        counts: Counts,
        circuit: Circuit,
    ) -> Decision:
        """Tell what was chosen for the frame, among what, and what it cost."""
        arms = strategy.table.arms
        tracked_s = choice.predicted_robot_s
        return Decision(
            header=self.arrival.header,
            sequence=self.sequence,
            policy=strategy.policy_name,
            arm=arms[choice.arm].name,
            partition_point=arms[choice.arm].point,
            key_frame=self.key_frame.key,
            similarity=self.key_frame.similarity,
            forced=choice.forced,
            predicted_robot_s=float(context.robot_s[choice.arm]) if math.isnan(tracked_s) else tracked_s,
            predicted_offload_s=choice.predicted_offload_s if choice.arm != context.on_device else math.nan,
            delays=self.delays,
            outcome=outcome,
            detections=detections,
            counts=counts,
            sent_bytes=self.sent_bytes,
            reason=self.reason,
            sample_arm=self.sample_arm,
            probe_bytes=self.probe_bytes,
            circuit=circuit,
        )
