# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detections of a frame: received from the edge, or computed on the robot from the tensors that it still holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.local_inference import LocalInference
from neurosurgeon_ros.robot.uplink.hedge import EdgeAnsweredFirst, Hedge
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.requests import Awaited


class Finisher:
    """Gets the detections of each frame. Used only by the robot's worker thread."""

    def __init__(self, engine: Engine, local: LocalInference, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._local = local
        self._clock = clock

    def is_settled(self, flight: Flight, interrupted: Callable[[], bool]) -> bool:
        """
        Wait until :meth:`find` no longer has to wait for the edge.

        :param interrupted: called whenever the inbox's bell rings; True ends the wait.
        :returns: False if `interrupted` ended the wait.
        """
        request, requests = flight.request, flight.route.uplink.requests
        return request is None or requests.is_settled(request, flight.overdue_s, interrupted)

    def find(self, flight: Flight) -> tuple[Detections, Outcome]:
        """Return a frame's detections and their source."""
        if flight.request is None:
            return self._finish_here(flight), Outcome.ON_DEVICE
        return self._await(flight, flight.request)

    def _await(self, flight: Flight, request: OutstandingRequest) -> tuple[Detections, Outcome]:
        """Wait for the edge's detections. If they do not arrive, continue from the tensors on the robot."""
        frame, uplink, found = flight.frame, flight.route.uplink, None
        awaited = uplink.requests.await_detections(request, flight.overdue_s)
        if awaited.missed and flight.overdue_s < frame.due_s:
            awaited, found = self._hedge(flight, request)
        if found is None:
            frame.delays = replace(frame.delays, offload=self._clock() - request.sent_s)
        if awaited.detections is not None:
            uplink.breaker.answered(in_time=True)
            return awaited.detections, Outcome.EDGE
        frame.reason = awaited.reason
        if awaited.missed:
            self._record_missed(flight, request)
        return self._finish_here(flight) if found is None else found, Outcome.FALLBACK

    def _hedge(self, flight: Flight, request: OutstandingRequest) -> tuple[Awaited, Detections | None]:
        """
        Finish a frame whose answer is overdue, unless the answer arrives first.

        :returns: the result of the wait, and the robot's own detections if the edge did not answer.
        """
        frame, requests, found = flight.frame, flight.route.uplink.requests, None
        before = frame.delays
        frame.delays = replace(before, offload=self._clock() - request.sent_s)
        with suppress(EdgeAnsweredFirst):
            found = self._finish_here(flight, Hedge(requests, request, frame.due_s, self._clock))
        awaited = requests.await_detections(request, self._clock())
        if awaited.detections is not None:
            frame.delays, found = before, None
        return awaited, found

    def _record_missed(self, flight: Flight, request: OutstandingRequest) -> None:
        """Tell the breaker and the policy that the answer is missing: its delay is at least this long."""
        now_s, uplink = self._clock(), flight.route.uplink
        if now_s < flight.frame.due_s:
            flight.frame.reason = "the edge's answer was overdue, and the robot was done first"
            uplink.breaker.frame_unanswered(now_s)
        else:
            uplink.breaker.frame_failed(now_s)
        flight.selector.policy.observe(uplink.requests.censored(request), flight.context)

    def _finish_here(self, flight: Flight, hedge: Hedge | None = None) -> Detections:
        """Run the rest of the network, from p to P, and post-processing on the robot."""
        frame, p, profile = flight.frame, flight.point, flight.selector.table.profile
        tensors = flight.tensors(p, self._local, self._clock)
        begin_s = self._clock()

        def detect(outputs: object) -> Detections:
            return self._engine.model.postprocess(
                outputs, frame.letterbox, confidence=frame.settings.confidence, iou=frame.settings.iou
            )

        detections = self._local.run_rest(tensors, p, profile, detect, hedge)
        frame.delays = replace(frame.delays, finish=self._clock() - begin_s)
        return detections
