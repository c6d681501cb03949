# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Processing of one frame on the robot: choose an arm, send, wait for the answer or finish locally, deliver, learn.

:meth:`FrameProcessor.begin` and :meth:`FrameProcessor.finish` are the two halves. Other frames may begin between them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.learning.interface import Choice, Observation, Policy
from neurosurgeon_ros.learning.key_frames import KeyFrame, KeyFrameDetector
from neurosurgeon_ros.protocol.requests import Identity, Kind
from neurosurgeon_ros.robot.arm_statistics import ArmStatistics
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import Delays, FrameResult, Outcome, RobotSettings, Sink
from neurosurgeon_ros.robot.edges.edges import Edges, PolicyFactory
from neurosurgeon_ros.robot.edges.route import Route
from neurosurgeon_ros.robot.finisher import Finisher
from neurosurgeon_ros.robot.frame import Flight, Frame, Scoring
from neurosurgeon_ros.robot.local_inference import LocalInference
from neurosurgeon_ros.robot.results import ResultDelivery
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.sender import Sender
from neurosurgeon_ros.robot.streams.streams import RobotStreams
from neurosurgeon_ros.robot.uplink.link import Link
from neurosurgeon_ros.robot.uplink.uplink import Availability, EdgeUplink

#: Seconds that a decision waits for the delay feedback of a frame whose detections are published.
FEEDBACK_GRACE_S = 0.05


