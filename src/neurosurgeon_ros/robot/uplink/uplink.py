# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's uplink to one edge: whether it may be used now, and the requests sent for a frame and alongside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Context
from neurosurgeon_ros.models import Letterbox
from neurosurgeon_ros.protocol.requests import Identity, Key, Kind, Request, Status
from neurosurgeon_ros.protocol.validation import MAX_PROBE_BYTES
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR
from neurosurgeon_ros.robot.uplink.breaker import PROBE_BYTES, TEST_TIMEOUT_S, CircuitBreaker
from neurosurgeon_ros.robot.uplink.link import Link, Obstacle
from neurosurgeon_ros.robot.uplink.outstanding import GIVE_UP_FACTOR, OutstandingRequest
from neurosurgeon_ros.robot.uplink.pacer import Pacer
from neurosurgeon_ros.robot.uplink.requests import Measured, Requests

#: Shortest lifespan of a request in seconds. After a shorter outage, the request still arrives, and its answer shows at
#: once that the link is back.
SHORTEST_LIFESPAN_S = 4.0


def request_lifespan_s(table: ArmTable, given_deadline_s: float = 0.0) -> float:
    """
    Return the seconds for which a request is worth sending: an answer after several deadlines helps nobody.

    :param given_deadline_s: deadline that the user has set, in seconds; 0 for none. A shorter one than the derived
        deadline has no effect.
    """
    derived_s = DEADLINE_FACTOR * float(table.robot_s[table.on_device])
    return max(SHORTEST_LIFESPAN_S, GIVE_UP_FACTOR * max(given_deadline_s, derived_s))


@dataclass(frozen=True, slots=True)
class Availability:
    """
    Whether a frame may go to the edge now.

    :param obstacle: why the edge cannot be used; None if it can.
    :param link_free: whether no earlier request can still fill the link.
    :param link_busy: whether any request of this robot is outstanding.
    :param test_due: whether the circuit is open and a test of the edge has to be sent alongside the frame.
    :param paced: why the frame is over the rate that the edge promised, in one sentence; empty if it is not.
    """

    obstacle: Obstacle | None
    link_free: bool
    link_busy: bool
    test_due: bool
    paced: str = ""

    @property
    def reason(self) -> str:
        """Return why no frame may go to the edge now, in one sentence; empty if one may."""
        if self.obstacle is not None:
            return self.obstacle.text
        return self.paced if self.link_free else "an earlier transfer is still under way"

    @property
    def is_free(self) -> bool:
        """Return whether the frame may go to the edge now."""
        return self.obstacle is None and self.link_free and not self.paced


#: A frame may go to the edge, and nothing else is on its way there.
AVAILABLE = Availability(None, link_free=True, link_busy=False, test_due=False)


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """
    Frame data that every request of one frame carries.

    :param sequence: number of the accepted frame.
    :param header: the camera image's header, opaque here.
    :param due_s: clock time until which the robot waits for the answer.
    :param context: context of the policy's choice for the frame.
    """

    sequence: int
    header: object
    letterbox: Letterbox
    confidence: float
    iou: float
    due_s: float
    context: Context


