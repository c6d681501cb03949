# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's requests to its edge: publishes them, matches answers to them by key, and makes observations."""

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
    Result of waiting for a frame's detections.

    :param detections: None if there are none.
    :param reason: why there are none, in one sentence.
    :param missed: whether the deadline passed first, which is a lower bound of the delay.
    """

    detections: Detections | None = None
    reason: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """
    One answered request.

    :param observation: observation for the policy to learn from; None if the edge refused the request, or another
        policy chose it.
    """

    request: OutstandingRequest
    feedback: Feedback
    observation: Observation | None


class Requests:
    """
    A robot's requests to one edge. Owned by the robot's worker, except the inbox, which other threads fill.

    :ivar strays: number of answers that matched no outstanding request or arrived twice.
    """

    def __init__(self, link: Link, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.inbox = Inbox(clock)
        self.strays = 0
        self._outstanding = OutstandingRequests(link.lifespan_s)
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

        :param arm: -1 for a probe or a test, from which the policy learns how long the link takes for its bytes.
        :param context: context of the policy's choice.
        :param give_up_s: minimum seconds before the request is given up.
        :param is_awaited: whether the robot will wait for its detections; the policy learns from it only after that.
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
        """End every wait for an answer from now on. Safe to call from any thread."""
        self._closed = True
        self.inbox.ring()

    # Waiting for one frame's answer.

    def await_detections(self, request: OutstandingRequest, until_s: float) -> Awaited:
        """
        Wait until a frame's detections or a refusal arrive, the edge is gone, or the deadline has passed.

        :param until_s: clock time of the deadline.
        """
        self.is_settled(request, until_s, lambda: False)
        request.is_awaited = False
        return self._outcome(request, until_s) or Awaited(reason="the edge did not answer by the deadline")

    def is_answered(self, request: OutstandingRequest, until_s: float = 0.0) -> bool:
        """
        Return whether a frame's detections have arrived.

        :param until_s: clock time until which to wait for them.
        """
        self._match(0.0)
        while request.detections is None and self._clock() < until_s:
            self._match(until_s)
        return request.detections is not None

    def is_settled(self, request: OutstandingRequest, until_s: float, interrupted: Callable[[], bool]) -> bool:
        """
        Wait until the wait for a frame can end, as in :meth:`await_detections`.

        :param interrupted: called whenever the inbox's bell rings; True ends the wait.
        :returns: False if `interrupted` ended the wait.
        """
        self._match(0.0)
        while self._outcome(request, until_s) is None:
            if interrupted():
                return False
            self._match(until_s)
        return True

    def await_feedback(self, request: OutstandingRequest, until_s: float) -> None:
        """Wait for the feedback of a frame whose detections have arrived, at most until clock time `until_s`."""
        while request.feedback is None and self._clock() < until_s:
            if self._closed or self._link.obstacle():
                return
            self._match(until_s)

    def _outcome(self, request: OutstandingRequest, until_s: float) -> Awaited | None:
        """Return how the wait has ended; None while it has to continue."""
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
        """Remove and return the requests answered since the last call, except frames that are still awaited."""
        self._match(0.0)
        ready = [request for request in self._answered if not request.is_awaited]
        self._answered = [
            request for request in self._answered if request.is_awaited and self.is_outstanding(request.key)
        ]
        return [self._measure(request) for request in ready if self.is_outstanding(request.key)]

    def _measure(self, request: OutstandingRequest) -> Measured:
        """
        Make the observation of an answered request.

        If a frame was sent behind another frame of this robot, the time for which that frame occupied the link and the
        edge does not count as a delay of the link or the edge.
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
        """Return the observation of a missed deadline: the delay was at least this long."""
        return Observation(
            arm=request.arm,
            sequence=request.key.sequence,
            kind=Kind.FRAME,
            offload_s=self._clock() - request.sent_s,
            censored=True,
            overlapped=request.overlapped,
            sent_bytes=request.sent_bytes,
        )

    # Outstanding requests.

    def is_outstanding(self, key: Key) -> bool:
        """Return whether a request is neither learnt from nor given up."""
        return self._outstanding.find(key) is not None

    def fills_link(self, *, frames: int = 1) -> bool:
        """Return whether outstanding requests may still fill the link, as `frames` frames do."""
        return self._outstanding.fills_link(self._clock(), frames=frames)

    def is_open(self) -> bool:
        """Return whether any request is outstanding."""
        return bool(self._outstanding.under_way(self._clock()))

    def release(self, sequence: int) -> None:
        """Stop waiting for a frame that failed on the robot. The policy still learns from its answer."""
        for request in self._outstanding.under_way(self._clock()):
            if request.key.sequence == sequence:
                request.is_awaited = False

    def disown(self) -> None:
        """Exclude outstanding requests from learning, because the policy that chose them is replaced."""
        self._outstanding.disown()

    def forget(self) -> None:
        """Give up all requests, because the edge is gone."""
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
        if answer.feedback is not None and request.feedback is None and not _is_of_duplicate(answer.feedback):
            request.feedback, request.feedback_s = answer.feedback, answer.received_s
            self._answered.append(request)
            return True
        if answer.detections is not None and answer.key.kind is Kind.FRAME and request.detections is None:
            request.detections, request.detections_s = answer.detections, answer.received_s
            return True
        return False


def _is_of_duplicate(feedback: Feedback) -> bool:
    """Return whether a feedback refuses a request that came twice. The answer to the first one is on its way."""
    return feedback.status is Status.NOT_HELD and feedback.held == feedback.key.sequence