class FrameProcessor:
    """
    Processes accepted frames one after another, up to their detections.

    Owned by one thread, except `settings`, :meth:`replace`, and the uplink's inbox.

    :param policy_name: the policy's registered name, reported in decisions.
    :param link: link to the first edge; :attr:`edges` takes further ones.
    :param make_policy: makes the policies of further edges; None: there are none.
    :param seed: seed of the probes' bytes and of everything that is drawn at random.

    :ivar edges: the edges that frames may go to.
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
        link: Link,
        sink: Sink,
        settings: RobotSettings,
        throttle: Throttle,
        make_policy: PolicyFactory | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._engine = engine
        self._key_frames = key_frames
        self._results = ResultDelivery(sink, engine)
        self._throttle = throttle
        self._local = LocalInference(engine, throttle)
        self._sender = Sender(engine, self._local, throttle=throttle, clock=clock)
        self.edges = Edges(
            link,
            ArmSelector(table, policy, policy_name, ArmStatistics(table, throttle.speed)),
            identity=identity,
            engine=engine,
            make_policy=make_policy,
            sender=self._sender,
            seed=seed,
            clock=clock,
        )
        self._finisher = Finisher(engine, self._local, clock=clock)

    @property
    def uplink(self) -> EdgeUplink:
        """Return the uplink to the edge that frames go to."""
        return self.edges.used.uplink

    @property
    def streams(self) -> RobotStreams:
        """Return the streams to this edge; other threads may read their counts."""
        return self.edges.used.streams

    @property
    def _selector(self) -> ArmSelector:
        return self.edges.used.selector

    @property
    def table(self) -> ArmTable:
        """Return the current arm table."""
        return self._selector.table

    @property
    def rate_hz(self) -> float:
        """Return the camera's images per second; 0 until two frames have been accepted."""
        period_s = self._selector.statistics.period_s
        return 1.0 / period_s if period_s > 0.0 else 0.0

    @property
    def policy(self) -> Policy:
        """Return the current policy."""
        return self._selector.policy

    def replace(self, table: ArmTable, policy: Policy, policy_name: str) -> None:
        """
        Switch to another policy and other arms from the next frame on. Safe to call from any thread.

        Frames that have started finish with their own policy and arms. Once the next frame starts, the old policy is
        not updated: no policy learns from requests that are still outstanding then. If this is called several times
        between two frames, the last call applies.

        :param table: arm table of the same network; the policy was made for its arms.
        :param policy_name: the policy's registered name, reported in decisions.
        """
        self.edges.replace(table, policy, policy_name)

    # Begin: choose an arm, and send.

    def begin(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, accepted_s: float) -> Flight:
        """
        Process a frame up to the point where the robot waits for an answer.

        :param image: BGR, uint8, shape (h, w, 3).
        :param counts: images so far, including this one; the frame's number is ``counts.accepted``.
        :param accepted_s: clock time when the frame was taken from the slot.
        """
        self.edges.take_changes()
        frame = self._accept(arrival, image, counts, accepted_s)
        self._learn(frame, None)
        route, available = self.edges.choose(max_in_flight=frame.settings.max_in_flight)
        frame.reason = available.reason
        flight = self._choose(frame, route, available)
        if not flight.is_on_device:
            self._sender.send_frame(flight)
            frame.scoring.get()  # there is time for the score now
        return flight

    def _accept(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, accepted_s: float) -> Frame:
        """Update the camera and image statistics, and make the frame."""
        selector, statistics, settings = self._selector, self._selector.statistics, self.settings
        statistics.record_arrival(arrival.received_s, counts.accepted + counts.dropped + counts.rejected)
        self._local.record_image(image.shape)
        statistics.set_padding_saving(self._local.padding_saving_s(selector.table.profile) / self._throttle.speed)
        return Frame(
            arrival=arrival,
            counts=counts,
            image=selector.camera_image(arrival, image),
            settings=settings,
            deadline_s=settings.deadline_s or statistics.deadline_s,
            scoring=Scoring(lambda: self._score(image)),
            letterbox=self._engine.fitted(image.shape),
            delays=Delays(slot=accepted_s - arrival.received_s, preprocess=self.clock() - accepted_s),
            preprocess=lambda: self._preprocess(image),
        )

    def _choose(self, frame: Frame, route: Route, available: Availability) -> Flight:
        """
        Let the policy choose the frame's arm, and the sample or test to send alongside it.

        A frame beyond the rate that the edge promised is none of the policy's choices, and it stays on the robot.
        """
        selector, has_picture = route.selector, frame.image.is_forwardable
        test_arm = selector.test_arm(has_picture) if available.test_due else None
        context = route.context(frame, available, now_s=self.clock())
        if available.paced:
            return Flight(frame, route, selector, context, Choice(context.on_device, predicted_offload_s=0.0))
        choice, overruled = selector.choose(context, has_picture=has_picture)
        frame.reason = frame.reason or overruled
        sample_arm = choice.sample_arm if test_arm is None else test_arm
        flight = Flight(frame, route, selector, context, choice, sample_arm, is_test=test_arm is not None)
        if available.is_free and not choice.forced:
            self.edges.expect(flight)
        return flight

    def _preprocess(self, image: NDArray[np.uint8]) -> tuple[torch.Tensor, float]:
        begin_s = self.clock()
        with self._throttle.stage(self.table.profile.preprocess_s):
            x, _ = self._engine.model.preprocess(image)
        return x, self.clock() - begin_s

    def _score(self, image: NDArray[np.uint8]) -> KeyFrame:
        with self._throttle.stage(self.table.profile.score_s):
            return self._key_frames.score(image)

    # Finish: get the detections, deliver, learn.

    def is_settled(self, flight: Flight, interrupted: Callable[[], bool]) -> bool:
        """Wait until :meth:`finish` no longer has to wait for the edge; see :meth:`Finisher.is_settled`."""
        return self._finisher.is_settled(flight, interrupted)

    def finish(self, flight: Flight) -> None:
        """Deliver a frame's detections from the edge or from the robot, then learn and publish the decision."""
        frame = flight.frame
        if flight.request is None:
            self._sender.send_probe(flight)  # the probe travels while the network runs on the robot
        found, outcome = self._finisher.find(flight)
        frame.delays = replace(frame.delays, total=self.clock() - frame.arrival.received_s)
        frame.is_out = True
        self._results.deliver(
            FrameResult(
                header=frame.arrival.header,
                sequence=frame.sequence,
                detections=found,
                outcome=outcome,
                arm=flight.selector.table.arms[flight.choice.arm].name,
                total_s=frame.delays.total,
                image=frame.image.pixels,
            )
        )
        if flight.request is not None and outcome is Outcome.EDGE:
            flight.route.uplink.requests.await_feedback(flight.request, self.clock() + FEEDBACK_GRACE_S)
        self._learn(frame, flight)
        if outcome is Outcome.ON_DEVICE:
            self._learn_on_device(flight)
        self._sender.send_sample(flight)
        if outcome is not Outcome.ON_DEVICE:
            self._sender.send_probe(flight)
        self.edges.look(flight)
        self._results.decide(flight.decision(outcome, found, flight.route.uplink.breaker.state))

    def _learn(self, frame: Frame, flight: Flight | None) -> None:
        """
        Let the policy learn from every answer received so far.

        :param frame: the current frame.
        :param flight: the current frame's flight, if its arm is chosen.
        """
        for route, measured in self.edges.take_measured(frame.deadline_s):
            feedback, observation, request = measured.feedback, measured.observation, measured.request
            if observation is None:
                continue
            if flight is not None and request is flight.request:
                observation = replace(observation, robot_s=flight.offloaded_s)
                frame.delays = replace(
                    frame.delays,
                    offload=observation.offload_s,
                    transmit=observation.transmit_s,
                    edge_queue=feedback.queue_s,
                    edge_decode=feedback.decode_s,
                    edge_compute=feedback.compute_s,
                    edge_postprocess=feedback.postprocess_s,
                )
            if request.context is not None:
                route.selector.policy.observe(observation, request.context)

    def _learn_on_device(self, flight: Flight) -> None:
        """Let the policy learn the robot's delay of a frame that ran on the device by choice."""
        frame, arm = flight.frame, flight.choice.arm
        if flight.selector is flight.route.selector:
            seen = Observation(arm, frame.sequence, Kind.FRAME, math.nan, robot_s=frame.delays.robot_s)
            flight.selector.policy.observe(seen, flight.context)

    # Error handling, and work for idle time.

    def rescue(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, reason: str) -> None:
        """
        Deliver the missing results of a frame for which :meth:`begin` or :meth:`finish` failed.

        :param reason: what failed, in one sentence.
        """
        for route in self.edges.routes:
            route.uplink.requests.release(counts.accepted)
        self._results.rescue(
            arrival,
            image,
            counts,
            reason,
            now_s=self.clock(),
            selector=self._selector,
            settings=self.settings,
            circuit=self.uplink.breaker.state,
        )

    def prepare(self) -> None:
        """Prepare optimisations for later frames. Call this when no frame waits: it takes several frames' time."""
        self._local.prepare()
