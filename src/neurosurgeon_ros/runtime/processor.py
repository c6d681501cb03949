# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One frame's way on the robot: select, front-end, encode, publish, await the answer, or finish it itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.learning.interface import Context, Kind, Observation, Policy
from neurosurgeon_ros.learning.key_frames import KeyFrame, KeyFrameDetector
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.runtime.answers import Answers
from neurosurgeon_ros.runtime.arms import PSI, ArmTable
from neurosurgeon_ros.runtime.breaker import CircuitBreaker
from neurosurgeon_ros.runtime.conversation import Awaited, Conversation, Measured
from neurosurgeon_ros.runtime.decision import (
    Arrival,
    Counts,
    Delays,
    FrameResult,
    Outcome,
    RobotSettings,
    Sink,
    Uplink,
)
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.frame import Flight, Frame, Scoring
from neurosurgeon_ros.runtime.on_robot import OnRobot
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.protocol import Identity, Status
from neurosurgeon_ros.runtime.race import EdgeWasFirst, Race
from neurosurgeon_ros.runtime.running import RunningMeans
from neurosurgeon_ros.runtime.sender import Sender
from neurosurgeon_ros.runtime.strategy import Strategy
from neurosurgeon_ros.runtime.transfers import Transfer

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
        self._engine = engine
        self._key_frames = key_frames
        self._uplink = uplink
        self._answers = Answers(sink, engine)
        self._pace = pace
        self._strategy = Strategy(table, policy, policy_name, RunningMeans(table, pace.speed))
        self.breaker = CircuitBreaker(seed)
        self._replacement: tuple[ArmTable, Policy, str] | None = None
        self._on_robot = OnRobot(engine, pace)
        self._sender = Sender(
            identity=identity,
            engine=engine,
            conversation=self.conversation,
            uplink=uplink,
            breaker=self.breaker,
            pace=pace,
            run_front=self._run_front,
            seed=seed,
            clock=clock,
        )

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
        self.finish(self.begin(arrival, image, counts, accepted_s))

    def begin(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, accepted_s: float) -> Flight:
        """Do what the robot does for a frame before there is an answer; parameters as of :meth:`process`."""
        self._take_replacement()
        strategy = self._strategy
        strategy.running.received(arrival.received_s)
        self._on_robot.came(image.shape)
        strategy.running.saves(self._on_robot.saved_s(strategy.table.calibration) / self._pace.speed)
        settings = self.settings
        shown = strategy.look_at(arrival, image)
        frame = Frame(
            arrival=arrival,
            image=shown,
            sequence=counts.accepted,
            settings=settings,
            deadline_s=settings.deadline_s or strategy.running.deadline_s,
            scoring=Scoring(lambda: self._score(image)),
            letterbox=self._engine.fitted(image.shape),
            delays=Delays(slot=accepted_s - arrival.received_s, preprocess=self.clock() - accepted_s),
            preprocess=lambda: self._preprocess(image),
        )
        context = self._context(frame)
        choice, overruled = strategy.choose(context, received=shown.received is not None)
        frame.reason = frame.reason or overruled
        aside = choice.sample_arm if frame.test_arm is None else frame.test_arm
        flight = Flight(frame, counts, strategy, context, choice, aside)
        if choice.arm != self.table.on_device:
            if not self.table.camera[choice.arm]:
                self._run_front(flight)
            self._sender.send(flight)
            frame.scoring.get()  # there is time for it now
        return flight

    def is_settled(self, flight: Flight, interrupted: Callable[[], bool]) -> bool:
        """
        Wait until :meth:`finish` need not wait for the edge.

        :param interrupted: asked whenever the inbox's bell rings.
        :returns: False if `interrupted` said so first.
        """
        transfer = flight.transfer
        return transfer is None or self.conversation.is_settled(transfer, flight.overdue_s, interrupted)

    def finish(self, flight: Flight) -> None:
        """Hand out a frame's detections once they are there, or find them here; then learn, and decide."""
        frame = flight.frame
        found, outcome = self._run_here(flight) if flight.transfer is None else self._await(flight)
        frame.delays = replace(frame.delays, total=self.clock() - frame.arrival.received_s)
        self._answers.answer(
            FrameResult(
                header=frame.arrival.header,
                sequence=frame.sequence,
                detections=found,
                outcome=outcome,
                arm=flight.strategy.table.arms[flight.choice.arm].name,
                total_s=frame.delays.total,
                image=frame.image.pixels,
            )
        )
        if flight.transfer is not None and outcome is Outcome.EDGE:
            self.conversation.await_feedback(flight.transfer, self.clock() + FEEDBACK_GRACE_S)
        self._learn(frame, flight.choice.arm if outcome is Outcome.ON_DEVICE else None)
        if flight.aside is not None:
            self._sender.send_sample(flight, flight.aside)
        if outcome is not Outcome.ON_DEVICE:
            self._sender.send_probe(flight)
        self._answers.decide(flight.decision(outcome, found, self.breaker.state))

    def prepare(self) -> None:
        """Make ready what the frames to come gain from; it takes some frames' time, so while none waits."""
        self._on_robot.prepare()

    def _preprocess(self, image: NDArray[np.uint8]) -> tuple[torch.Tensor, float]:
        begin = self.clock()
        with self._pace.stage(self.table.calibration.preprocess_s):
            x, _ = self._engine.model.preprocess(image)
        return x, self.clock() - begin

    def _score(self, image: NDArray[np.uint8]) -> KeyFrame:
        with self._pace.stage(self.table.calibration.score_s):
            return self._key_frames.score(image)

    def _take_replacement(self) -> None:
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            self._strategy = self._strategy.followed_by(*replacement)
            self.conversation.disown()

    def rescue(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, reason: str) -> None:
        """
        Give a frame on which :meth:`process` failed what it still lacks: its detections, and its decision.

        :param reason: what failed, in one sentence.
        """
        self.conversation.let_go(counts.accepted)
        self._answers.rescue(
            arrival,
            image,
            counts,
            reason,
            now_s=self.clock(),
            strategy=self._strategy,
            settings=self.settings,
            circuit=self.breaker.state,
        )

    def _context(self, frame: Frame) -> Context:
        self._learn(frame, None)
        obstacle = self._uplink.obstacle()
        if obstacle:
            self.conversation.forget()
            self.breaker.reset()
        link_free = not self.conversation.fills_link(frames=frame.settings.max_in_flight)
        obstacle = obstacle or self._open_circuit(frame, link_free)
        frame.reason = obstacle or ("" if link_free else "an earlier transfer is still under way")
        return self._strategy.context(
            frame=frame.sequence,
            key_frame=frame.scoring,
            deadline_s=frame.deadline_s,
            waited_s=max(0.0, self.clock() - frame.arrival.received_s),
            fidelity_price_s=frame.settings.fidelity_price_s,
            now_s=self.clock(),
            edge_available=not obstacle,
            link_free=link_free,
            link_busy=self.conversation.is_open(),
            received=frame.image.received is not None,
        )

    def _open_circuit(self, frame: Frame, link_free: bool) -> str:
        """Why the edge is not used though it is there, in one sentence; see to it that it is tested when due."""
        breaker, now_s = self.breaker, self.clock()
        if breaker.test is not None and self.conversation.transfers.find(breaker.test) is None:
            breaker.test_failed(now_s)
        if link_free and breaker.is_test_due(now_s):
            offloading = self._strategy.allowed(frame.image.received is not None).copy()
            offloading[self.table.on_device] = False
            if offloading.any():
                sent_bytes = self._strategy.running.features[:, PSI]
                frame.test_arm = int(np.argmin(np.where(offloading, sent_bytes, np.inf)))
        return breaker.obstacle

    def _run_front(self, flight: Flight) -> None:
        """Run the front-end up to the arm's point, once, and keep what goes to the edge beside the frame."""
        if flight.held:
            return
        frame, p, aside = flight.frame, flight.point, flight.aside
        x, table = frame.input(), flight.strategy.table
        keep = [] if aside is None else [int(table.point[aside])]
        begin = self.clock()
        flight.held = self._on_robot.front(x, p, keep, table.calibration)
        if math.isnan(frame.delays.total):
            frame.delays = replace(frame.delays, front_end=self.clock() - begin)

    def _run_here(self, flight: Flight) -> tuple[Detections, Outcome]:
        """Run the whole network on the robot."""
        self._sender.send_probe(flight)
        return self._finish_here(flight), Outcome.ON_DEVICE

    def _await(self, flight: Flight) -> tuple[Detections, Outcome]:
        """Wait for the edge's detections; without them, go on from the tensors here."""
        frame, transfer = flight.frame, flight.transfer
        assert transfer is not None
        awaited, found = self.conversation.await_detections(transfer, flight.overdue_s), None
        if awaited.missed and flight.overdue_s < frame.due_s:
            awaited, found = self._race(flight, transfer)
        if found is None:
            frame.delays = replace(frame.delays, offload=self.clock() - transfer.sent_s)
        if awaited.detections is not None:
            self.breaker.answered(in_time=True)
            return awaited.detections, Outcome.EDGE
        frame.reason = awaited.reason
        if awaited.missed:
            self._missed(flight, transfer)
        return self._finish_here(flight) if found is None else found, Outcome.FALLBACK

    def _race(self, flight: Flight, transfer: Transfer) -> tuple[Awaited, Detections | None]:
        """Finish a frame whose answer is overdue, unless that comes first; gives what came of either."""
        frame, found = flight.frame, None
        until_then = frame.delays
        frame.delays = replace(until_then, offload=self.clock() - transfer.sent_s)
        with suppress(EdgeWasFirst):
            found = self._finish_here(flight, Race(self.conversation, transfer, frame.due_s, self.clock))
        awaited = self.conversation.await_detections(transfer, self.clock())
        if awaited.detections is not None:
            frame.delays, found = until_then, None
        return awaited, found

    def _missed(self, flight: Flight, transfer: Transfer) -> None:
        """Take note of an answer that is not there: its delay is longer than until now."""
        now_s = self.clock()
        if now_s < flight.frame.due_s:
            flight.frame.reason = "the edge's answer was overdue, and the robot was done first"
            self.breaker.frame_unanswered(now_s)
        else:
            self.breaker.frame_failed(now_s)
        flight.strategy.policy.observe(self.conversation.censored(transfer))

    def _finish_here(self, flight: Flight, race: Race | None = None) -> Detections:
        """Run the rest of the network, from p to P, and post-processing on the robot."""
        self._run_front(flight)
        frame, p, calibration = flight.frame, flight.point, flight.strategy.table.calibration
        begin = self.clock()

        def detect(outputs: object) -> Detections:
            return self._engine.model.postprocess(
                outputs, frame.letterbox, confidence=frame.settings.confidence, iou=frame.settings.iou
            )

        detections = self._on_robot.rest(flight.held[p], p, calibration, detect, race)
        frame.delays = replace(frame.delays, finish=self.clock() - begin)
        return detections

    def _learn(self, frame: Frame, on_device: int | None) -> None:
        """Hand the policy whatever has been measured, and this frame's own stages if it ran on the device."""
        for measured in self.conversation.measured(frame.sequence):
            feedback, observation = measured.feedback, measured.observation
            if measured.transfer.key.sequence == frame.sequence and feedback.key.kind is Kind.FRAME and observation:
                observation = replace(observation, robot_s=frame.offloaded_s)
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
            if not refused:
                took_s = math.nan if measured.observation is None else measured.observation.transmit_s
                self.breaker.probe_answered(key, took_s, self.clock())
        elif key == self.breaker.test:
            late = measured.observation is not None and measured.observation.offload_s > frame.deadline_s
            if refused or late:
                self.breaker.test_failed(self.clock())
            else:
                self.breaker.answered(in_time=True)
        elif not refused:
            self.breaker.answered(in_time=False)
        elif key.kind is Kind.FRAME:
            self.breaker.frame_failed(self.clock())
