# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot asks of its edge: a request is published, answers are matched to it by key, and observations made."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import Context, Observation
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key, Kind, Request, Status
from neurosurgeon_ros.robot.uplink.inbox import Answer, Inbox
from neurosurgeon_ros.robot.uplink.link import Link, Obstacle, ObstacleKind
from neurosurgeon_ros.robot.uplink.outstanding import SHORTEST_S, OutstandingRequest, OutstandingRequests

_STOPPING = Obstacle(ObstacleKind.STOPPING, "the robot is being stopped")


@dataclass(frozen=True, slots=True, eq=False)
class Awaited:
    """
    How waiting for a frame's detections ended.

    :param detections: None if there are none.
    :param reason: why there are none, in one sentence.
    :param missed: the deadline came first, which bounds the delay from below.
    """

    detections: Detections | None = None
    reason: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """
    One answered request.

    :param observation: what the policy may learn from it; None if the edge refused it, or another policy chose it.
    """

    request: OutstandingRequest
    feedback: Feedback
    observation: Observation | None


class Requests:
    """
    Owned by the robot's worker, but for the inbox, into which other threads put.

    :ivar strays: answers that matched no outstanding request, or came twice.
    """

    def __init__(self, link: Link, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.inbox = Inbox(clock)
        self.strays = 0
        self._outstanding = OutstandingRequests()
        self._answered: list[OutstandingRequest] = []
        self._link = link
        self._clock = clock
        self._closed = False

    def send(
        self,
        request: Request,
        arm: int,
        context: Context | None,
        *,
        give_up_s: float = SHORTEST_S,
        is_awaited: bool = False,
    ) -> OutstandingRequest:
        """
        Publish a request.

        :param arm: -1 for a probe or a test, of which the policy learns what the link took for so many bytes.
        :param context: what the policy knew when it chose.
        :param give_up_s: the request is not given up sooner than after so many seconds.
        :param is_awaited: its detections are going to be waited for, and what it teaches is left until then.
        """
        outstanding = OutstandingRequest(
            key=request.key,
            arm=arm,
            context=context,
            sent_s=self._clock(),
            sent_bytes=request.payload_bytes,
            give_up_s=give_up_s,
            is_awaited=is_awaited,
        )
        self._outstanding.add(outstanding)
        self._link.publish(request)
        return outstanding

    def close(self) -> None:
        """End every wait for an answer from now on; called from any thread."""
        self._closed = True
        self.inbox.ring()

    # Waiting for one frame's answer.

    def await_detections(self, request: OutstandingRequest, until_s: float) -> Awaited:
        """
        Wait for the detections of a frame, until they or a refusal come, the edge is gone, or it is too late.

        :param until_s: the deadline on the clock.
        """
        self.is_settled(request, until_s, lambda: False)
        request.is_awaited = False
        return self._outcome(request, until_s) or Awaited(reason="the edge did not answer by the deadline")

    def is_answered(self, request: OutstandingRequest, until_s: float = 0.0) -> bool:
        """
        Whether a frame's detections are there.

        :param until_s: wait for them until then, on the clock.
        """
        self._match(0.0)
        while request.detections is None and self._clock() < until_s:
            self._match(until_s)
        return request.detections is not None

    def is_settled(self, request: OutstandingRequest, until_s: float, interrupted: Callable[[], bool]) -> bool:
        """
        Wait until a frame need not be waited for any more, as :meth:`await_detections`.

        :param interrupted: asked whenever the inbox's bell rings.
        :returns: False if `interrupted` said so first.
        """
        self._match(0.0)
        while self._outcome(request, until_s) is None:
            if interrupted():
                return False
            self._match(until_s)
        return True

    def await_feedback(self, request: OutstandingRequest, until_s: float) -> None:
        """Wait for the feedback of a frame whose detections are there, or until `until_s`."""
        while request.feedback is None and self._clock() < until_s:
            if self._closed or self._link.obstacle():
                return
            self._match(until_s)

    def _outcome(self, request: OutstandingRequest, until_s: float) -> Awaited | None:
        """Return how the wait has ended; None while there is reason to wait."""
        if request.detections is not None:
            return Awaited(request.detections)
        feedback = request.feedback
        if feedback is not None and feedback.status is not Status.OK:
            return Awaited(reason=feedback.error or f"the edge refused the request ({feedback.status.name.lower()})")
        obstacle = _STOPPING if self._closed else self._link.obstacle()
        if obstacle is not None:
            return Awaited(reason=obstacle.text)
        if self._clock() >= until_s:
            return Awaited(reason="the edge did not answer by the deadline", missed=True)
        return None

    # Learning from answers.

    def take_measured(self) -> list[Measured]:
        """Remove and return the requests answered since the last call, except frames that are still waited for."""
        self._match(0.0)
        ready = [request for request in self._answered if not request.is_awaited]
        self._answered = [
            request for request in self._answered if request.is_awaited and self.is_outstanding(request.key)
        ]
        return [self._measure(request) for request in ready if self.is_outstanding(request.key)]

    def _measure(self, request: OutstandingRequest) -> Measured:
        """
        Make the observation of an answered request.

        Where a frame was sent behind another of ours, the time for which that one held the link and the edge is no
        delay of the link's and the edge's, and is left out.
        """
        feedback = request.feedback
        assert feedback is not None
        if feedback.status is not Status.OK:
            self._outstanding.remove(request)
            return Measured(request, feedback, None)
        request.answered_s = request.feedback_s if request.detections is None else request.detections_s
        request.reached_s = request.answered_s - feedback.edge_s
        begin_s, queue_s, overlapped = request.sent_s, feedback.queue_s, request.overlapped
        before = request.behind
        if before is not None and math.isnan(before.reached_s):
            overlapped = True
        elif before is not None:
            begin_s = min(max(begin_s, before.reached_s), request.reached_s)
            queue_s -= min(queue_s, max(0.0, before.answered_s - request.reached_s))
        transmit_s = max(0.0, request.reached_s - begin_s)
        self._outstanding.answered(request, transmit_s)
        if request.is_disowned:
            return Measured(request, feedback, None)
        observation = Observation(
            arm=request.arm,
            sequence=request.key.sequence,
            kind=request.key.kind if request.arm >= 0 else Kind.PROBE,
            offload_s=request.answered_s - begin_s - (feedback.queue_s - queue_s),
            transmit_s=transmit_s,
            queue_s=queue_s,
            decode_s=feedback.decode_s,
            compute_s=feedback.compute_s + feedback.postprocess_s,
            overlapped=overlapped,
            sent_bytes=request.sent_bytes,
        )
        return Measured(request, feedback, observation)

    def censored(self, request: OutstandingRequest) -> Observation:
        """Return what a missed deadline tells: the delay was at least that long."""
        return Observation(
            arm=request.arm,
            sequence=request.key.sequence,
            kind=Kind.FRAME,
            offload_s=self._clock() - request.sent_s,
            censored=True,
            overlapped=request.overlapped,
            sent_bytes=request.sent_bytes,
        )

    # What is under way.

    def is_outstanding(self, key: Key) -> bool:
        """Whether a request is neither learnt from nor given up."""
        return self._outstanding.find(key) is not None

    def fills_link(self, *, frames: int = 1) -> bool:
        """Whether earlier requests are under way that could still fill the link, as so many frames do."""
        return self._outstanding.fills_link(self._clock(), frames=frames)

    def is_open(self) -> bool:
        """Whether anything is under way."""
        return bool(self._outstanding.under_way(self._clock()))

    def release(self, sequence: int) -> None:
        """Wait no more for a frame that has failed on the robot; its answer is still learnt from."""
        for request in self._outstanding.under_way(self._clock()):
            if request.key.sequence == sequence:
                request.is_awaited = False

    def disown(self) -> None:
        """Discard what outstanding requests would teach: the policy that chose them is replaced."""
        self._outstanding.disown()

    def forget(self) -> None:
        """Return up on everything that was asked: the edge is gone."""
        self._outstanding.clear()
        self._answered.clear()

    def _match(self, until_s: float) -> None:
        """Match the answers in the inbox to outstanding requests, one of each kind per request."""
        for answer in self.inbox.take(until_s):
            if not self._keep(answer):
                self.strays += 1

    def _keep(self, answer: Answer) -> bool:
        request = self._outstanding.find(answer.key)
        if request is None:
            return False
        if answer.feedback is not None and request.feedback is None:
            request.feedback, request.feedback_s = answer.feedback, answer.received_s
            self._answered.append(request)
            return True
        if answer.detections is not None and answer.key.kind is Kind.FRAME and request.detections is None:
            request.detections, request.detections_s = answer.detections, answer.received_s
            return True
        return False