class EdgeUplink:
    """
    A robot's uplink to one edge. Owned by the robot's worker, except the inbox of its requests.

    :param fingerprint: fingerprint of the network.
    :param seed: seed of the probes' bytes and the breaker's jitter.

    :ivar requests: requests to the edge.
    :ivar breaker: stops sending frames to an edge that does not answer; other threads may read its state.
    :ivar pacer: limits frames and samples to the rate that the edge promised; other threads may read its rate.
    """

    def __init__(
        self,
        link: Link,
        *,
        identity: Identity,
        fingerprint: str,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests = Requests(link, clock=clock)
        self.breaker = CircuitBreaker(seed)
        self.pacer = Pacer()
        self._link = link
        self._identity = identity
        self._fingerprint = fingerprint
        self._clock = clock
        self._noise = np.random.default_rng(seed).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)

    def check(self, *, max_in_flight: int) -> Availability:
        """
        Check whether a frame may go to the edge now. If the edge is gone, forget its requests and failures.

        :param max_in_flight: maximum number of frames in flight to the edge at once.
        """
        now_s, obstacle = self._clock(), self._link.obstacle()
        if obstacle is not None:
            self.requests.forget()
            self.breaker.reset()
            self.pacer.reset()
        link_free = not self.requests.fills_link(frames=max_in_flight)
        test_due = False
        if obstacle is None:
            if self.breaker.test is not None and not self.requests.is_outstanding(self.breaker.test):
                self.breaker.test_failed(now_s)
            test_due = link_free and self.breaker.is_test_due(now_s)
            obstacle = self.breaker.obstacle
        paced = ""
        if obstacle is None and link_free and not self.pacer.may_send(now_s):
            rate = self.pacer.rate
            paced = f"the edge answers {rate:.1f} frames a second of this robot" if rate else "the edge is overloaded"
        return Availability(obstacle, link_free, self.requests.is_open(), test_due, paced)

    @property
    def edge_session(self) -> int:
        """Return the number of the edge's present start; 0 if there is no edge."""
        return self._link.edge_session

    @property
    def edge_id(self) -> str:
        """Return the id of the edge; empty if there is no edge."""
        return self._link.edge_id

    @property
    def is_there(self) -> bool:
        """Return whether the link has no obstacle."""
        return self._link.obstacle() is None

    @property
    def is_well(self) -> bool:
        """Return whether the edge is there and has answered the last frame that it got."""
        return self.is_there and self.breaker.obstacle is None and not self.breaker.unanswered

    def send_frame(
        self,
        caption: Caption,
        arm: int,
        point: int,
        tensors: tuple[EncodedTensor, ...],
        *,
        reference: int = 0,
        checksum: int = 0,
    ) -> OutstandingRequest:
        """
        Send a frame whose detections the robot will wait for.

        :param reference: as in :class:`~neurosurgeon_ros.protocol.requests.Request`, like `checksum`.
        """
        request = replace(self._request(caption, Kind.FRAME, point, tensors), reference=reference, checksum=checksum)
        self.pacer.sent(self._clock())
        return self.requests.send(request, arm, caption.context, is_awaited=True)

    def may_send_sample(self, *, is_test: bool) -> bool:
        """
        Return whether a sample may be sent alongside a frame now.

        While the circuit is open or the edge is overloaded, only a test may.
        """
        blocked = not is_test and (self.breaker.obstacle is not None or not self.pacer.may_send(self._clock()))
        return not (blocked or self._link.obstacle() or self.requests.fills_link())

    def send_sample(
        self, caption: Caption, arm: int, point: int, tensors: tuple[EncodedTensor, ...], *, is_test: bool
    ) -> None:
        """Send tensors alongside a frame to measure their delays. A test shows whether the edge answers."""
        request = self._request(caption, Kind.SAMPLE, point, tensors)
        self.pacer.sent(self._clock())
        if is_test:
            self.requests.send(request, -1, caption.context, give_up_s=TEST_TIMEOUT_S)
            self.breaker.test_sent(request.key)
        else:
            self.requests.send(request, arm, caption.context)

    def send_probe(self, caption: Caption, wanted_bytes: int) -> int:
        """
        Send a probe that measures the link, if no frame is on it.

        :param wanted_bytes: probe size that the policy requests; 0 for none. The breaker may send its own probe.
        :returns: number of bytes sent; 0 if no probe was sent.
        """
        is_breakers = self.breaker.is_probe_due(self._clock())
        size = PROBE_BYTES if is_breakers else min(wanted_bytes, MAX_PROBE_BYTES)
        blocked = self.breaker.obstacle is not None and not is_breakers
        if not size or blocked or self._link.obstacle() or self.requests.fills_link():
            return 0
        data = self._noise.data[:size]
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(data.nbytes,), codec="uint8", data=data)
        request = self._request(caption, Kind.PROBE, 0, (probe,))
        self.requests.send(request, -1, caption.context)
        if is_breakers:
            self.breaker.probe_sent(request.key, self._clock())
        return int(data.nbytes)

    def take_measured(self, deadline_s: float) -> list[Measured]:
        """
        Remove and return every request that was answered, and update the breaker from the answers.

        :param deadline_s: a frame's deadline in seconds.
        """
        measured = self.requests.take_measured()
        for one in measured:
            seen = one.observation
            if one.request.key.kind is not Kind.PROBE:
                self.pacer.heard(one.feedback, one.request.feedback_s)
            if self.pacer.excuses(one.feedback) and one.request.key != self.breaker.test:
                continue  # other robots have their turn
            if one.feedback.status in (Status.NOT_HELD, Status.DIVERGED):
                continue  # the edge is well, and the next frame of the stream will be a key
            self.breaker.judge(
                one.request.key,
                is_refused=not one.feedback.is_ok,
                transmit_s=float("nan") if seen is None else seen.transmit_s,
                offload_s=float("nan") if seen is None else seen.offload_s,
                deadline_s=deadline_s,
                now_s=self._clock(),
            )
        return measured

    def _request(self, caption: Caption, kind: Kind, point: int, tensors: tuple[EncodedTensor, ...]) -> Request:
        return Request(
            key=Key(self._identity.robot_id, self._identity.session, caption.sequence, kind),
            header=caption.header,
            fingerprint=self._fingerprint,
            partition_point=point,
            tensors=tensors,
            letterbox=None if kind is Kind.PROBE else caption.letterbox,
            confidence=caption.confidence,
            iou=caption.iou,
            deadline_s=max(0.001, caption.due_s - self._clock()) if kind is Kind.FRAME else 0.0,
        )
