# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a frame that the robot is working on, what is done for it at most once, and its decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.learning.interface import Choice, Context
from neurosurgeon_ros.learning.key_frames import KeyFrame
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.runtime.breaker import Circuit
from neurosurgeon_ros.runtime.decision import Arrival, Counts, Decision, Delays, Outcome, RobotSettings
from neurosurgeon_ros.runtime.strategy import Strategy
from neurosurgeon_ros.runtime.transfers import Transfer


class Scoring:
    """
    A frame's key-frame score, taken once: when a policy asks whether it is one, or else when there is time.

    :param take: scores the frame.
    """

    def __init__(self, take: Callable[[], KeyFrame]) -> None:
        self._take = take
        self._score: KeyFrame | None = None

    def get(self) -> KeyFrame:
        """Give the score."""
        if self._score is None:
            self._score = self._take()
        return self._score

    def __bool__(self) -> bool:
        return self.get().key


@dataclass(slots=True, eq=False)
class Frame:
    """
    One accepted frame.

    :param image: with the camera's JPEG, if it may travel as it came.
    :param sequence: its number, from 1.
    :param preprocess: makes the network's input of the image.
    :param reason: why the edge is not used, in one sentence; empty if it is, or nobody wanted to.
    :param offloaded_s: seconds of the robot's stages before its tensors were published; NaN if they were not.
    :param test_arm: the arm whose tensors go to the edge beside it to see whether the edge answers; None for none.
    """

    arrival: Arrival
    image: CameraImage
    sequence: int
    settings: RobotSettings
    deadline_s: float
    scoring: Scoring
    letterbox: Letterbox
    delays: Delays
    preprocess: Callable[[], tuple[torch.Tensor, float]]
    reason: str = ""
    sent_bytes: int = 0
    offloaded_s: float = math.nan
    sample_arm: str = ""
    test_arm: int | None = None
    probe_bytes: int = 0
    _input: torch.Tensor | None = None

    @property
    def due_s(self) -> float:
        """Until when the edge's answer is waited for, on the clock: the deadline counts from the image's arrival."""
        return self.arrival.received_s + self.deadline_s

    def input(self) -> torch.Tensor:
        """Give the network's input; what making it takes counts as pre-processing, when it was in the frame's way."""
        if self._input is None:
            self._input, seconds = self.preprocess()
            if math.isnan(self.delays.total):
                self.delays = replace(self.delays, preprocess=self.delays.preprocess + seconds)
        return self._input


@dataclass(slots=True, eq=False)
class Flight:
    """
    A frame that is begun: it was sent to the edge, or is to stay on the robot.

    :param strategy: by which it was begun.
    :param aside: the arm whose tensors go to the edge beside it; None for none.
    :param held: the tensors at each point that was asked for; empty while the front-end has not run.
    :param transfer: what is on its way; None if the frame stays here.
    """

    frame: Frame
    counts: Counts
    strategy: Strategy
    context: Context
    choice: Choice
    aside: int | None
    held: dict[int, Sequence[torch.Tensor]] = field(default_factory=dict)
    transfer: Transfer | None = None

    @property
    def point(self) -> int:
        """Partition point p of the arm that was chosen."""
        return int(self.strategy.table.point[self.choice.arm])

    @property
    def overdue_s(self) -> float:
        """From when the robot does not only wait for the answer, on the clock; behind another frame at the deadline."""
        transfer, due_s = self.transfer, self.frame.due_s
        if transfer is None or transfer.behind is not None:
            return due_s
        return min(due_s, transfer.sent_s + self.choice.overdue_s)

    def decision(self, outcome: Outcome, found: Detections, circuit: Circuit) -> Decision:
        """Tell what was chosen for the frame, among what, and what it cost."""
        frame, choice, context = self.frame, self.choice, self.context
        arms = self.strategy.table.arms
        tracked_s = choice.predicted_robot_s
        score = frame.scoring.get()
        return Decision(
            header=frame.arrival.header,
            sequence=frame.sequence,
            policy=self.strategy.policy_name,
            arm=arms[choice.arm].name,
            partition_point=arms[choice.arm].point,
            key_frame=score.key,
            similarity=score.similarity,
            forced=choice.forced,
            predicted_robot_s=float(context.robot_s[choice.arm]) if math.isnan(tracked_s) else tracked_s,
            predicted_offload_s=choice.predicted_offload_s if choice.arm != context.on_device else math.nan,
            delays=frame.delays,
            outcome=outcome,
            detections=len(found),
            counts=self.counts,
            sent_bytes=frame.sent_bytes,
            reason=frame.reason,
            sample_arm=frame.sample_arm,
            probe_bytes=frame.probe_bytes,
            circuit=circuit,
        )
