# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One accepted frame: its data before an arm is chosen, and its state after the choice."""

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
from neurosurgeon_ros.robot.edges.route import Route
from neurosurgeon_ros.robot.local_inference import LocalInference
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.uplink.breaker import Circuit
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.uplink import Caption


class Scoring:
    """
    A frame's key-frame score, computed once: when a policy asks for it, otherwise when there is time.

    :param compute: scores the frame.
    """

    def __init__(self, compute: Callable[[], KeyFrame]) -> None:
        self._compute: Callable[[], KeyFrame] | None = compute
        self._score: KeyFrame | None = None

    def get(self) -> KeyFrame:
        """Return the score."""
        if self._compute is not None:
            self._score, self._compute = self._compute(), None  # the closure holds the image
        assert self._score is not None
        return self._score

    def __bool__(self) -> bool:
        return self.get().key


@dataclass(slots=True, eq=False)
class Frame:
    """
    One accepted frame.

    :param counts: images so far, including this one; the frame's number is ``counts.accepted``.
    :param image: the image, with what the camera sent if that may be sent as received.
    :param preprocess: makes the network's input from the image; returns the input and the seconds that this took.
    :param reason: why the edge is not used, in one sentence; empty if it is used or the policy did not choose it.

    :ivar is_out: whether its detections are published; later work on the frame does not add to its delay.
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
        """Return the frame's number, from 1."""
        return self.counts.accepted

    @property
    def due_s(self) -> float:
        """
        Return the clock time until which the robot waits for the edge's answer.

        The deadline counts from the image's arrival.
        """
        return self.arrival.received_s + self.deadline_s

    def input(self) -> torch.Tensor:
        """Return the network's input. The time to make it counts as pre-processing unless the frame is out."""
        if self._input is None:
            self._input, seconds = self.preprocess()
            if not self.is_out:
                self.delays = replace(self.delays, preprocess=self.delays.preprocess + seconds)
        return self._input


@dataclass(slots=True, eq=False)
class Flight:
    """
    A frame whose arm is chosen. It was sent to the edge, or it stays on the robot.

    :param route: the edge that the frame may go to.
    :param selector: the selector that chose its arm.
    :param sample_arm: arm whose tensors go to the edge alongside the frame, as a sample or a test; None for none.
    :param is_test: whether these tensors test if the edge answers.

    :ivar edge: id of the edge that the frame was sent to; empty if it stays on the robot.
    :ivar request: the request sent for the frame; None if the frame stays on the robot.
    :ivar offloaded_s: seconds of the robot's stages before the request; NaN if the frame stays on the robot.
    :ivar sent_sample: name of the arm that was sent as a sample or a test; empty for none.
    :ivar probe_bytes: size in bytes of the probe sent alongside the frame.
    """

    frame: Frame
    route: Route
    selector: ArmSelector
    context: Context
    choice: Choice
    sample_arm: int | None = None
    is_test: bool = False
    edge: str = ""
    request: OutstandingRequest | None = None
    offloaded_s: float = math.nan
    sent_sample: str = ""
    probe_bytes: int = 0
    _tensors: dict[int, Sequence[torch.Tensor]] = field(default_factory=dict)

    @property
    def point(self) -> int:
        """Return partition point p of the chosen arm."""
        return int(self.selector.table.point[self.choice.arm])

    @property
    def is_on_device(self) -> bool:
        """Return whether the whole network runs on the robot."""
        return self.choice.arm == self.context.on_device

    @property
    def overdue_s(self) -> float:
        """
        Return the clock time from which the robot stops only waiting for the answer and starts to work itself.

        This is the deadline if the frame is behind another frame.
        """
        request, due_s = self.request, self.frame.due_s
        if request is None or request.behind is not None:
            return due_s
        return min(due_s, request.sent_s + self.choice.overdue_s)

    @property
    def caption(self) -> Caption:
        """Return the frame data that requests carry."""
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

    def aside(
        self, route: Route, context: Context, choice: Choice, *, sample_arm: int | None = None, is_test: bool = False
    ) -> Flight:
        """Return the frame as another edge would see it, for a look at that edge alongside the frame."""
        return replace(
            self,
            route=route,
            selector=route.selector,
            context=context,
            choice=choice,
            sample_arm=sample_arm,
            is_test=is_test,
            request=None,
        )

    def tensors(self, p: int, local: LocalInference, clock: Callable[[], float]) -> Sequence[torch.Tensor]:
        """
        Return the tensors at the arm's point or at its sample's point. The first call runs the front-end.

        The front-end keeps the sample's tensors if this costs no time. Otherwise it runs again for them, which is after
        the frame's detections are out.

        :param local: runs the front-end.
        """
        frame, table = self.frame, self.selector.table
        if not self._tensors:
            wanted = [] if self.sample_arm is None else [int(table.point[self.sample_arm])]
            keep = local.kept(wanted, self.point, table.profile)
            x, begin_s = frame.input(), clock()
            self._tensors = local.run_front(x, self.point, keep, table.profile)
            if not frame.is_out:
                frame.delays = replace(frame.delays, front_end=clock() - begin_s)
        if p not in self._tensors:
            self._tensors |= local.run_front(frame.input(), p, [], table.profile)
        return self._tensors[p]

    def decision(self, outcome: Outcome, found: Detections, circuit: Circuit) -> Decision:
        """Return the frame's decision: the choice, its context, and its cost."""
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
            edge=self.edge,
        )
