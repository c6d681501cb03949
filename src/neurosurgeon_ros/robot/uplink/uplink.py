# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One edge as a robot uses it: whether it may be used now, and what is sent to it for a frame and beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Context
from neurosurgeon_ros.models import Letterbox
from neurosurgeon_ros.protocol.requests import Identity, Key, Kind, Request
from neurosurgeon_ros.protocol.validation import MAX_PROBE_BYTES
from neurosurgeon_ros.robot.uplink.breaker import PROBE_BYTES, TEST_TIMEOUT_S, CircuitBreaker
from neurosurgeon_ros.robot.uplink.link import Link, Obstacle
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.requests import Measured, Requests


@dataclass(frozen=True, slots=True)
class Availability:
    """
    Whether a frame may go to the edge now.

    :param obstacle: why the edge cannot be used; None if it can.
    :param link_free: no earlier request could still fill the link.
    :param link_busy: something of ours is under way.
    :param test_due: the circuit is open, and a test of the edge is to go beside the frame.
    """

    obstacle: Obstacle | None
    link_free: bool
    link_busy: bool
    test_due: bool

    @property
    def reason(self) -> str:
        """Why no frame may go to the edge now, in one sentence; empty if one may."""
        if self.obstacle is not None:
            return self.obstacle.text
        return "" if self.link_free else "an earlier transfer is still under way"


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """
    What every request of one frame says of it.

    :param sequence: number of the accepted frame.
    :param header: the camera image's header, opaque here.
    :param due_s: until when the answer is waited for, on the clock.
    :param context: what the policy knew when it chose for the frame.
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
    Owned by the robot's worker, but for the inbox of its requests.

    :param fingerprint: of the network.
    :param seed: of the probes' bytes and the breaker's jitter.

    :ivar requests: what was asked of the edge.
    :ivar breaker: keeps frames from an edge that does not answer; other threads may read its state.
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
        self._link = link
        self._identity = identity
        self._fingerprint = fingerprint
        self._clock = clock
        self._noise = np.random.default_rng(seed).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)

    def check(self, *, max_in_flight: int) -> Availability:
        """
        Find out whether a frame may go to the edge now; an edge that is gone owes nothing any more.

        :param max_in_flight: frames that may be on their way to the edge at once.
        """
        now_s, obstacle = self._clock(), self._link.obstacle()
        if obstacle is not None:
            self.requests.forget()
            self.breaker.reset()
        link_free = not self.requests.fills_link(frames=max_in_flight)
        test_due = False
        if obstacle is None:
            if self.breaker.test is not None and not self.requests.is_outstanding(self.breaker.test):
                self.breaker.test_failed(now_s)
            test_due = link_free and self.breaker.is_test_due(now_s)
            obstacle = self.breaker.obstacle
        return Availability(obstacle, link_free, self.requests.is_open(), test_due)

    def send_frame(
        self, caption: Caption, arm: int, point: int, tensors: tuple[EncodedTensor, ...]
    ) -> OutstandingRequest:
        """Send a frame; its detections are going to be waited for."""
        request = self._request(caption, Kind.FRAME, point, tensors)
        return self.requests.send(request, arm, caption.context, is_awaited=True)

    def may_send_sample(self, *, is_test: bool) -> bool:
        """Whether a sample may go beside a frame now; while the circuit is open only a test may."""
        blocked = self.breaker.obstacle is not None and not is_test
        return not (blocked or self._link.obstacle() or self.requests.fills_link())

    def send_sample(
        self, caption: Caption, arm: int, point: int, tensors: tuple[EncodedTensor, ...], *, is_test: bool
    ) -> None:
        """Send tensors beside a frame, for the delays that they take; a test shows whether the edge answers."""
        request = self._request(caption, Kind.SAMPLE, point, tensors)
        if is_test:
            self.requests.send(request, -1, caption.context, give_up_s=TEST_TIMEOUT_S)
            self.breaker.test_sent(request.key)
        else:
            self.requests.send(request, arm, caption.context)

    def send_probe(self, caption: Caption, wanted_bytes: int) -> int:
        """
        Send bytes that measure the link, if no frame is on it.

        :param wanted_bytes: by the policy; 0 for none. The breaker may want a probe of its own.
        :returns: bytes that were sent; 0 if none were.
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
        Take out every request that was answered, and let the breaker know what the answers tell of the edge.

        :param deadline_s: of a frame.
        """
        measured = self.requests.take_measured()
        for one in measured:
            seen = one.observation
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
