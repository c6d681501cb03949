# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One frame's way on the robot: score, select, front-end, encode, publish, await the answer, or finish it itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation, Policy
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.runtime.arms import PSI, ArmTable
from neurosurgeon_ros.runtime.breaker import TEST_PATIENCE_S, CircuitBreaker
from neurosurgeon_ros.runtime.conversation import Conversation, Measured
from neurosurgeon_ros.runtime.decision import (
    Arrival,
    Counts,
    Decision,
    Delays,
    FrameResult,
    Outcome,
    RobotSettings,
    Sink,
    Uplink,
)
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.frame import Frame
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.protocol import Identity, Key, Request, Status
from neurosurgeon_ros.runtime.running import RunningMeans
from neurosurgeon_ros.runtime.strategy import Strategy
from neurosurgeon_ros.runtime.transfers import Transfer
from neurosurgeon_ros.runtime.validation import MAX_PROBE_BYTES

#: Seconds for which a decision waits for the delay feedback of a frame whose detections are out.
FEEDBACK_GRACE_S = 0.05


class FrameProcessor:
    """
    Takes one accepted frame after the other to its detections.

    Owned by one thread, but for `settings`, :meth:`replace`, and the conversation's inbox.

    :param policy_name: the policy's registered name, for the decisions.
    :param seed: of the probes' bytes and the breaker's jitter.

    :ivar breaker: keeps frames from an edge that does not answer; other threads may read its state.
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
        self.clock = clock
        self.conversation = Conversation(uplink, clock=clock)
        self._identity = identity
        self._engine = engine
        self._key_frames = key_frames
        self._uplink = uplink
        self._sink = sink
        self._pace = pace
        self._probe = np.random.default_rng(seed).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)
        self._strategy = Strategy(table, policy, policy_name, RunningMeans(table, pace.speed))
        self.breaker = CircuitBreaker(seed)
        self._replacement: tuple[ArmTable, Policy, str] | None = None
        self._answered: FrameResult | None = None
        self._decided = 0

    @property
    def table(self) -> ArmTable:
        """The arms that are chosen among now."""
        return self._strategy.table

    @property
    def policy(self) -> Policy:
        """The policy that chooses now."""
        return self._strategy.policy

    def replace(self, table: ArmTable, policy: Policy, policy_name: str) -> None:
        """
        Choose by another policy, among other arms, from the next frame on; called from any thread.

        The frame that is being worked on comes out as it was begun, and its policy is told no more once the next one
        begins: what is still under way then is answered to nobody. Of several calls between two frames the last holds.

        :param table: of the same network; the policy was made for its arms.
        :param policy_name: the policy's registered name, for the decisions.
        """
        self._replacement = (table, policy, policy_name)

    def process(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, accepted_s: float) -> None:
        """
        Take a frame to its one detections message, and its decision.

        :param image: BGR, uint8, shape (h, w, 3).
        :param counts: images so far, this one included; its number is ``counts.accepted``.
        :param accepted_s: when it was taken out of the slot, on the clock.
        """
        self._take_replacement()
        self._strategy.running.received(arrival.received_s)
        settings = self.settings
        with self._pace.stage(self.table.calibration.preprocess_s):
            key_frame = self._key_frames.score(image)
            x, letterbox = self._engine.model.preprocess(image)
        frame = Frame(
            arrival=arrival,
            image=image,
            sequence=counts.accepted,
            settings=settings,
            deadline_s=settings.deadline_s or self._strategy.running.deadline_s,
            key_frame=key_frame,
            x=x,
            letterbox=letterbox,
            delays=Delays(slot=accepted_s - arrival.received_s, preprocess=self.clock() - accepted_s),
            received=self._strategy.received(arrival, letterbox),
        )
        self._work(frame, counts)

    def _take_replacement(self) -> None:
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            self._strategy = self._strategy.followed_by(*replacement)
            self.conversation.disown()

    def rescue(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, reason: str) -> None:
        """
        Give a frame on which :meth:`process` failed what it still lacks.

        That is its detections, by the whole network here or, if that fails too, none; and its decision.

        :param reason: what failed, in one sentence.
        """
        result = self._answered
        if result is None or result.sequence != counts.accepted:
            result, reason = self._answer_somehow(arrival, image, counts, reason)
        if self._decided == counts.accepted:
            return
        self._decide(
            Decision(
                header=arrival.header,
                sequence=counts.accepted,
                policy=self._strategy.policy_name,
                arm=result.arm,
                partition_point=self.table.arms[self.table.index(result.arm)].point,
                key_frame=False,
                similarity=0.0,
                forced=False,
                predicted_robot_s=math.nan,
                predicted_offload_s=math.nan,
                delays=Delays(total=result.total_s),
                outcome=result.outcome,
                detections=len(result.detections),
                counts=counts,
                reason=reason,
                circuit=self.breaker.state,
            )
        )

    def _answer_somehow(
        self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, reason: str
    ) -> tuple[FrameResult, str]:
        try:
            x, letterbox = self._engine.model.preprocess(image)
            outputs = self._engine.partitioned.run_whole(x)
            detections = self._engine.model.postprocess(
                outputs, letterbox, confidence=self.settings.confidence, iou=self.settings.iou
            )
        except Exception as problem:  # the network itself fails on this image
            detections = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
            reason = f"{reason}; then the whole network failed: {type(problem).__name__}: {problem}"
        result = FrameResult(
            header=arrival.header,
            sequence=counts.accepted,
            detections=detections,
            outcome=Outcome.FALLBACK,
            arm=self.table.arms[self.table.on_device].name,
            total_s=self.clock() - arrival.received_s,
            image=image,
        )
        self._answer(result)
        return result, reason

    def _answer(self, result: FrameResult) -> None:
        self._answered = result
        self._sink.detections(result)

    def _decide(self, decision: Decision) -> None:
        self._decided = decision.sequence
        self._sink.decision(decision)

    def _work(self, frame: Frame, counts: Counts) -> None:
        context = self._context(frame)
        choice, overruled = self._strategy.choose(context, received=frame.received is not None)
        frame.reason = frame.reason or overruled
        p = int(self.table.point[choice.arm])
        on_device = choice.arm == self.table.on_device
        if on_device:
            self._send_probe(frame, choice)
        begin = self.clock()
        aside = choice.sample_arm if frame.test_arm is None else frame.test_arm
        keep = [] if aside is None else [int(self.table.point[aside])]
        with self._pace.stage(float(self.table.calibration.front_s[p])):
            held = self._engine.partitioned.run_front(frame.x, p, keep=keep)
        frame.delays = replace(frame.delays, front_end=self.clock() - begin)

        transfer = None
        if on_device:
            detections, outcome = self._finish(frame, held[p], p), Outcome.ON_DEVICE
        else:
            transfer, detections, outcome = self._offload(frame, choice.arm, held[p], p)
        frame.delays = replace(frame.delays, total=self.clock() - frame.arrival.received_s)
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
            self.conversation.await_feedback(transfer, self.clock() + FEEDBACK_GRACE_S)
        self._learn(frame, choice.arm if on_device else None)
        if aside is not None:
            self._send_sample(frame, aside, held[keep[0]])
        if not on_device:
            self._send_probe(frame, choice)
        self._decide(
            frame.decision(self._strategy, choice, context, outcome, len(detections), counts, self.breaker.state)
        )

    def _context(self, frame: Frame) -> Context:
        self._learn(frame, None)
        obstacle = self._uplink.obstacle()
        if obstacle:
            self.conversation.forget()
            self.breaker.reset()
        link_free = not self.conversation.fills_link()
        obstacle = obstacle or self._open_circuit(frame, link_free)
        frame.reason = obstacle or ("" if link_free else "an earlier transfer is still under way")
        return self._strategy.context(
            frame=frame.sequence,
            key_frame=frame.key_frame,
            deadline_s=frame.deadline_s,
            fidelity_price_s=frame.settings.fidelity_price_s,
            now_s=self.clock(),
            edge_available=not obstacle,
            link_free=link_free,
            link_busy=self.conversation.is_open(),
            received=frame.received is not None,
        )

    def _open_circuit(self, frame: Frame, link_free: bool) -> str:
        """Why the edge is not used though it is there, in one sentence; see to it that it is tested when due."""
        breaker, now_s = self.breaker, self.clock()
        if breaker.test is not None and self.conversation.transfers.find(breaker.test) is None:
            breaker.test_failed(now_s)
        if link_free and breaker.is_test_due(now_s):
            offloading = self._strategy.allowed(frame.received is not None).copy()
            offloading[self.table.on_device] = False
            if offloading.any():
                sent_bytes = self._strategy.running.features[:, PSI]
                frame.test_arm = int(np.argmin(np.where(offloading, sent_bytes, np.inf)))
        return breaker.obstacle

    def _offload(
        self, frame: Frame, arm: int, tensors: Sequence[torch.Tensor], p: int
    ) -> tuple[Transfer, Detections, Outcome]:
        """Send the tensors and wait for the detections; without them, go on from the tensors here."""
        begin = self.clock()
        with self._pace.stage(float(self.table.calibration.encode_s[arm])):
            encoded = self._engine.encode(self.table.arms[arm], tensors, received=frame.received)
        encode_s = self.clock() - begin
        transfer = self.conversation.send(self._request(frame, Kind.FRAME, p, encoded), arm)
        awaited = self.conversation.await_detections(transfer, frame.due_s)
        frame.sent_bytes = transfer.sent_bytes
        frame.delays = replace(frame.delays, encode=encode_s, offload=self.clock() - transfer.sent_s)
        if arm != self.table.as_received:  # what comes in weighs the same, whether it is sent or not
            self._strategy.running.encoded(arm, encode_s, transfer.sent_bytes)
        if awaited.detections is not None:
            self.breaker.answered(in_time=True)
            return transfer, awaited.detections, Outcome.EDGE
        frame.reason = awaited.reason
        if awaited.missed:
            self.breaker.frame_failed(self.clock())
            self.policy.observe(self.conversation.censored(transfer))
        return transfer, self._finish(frame, tensors, p), Outcome.FALLBACK

    def _finish(self, frame: Frame, tensors: Sequence[torch.Tensor], p: int) -> Detections:
        """Run the rest of the network, from p to P, and post-processing on the robot."""
        begin = self.clock()
        calibration = self.table.calibration
        with self._pace.stage(float(calibration.front_s[-1] - calibration.front_s[p]) + calibration.postprocess_s):
            outputs = self._engine.partitioned.run_back(tensors, p)
            detections = self._engine.model.postprocess(
                outputs, frame.letterbox, confidence=frame.settings.confidence, iou=frame.settings.iou
            )
        frame.delays = replace(frame.delays, finish=self.clock() - begin)
        return detections

    def _learn(self, frame: Frame, on_device: int | None) -> None:
        """Hand the policy whatever has been measured, and this frame's own stages if it ran on the device."""
        for measured in self.conversation.measured(frame.sequence):
            feedback, observation = measured.feedback, measured.observation
            if measured.transfer.key.sequence == frame.sequence and feedback.key.kind is Kind.FRAME and observation:
                observation = replace(observation, robot_s=frame.delays.robot_s)
                frame.delays = replace(
                    frame.delays,
                    offload=observation.offload_s,
                    transmit=observation.transmit_s,
                    edge_queue=feedback.queue_s,
                    edge_decode=feedback.decode_s,
                    edge_compute=feedback.compute_s,
                    edge_postprocess=feedback.postprocess_s,
                )
            self._judge(frame, measured)
            if observation is not None:
                self.policy.observe(observation)
        if on_device is not None:
            self.policy.observe(
                Observation(on_device, frame.sequence, Kind.FRAME, math.nan, robot_s=frame.delays.robot_s)
            )

    def _judge(self, frame: Frame, measured: Measured) -> None:
        """Let the breaker know what an answer tells of the edge, if a back-end was to give it."""
        key, refused = measured.transfer.key, measured.feedback.status is not Status.OK
        if key.kind is Kind.PROBE:
            return
        if key == self.breaker.test:
            late = measured.observation is not None and measured.observation.offload_s > frame.deadline_s
            if refused or late:
                self.breaker.test_failed(self.clock())
            else:
                self.breaker.answered(in_time=True)
        elif not refused:
            self.breaker.answered(in_time=False)
        elif key.kind is Kind.FRAME:
            self.breaker.frame_failed(self.clock())

    def _send_sample(self, frame: Frame, arm: int, tensors: Sequence[torch.Tensor]) -> None:
        """Send tensors that the front-end computed on its way, as a sample or a test, if no frame is on the link."""
        testing = arm == frame.test_arm
        if self._uplink.obstacle() or self.conversation.fills_link() or (self.breaker.obstacle and not testing):
            return
        encoded = self._engine.encode(self.table.arms[arm], tensors, received=frame.received)
        request = self._request(frame, Kind.SAMPLE, int(self.table.point[arm]), encoded)
        if testing:
            self.conversation.send(request, -1, patience_s=TEST_PATIENCE_S)
            self.breaker.test_sent(request.key)
        else:
            self.conversation.send(request, arm)
        frame.sample_arm = self.table.arms[arm].name

    def _send_probe(self, frame: Frame, choice: Choice) -> None:
        """Send some bytes to measure the link, if no frame is on it."""
        if not choice.probe_bytes or self._uplink.obstacle() or self.breaker.obstacle or self.conversation.fills_link():
            return
        data = self._probe.data[: min(choice.probe_bytes, MAX_PROBE_BYTES)]
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(data.nbytes,), codec="uint8", data=data)
        self.conversation.send(self._request(frame, Kind.PROBE, 0, (probe,)), -1)
        frame.probe_bytes = data.nbytes

    def _request(self, frame: Frame, kind: Kind, p: int, tensors: tuple[EncodedTensor, ...]) -> Request:
        return Request(
            key=Key(self._identity.robot_id, self._identity.session, frame.sequence, kind),
            header=frame.arrival.header,
            fingerprint=self._engine.fingerprint,
            partition_point=p,
            tensors=tensors,
            letterbox=None if kind is Kind.PROBE else frame.letterbox,
            confidence=frame.settings.confidence,
            iou=frame.settings.iou,
            deadline_s=max(0.001, frame.due_s - self.clock()) if kind is Kind.FRAME else 0.0,
        )
