# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One frame's way on the robot: score, select, front-end, encode, publish, await the answer, or finish it itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import EncodedTensor, get_codec
from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation, Policy
from neurosurgeon_ros.learning.key_frames import KeyFrame, KeyFrameDetector
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.runtime.arms import PSI, ArmTable
from neurosurgeon_ros.runtime.conversation import Conversation
from neurosurgeon_ros.runtime.decision import Arrival, Counts, Decision, Delays, FrameResult, Outcome, Sink, Uplink
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.protocol import Key, Request
from neurosurgeon_ros.runtime.transfers import Transfer

#: An arm is not sent as a frame if even its optimistic delay is over this many deadlines.
HOPELESS_DEADLINES = 3.0

#: Seconds for which a decision waits for the delay feedback of a frame whose detections are out.
FEEDBACK_GRACE_S = 0.05

#: The derived deadline: this many times the on-device delay, if that is more than the camera's period.
DEADLINE_FACTOR = 1.5

#: Weight of the newest value in the running means of encoded bytes, encoding seconds and the camera's period.
NEWEST = 0.2

#: Largest probe, bytes.
MAX_PROBE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class RobotSettings:
    """
    What can change while the robot runs.

    :param deadline_s: seconds from accepting a frame after which the robot finishes it itself; 0: derived from the
        camera's rate and the on-device delay.
    :param confidence: detections with a lower score are left out, in [0, 1].
    :param iou: overlap above which the weaker box of a class is suppressed, in [0, 1].
    """

    deadline_s: float = 0.0
    confidence: float = 0.25
    iou: float = 0.45


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The first two parts of every key.

    :param robot_id: [a-z0-9_], at most 64 characters.
    :param session: random 64-bit number of this start.
    """

    robot_id: str
    session: int


@dataclass(slots=True, eq=False)
class _Frame:
    """What is known of the frame that is being worked on."""

    arrival: Arrival
    image: NDArray[np.uint8]
    sequence: int
    accepted_s: float
    settings: RobotSettings
    deadline_s: float
    key_frame: KeyFrame
    x: torch.Tensor
    letterbox: Letterbox
    delays: Delays
    reason: str = ""
    sent_bytes: int = 0


class FrameProcessor:
    """
    Takes one accepted frame after the other to its detections.

    Owned by one thread, but for `settings`, which may be replaced, and the conversation's inbox.

    :param policy_name: the policy's registered name, for the decisions.
    :param seed: of the probes' bytes.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        engine: Engine,
        table: ArmTable,
        policy: Policy,
        policy_name: str,
        key_frames: KeyFrameDetector,
        uplink: Uplink,
        sink: Sink,
        settings: RobotSettings,
        pace: Pace,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.table = table
        self.conversation = Conversation(uplink, clock=clock)
        self._identity = identity
        self._engine = engine
        self._policy = policy
        self._policy_name = policy_name
        self._key_frames = key_frames
        self._uplink = uplink
        self._sink = sink
        self._pace = pace
        self._clock = clock
        self._probe = np.random.default_rng(seed).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)
        self._features = table.features.copy()
        self._extra_encode_s = np.zeros(len(table.arms))
        self._answered = 0
        self._period_s = 0.0
        self._last_received_s = math.nan

    def process(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts) -> None:
        """
        Take a frame to its one detections message, and its decision.

        :param image: BGR, uint8, shape (h, w, 3).
        :param counts: images so far, this one included; its number is ``counts.accepted``.
        """
        accepted_s = self._clock()
        self._track_period(arrival.received_s)
        settings = self.settings
        with self._pace.stage(self.table.calibration.preprocess_s):
            key_frame = self._key_frames.score(image)
            x, letterbox = self._engine.model.preprocess(image)
        frame = _Frame(
            arrival=arrival,
            image=image,
            sequence=counts.accepted,
            accepted_s=accepted_s,
            settings=settings,
            deadline_s=settings.deadline_s or self._derived_deadline_s(),
            key_frame=key_frame,
            x=x,
            letterbox=letterbox,
            delays=Delays(slot=accepted_s - arrival.received_s, preprocess=self._clock() - accepted_s),
        )
        self._work(frame, counts)

    def rescue(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, reason: str) -> None:
        """
        Answer a frame on which :meth:`process` failed: by the whole network here, or without detections.

        :param reason: what failed, in one sentence.
        """
        if self._answered == counts.accepted:
            return
        try:
            x, letterbox = self._engine.model.preprocess(image)
            outputs = self._engine.partitioned.run_whole(x)
            detections = self._engine.model.postprocess(
                outputs, letterbox, confidence=self.settings.confidence, iou=self.settings.iou
            )
        except Exception as problem:  # the network itself fails on this image
            detections = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
            reason = f"{reason}; then the whole network failed: {type(problem).__name__}: {problem}"
        total_s = self._clock() - arrival.received_s
        on_device = self.table.arms[self.table.on_device]
        self._answer(
            FrameResult(arrival.header, counts.accepted, detections, Outcome.FALLBACK, on_device.name, total_s, image)
        )
        self._sink.decision(
            Decision(
                header=arrival.header,
                sequence=counts.accepted,
                policy=self._policy_name,
                arm=on_device.name,
                partition_point=on_device.point,
                key_frame=False,
                similarity=0.0,
                forced=False,
                predicted_robot_s=math.nan,
                predicted_offload_s=math.nan,
                delays=Delays(total=total_s),
                outcome=Outcome.FALLBACK,
                detections=len(detections),
                counts=counts,
                reason=reason,
            )
        )

    def _answer(self, result: FrameResult) -> None:
        self._answered = result.sequence
        self._sink.detections(result)

    def _work(self, frame: _Frame, counts: Counts) -> None:
        context = self._context(frame)
        choice = self._admit(self._policy.select(context), context, frame)
        p = int(self.table.point[choice.arm])
        on_device = choice.arm == self.table.on_device
        if on_device:
            self._send_probe(frame, choice)

        begin = self._clock()
        keep = [] if choice.sample_arm is None else [int(self.table.point[choice.sample_arm])]
        with self._pace.stage(float(self.table.calibration.front_s[p])):
            held = self._engine.partitioned.run_front(frame.x, p, keep=keep)
        frame.delays = replace(frame.delays, front_end=self._clock() - begin)

        transfer = None
        if on_device:
            detections, outcome = self._finish(frame, held[p], p), Outcome.ON_DEVICE
        else:
            transfer, detections, outcome = self._offload(frame, choice.arm, held[p], p)
        frame.delays = replace(frame.delays, total=self._clock() - frame.arrival.received_s)
        self._answer(
            FrameResult(
                header=frame.arrival.header,
                sequence=frame.sequence,
                detections=detections,
                outcome=outcome,
                arm=self.table.arms[choice.arm].name,
                total_s=frame.delays.total,
                image=frame.image,
            )
        )
        if transfer is not None and outcome is Outcome.EDGE:
            self.conversation.await_feedback(transfer, self._clock() + FEEDBACK_GRACE_S)
        self._learn(frame, choice.arm if on_device else None)
        if choice.sample_arm is not None:
            self._send_sample(frame, choice.sample_arm, held[keep[0]])
        if not on_device:
            self._send_probe(frame, choice)
        self._sink.decision(self._decision(frame, choice, context, outcome, len(detections), counts))

    def _context(self, frame: _Frame) -> Context:
        self._learn(frame, None)
        obstacle = self._uplink.obstacle()
        if obstacle:
            self.conversation.forget()
        elif self.conversation.fills_link():
            obstacle = "an earlier transfer is still under way"
        frame.reason = obstacle
        allowed = self.table.allowed
        if obstacle:
            allowed = np.zeros_like(allowed)
            allowed[self.table.on_device] = True
        return Context(
            frame=frame.sequence,
            robot_s=self.table.robot_s + self._extra_encode_s,
            features=self._features,
            decode_s=self.table.decode_s,
            point=self.table.point,
            allowed=allowed,
            on_device=self.table.on_device,
            key_frame=frame.key_frame.key,
            similarity=frame.key_frame.similarity,
            now_s=self._clock(),
            period_s=self._period_s,
            deadline_s=frame.deadline_s,
            edge_available=not self._uplink.obstacle(),
            link_busy=self.conversation.is_open(),
        )

    def _admit(self, choice: Choice, context: Context, frame: _Frame) -> Choice:
        """Hold a choice against the rules that no policy may break."""
        if not context.edge_available:
            return replace(choice, sample_arm=None, probe_bytes=0)
        optimistic_s = float(context.robot_s[choice.arm]) + choice.optimistic_offload_s
        if choice.arm != context.on_device and optimistic_s > HOPELESS_DEADLINES * frame.deadline_s:
            name = self.table.arms[choice.arm].name
            frame.reason = f"{name} would take over {HOPELESS_DEADLINES:.0f} deadlines even at best"
            return replace(choice, arm=context.on_device, predicted_offload_s=math.nan, optimistic_offload_s=0.0)
        return choice

    def _offload(
        self, frame: _Frame, arm: int, tensors: Sequence[torch.Tensor], p: int
    ) -> tuple[Transfer, Detections, Outcome]:
        """Send the tensors and wait for the detections; without them, go on from the tensors here."""
        begin = self._clock()
        with self._pace.stage(float(self.table.calibration.encode_s[arm])):
            encoded = self._encode(arm, tensors)
        encode_s = self._clock() - begin
        transfer = self.conversation.send(self._request(frame, Kind.FRAME, p, encoded), arm)
        detections, reason = self.conversation.await_detections(transfer, frame.accepted_s + frame.deadline_s)
        frame.sent_bytes = transfer.sent_bytes
        frame.delays = replace(frame.delays, encode=encode_s, offload=self._clock() - transfer.sent_s)
        self._track_arm(arm, encode_s, transfer.sent_bytes)
        if detections is not None:
            return transfer, detections, Outcome.EDGE
        frame.reason = reason
        if self._clock() >= frame.accepted_s + frame.deadline_s:
            self._policy.observe(self.conversation.censored(transfer))
        return transfer, self._finish(frame, tensors, p), Outcome.FALLBACK

    def _finish(self, frame: _Frame, tensors: Sequence[torch.Tensor], p: int) -> Detections:
        """Run the rest of the network, from p to P, and post-processing on the robot."""
        begin = self._clock()
        calibration = self.table.calibration
        with self._pace.stage(float(calibration.front_s[-1] - calibration.front_s[p]) + calibration.postprocess_s):
            outputs = self._engine.partitioned.run_back(tensors, p)
            detections = self._engine.model.postprocess(
                outputs, frame.letterbox, confidence=frame.settings.confidence, iou=frame.settings.iou
            )
        frame.delays = replace(frame.delays, finish=self._clock() - begin)
        return detections

    def _learn(self, frame: _Frame, on_device: int | None) -> None:
        """Hand the policy whatever has been measured, and this frame's own stages if it ran on the device."""
        for measured in self.conversation.measured(frame.sequence):
            feedback, observation = measured.feedback, measured.observation
            if measured.transfer.key.sequence == frame.sequence and feedback.key.kind is Kind.FRAME and observation:
                observation = replace(observation, robot_s=_robot_s(frame.delays))
                frame.delays = replace(
                    frame.delays,
                    offload=observation.offload_s,
                    transmit=observation.transmit_s,
                    edge_queue=feedback.queue_s,
                    edge_decode=feedback.decode_s,
                    edge_compute=feedback.compute_s,
                    edge_postprocess=feedback.postprocess_s,
                )
            if observation is not None:
                self._policy.observe(observation)
        if on_device is not None:
            robot_s = _robot_s(frame.delays)
            self._policy.observe(Observation(on_device, frame.sequence, Kind.FRAME, math.nan, robot_s=robot_s))

    def _send_sample(self, frame: _Frame, arm: int, tensors: Sequence[torch.Tensor]) -> None:
        """Send tensors that the front-end computed on its way, if no frame is on the link."""
        if self._uplink.obstacle() or self.conversation.fills_link():
            return
        request = self._request(frame, Kind.SAMPLE, int(self.table.point[arm]), self._encode(arm, tensors))
        self.conversation.send(request, arm)

    def _send_probe(self, frame: _Frame, choice: Choice) -> None:
        """Send some bytes to measure the link, if no frame is on it."""
        if not choice.probe_bytes or self._uplink.obstacle() or self.conversation.fills_link():
            return
        data = self._probe.data[: min(choice.probe_bytes, MAX_PROBE_BYTES)]
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(data.nbytes,), codec="uint8", data=data)
        self.conversation.send(self._request(frame, Kind.PROBE, 0, (probe,)), -1)

    def _encode(self, arm: int, tensors: Sequence[torch.Tensor]) -> tuple[EncodedTensor, ...]:
        codec = get_codec(self.table.arms[arm].codec)
        specs = self._engine.partitioned.points[int(self.table.point[arm])].tensors
        return tuple(codec.encode(tensor, spec) for tensor, spec in zip(tensors, specs, strict=True))

    def _request(self, frame: _Frame, kind: Kind, p: int, tensors: tuple[EncodedTensor, ...]) -> Request:
        return Request(
            key=Key(self._identity.robot_id, self._identity.session, frame.sequence, kind),
            header=frame.arrival.header,
            fingerprint=self._engine.fingerprint,
            partition_point=p,
            tensors=tensors,
            letterbox=None if kind is Kind.PROBE else frame.letterbox,
            confidence=frame.settings.confidence,
            iou=frame.settings.iou,
            deadline_s=max(0.001, frame.accepted_s + frame.deadline_s - self._clock()) if kind is Kind.FRAME else 0.0,
        )

    def _decision(
        self, frame: _Frame, choice: Choice, context: Context, outcome: Outcome, detections: int, counts: Counts
    ) -> Decision:
        arms = self.table.arms
        predicted_robot_s = choice.predicted_robot_s
        if math.isnan(predicted_robot_s):
            predicted_robot_s = float(context.robot_s[choice.arm])
        return Decision(
            header=frame.arrival.header,
            sequence=frame.sequence,
            policy=self._policy_name,
            arm=arms[choice.arm].name,
            partition_point=arms[choice.arm].point,
            key_frame=frame.key_frame.key,
            similarity=frame.key_frame.similarity,
            forced=choice.forced,
            predicted_robot_s=predicted_robot_s,
            predicted_offload_s=choice.predicted_offload_s if choice.arm != context.on_device else math.nan,
            delays=frame.delays,
            outcome=outcome,
            detections=detections,
            counts=counts,
            sent_bytes=frame.sent_bytes,
            reason=frame.reason,
            sample_arm="" if choice.sample_arm is None else arms[choice.sample_arm].name,
            probe_bytes=choice.probe_bytes,
        )

    def _derived_deadline_s(self) -> float:
        return max(self._period_s, DEADLINE_FACTOR * float(self.table.robot_s[self.table.on_device]))

    def _track_period(self, received_s: float) -> None:
        gap_s = received_s - self._last_received_s
        self._last_received_s = received_s
        if gap_s > 0.0:
            self._period_s = gap_s if self._period_s == 0.0 else self._period_s + NEWEST * (gap_s - self._period_s)

    def _track_arm(self, arm: int, encode_s: float, sent_bytes: int) -> None:
        """Keep running means of what an arm's tensors weigh and of how much longer than calibrated encoding takes."""
        self._features[arm, PSI] += NEWEST * (sent_bytes - self._features[arm, PSI])
        calibrated_s = float(self.table.calibration.encode_s[arm]) / self._pace.speed
        self._extra_encode_s[arm] += NEWEST * (encode_s - calibrated_s - self._extra_encode_s[arm])


def _robot_s(delays: Delays) -> float:
    """Seconds of the robot's own stages."""
    stages = (delays.preprocess, delays.front_end, delays.encode, delays.finish)
    return math.fsum(stage for stage in stages if not math.isnan(stage))
