# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One accepted frame: what is known of it before an arm is chosen, and what comes of the choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.learning.interface import Choice, Context
from neurosurgeon_ros.learning.key_frames import KeyFrame
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import Decision, Delays, Outcome, RobotSettings
from neurosurgeon_ros.robot.local_inference import LocalInference
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.uplink.breaker import Circuit
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.uplink import Caption


class Scoring:
    """
    A frame's key-frame score, computed once: when a policy asks whether it is one, or else when there is time.

    :param compute: scores the frame.
    """

    def __init__(self, compute: Callable[[], KeyFrame]) -> None:
        self._compute: Callable[[], KeyFrame] | None = compute
        self._score: KeyFrame | None = None

    def get(self) -> KeyFrame:
        """Return the score."""
        if self._compute is not None:
            self._score, self._compute = self._compute(), None  # which holds the image
        assert self._score is not None
        return self._score

    def __bool__(self) -> bool:
        return self.get().key


@dataclass(slots=True, eq=False)
class Frame:
    """
    One accepted frame.

    :param counts: images so far, this one included; its number is ``counts.accepted``.
    :param image: with the camera's JPEG, if it may travel as it came.
    :param preprocess: makes the network's input of the image; returns it with the seconds that this took.
    :param reason: why the edge is not used, in one sentence; empty if it is, or the policy did not choose it.

    :ivar is_out: its detections are published, so that what is done for it from now on delays nobody.
    """

    arrival: Arrival
    counts: Counts
    image: CameraImage
    settings: RobotSettings
    deadline_s: float
    scoring: Scoring
    letterbox: Letterbox
    delays: Delays
    preprocess: Callable[[], tuple[torch.Tensor, float]]
    reason: str = ""
    is_out: bool = False
    _input: torch.Tensor | None = None

    @property
    def sequence(self) -> int:
        """Its number, from 1."""
        return self.counts.accepted

    @property
    def due_s(self) -> float:
        """Until when the edge's answer is waited for, on the clock: the deadline counts from the image's arrival."""
        return self.arrival.received_s + self.deadline_s

    def input(self) -> torch.Tensor:
        """Return the network's input; the seconds of making it count as pre-processing unless the frame is out."""
        if self._input is None:
            self._input, seconds = self.preprocess()
            if not self.is_out:
                self.delays = replace(self.delays, preprocess=self.delays.preprocess + seconds)
        return self._input


@dataclass(slots=True, eq=False)
class Flight:
    """
    A frame whose arm is chosen: it was sent to the edge, or is to stay on the robot.

    :param selector: chose its arm.
    :param sample_arm: the arm whose tensors go to the edge beside it, as a sample or a test; None for none.
    :param is_test: they are to show whether the edge answers.

    :ivar request: what was sent of it; None if the frame stays here.
    :ivar offloaded_s: seconds of the robot's stages before that; NaN if it stays here.
    :ivar sent_sample: name of the arm that was sent as a sample or a test; empty for none.
    :ivar probe_bytes: bytes of the probe that was sent beside it.
    """

    frame: Frame
    selector: ArmSelector
    context: Context
    choice: Choice
    sample_arm: int | None
    is_test: bool
    request: OutstandingRequest | None = None
    offloaded_s: float = math.nan
    sent_sample: str = ""
    probe_bytes: int = 0
    _tensors: dict[int, Sequence[torch.Tensor]] = field(default_factory=dict)

    @property
    def point(self) -> int:
        """Partition point p of the arm that was chosen."""
        return int(self.selector.table.point[self.choice.arm])

    @property
    def is_on_device(self) -> bool:
        """Whether the whole network is to run on the robot."""
        return self.choice.arm == self.context.on_device

    @property
    def overdue_s(self) -> float:
        """From when the robot does not only wait for the answer, on the clock; behind another frame the deadline."""
        request, due_s = self.request, self.frame.due_s
        if request is None or request.behind is not None:
            return due_s
        return min(due_s, request.sent_s + self.choice.overdue_s)

    @property
    def caption(self) -> Caption:
        """What requests say of the frame."""
        frame = self.frame
        return Caption(
            sequence=frame.sequence,
            header=frame.arrival.header,
            letterbox=frame.letterbox,
            confidence=frame.settings.confidence,
            iou=frame.settings.iou,
            due_s=frame.due_s,
            context=self.context,
        )

    def tensors(self, p: int, local: LocalInference, clock: Callable[[], float]) -> Sequence[torch.Tensor]:
        """
        Return the tensors at the arm's point, or at that of its sample; the front-end runs at the first call.

        :param local: runs it.
        """
        if not self._tensors:
            frame, table = self.frame, self.selector.table
            x, keep = frame.input(), [] if self.sample_arm is None else [int(table.point[self.sample_arm])]
            begin_s = clock()
            self._tensors = local.run_front(x, self.point, keep, table.profile)
            if not frame.is_out:
                frame.delays = replace(frame.delays, front_end=clock() - begin_s)
        return self._tensors[p]

    def decision(self, outcome: Outcome, found: Detections, circuit: Circuit) -> Decision:
        """Return what was chosen for the frame, among what, and what it cost."""
        frame, choice, context = self.frame, self.choice, self.context
        arm, score = self.selector.table.arms[choice.arm], frame.scoring.get()
        tracked_s = choice.predicted_robot_s
        return Decision(
            header=frame.arrival.header,
            sequence=frame.sequence,
            policy=self.selector.policy_name,
            arm=arm.name,
            partition_point=arm.point,
            delays=frame.delays,
            outcome=outcome,
            detections=len(found),
            counts=frame.counts,
            key_frame=score.key,
            similarity=score.similarity,
            forced=choice.forced,
            predicted_robot_s=float(context.robot_s[choice.arm]) if math.isnan(tracked_s) else tracked_s,
            predicted_offload_s=math.nan if self.is_on_device else choice.predicted_offload_s,
            sent_bytes=0 if self.request is None else self.request.sent_bytes,
            reason=frame.reason,
            sample_arm=self.sent_sample,
            probe_bytes=self.probe_bytes,
            circuit=circuit,
        )
