# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the robot sends of a frame: its tensors or its image, and samples, probes and tests beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.runtime.breaker import PROBE_BYTES, TEST_PATIENCE_S, CircuitBreaker
from neurosurgeon_ros.runtime.conversation import Conversation
from neurosurgeon_ros.runtime.decision import Uplink
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.frame import Flight, Frame
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.protocol import Identity, Key, Request
from neurosurgeon_ros.runtime.validation import MAX_PROBE_BYTES


class Sender:
    """
    Encodes, and publishes. For the robot's worker.

    :param run_front: runs a frame's front-end unless it has run, and leaves in `held` what may be sent of it.
    :param seed: of the probes' bytes.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        engine: Engine,
        conversation: Conversation,
        uplink: Uplink,
        breaker: CircuitBreaker,
        pace: Pace,
        run_front: Callable[[Flight], None],
        seed: int,
        clock: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._engine = engine
        self._conversation = conversation
        self._uplink = uplink
        self._breaker = breaker
        self._pace = pace
        self._run_front = run_front
        self._clock = clock
        self._probe = np.random.default_rng(seed).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)

    def send(self, flight: Flight) -> None:
        """Encode what the arm sends, and publish it."""
        frame, arm, running = flight.frame, flight.choice.arm, flight.strategy.running
        table, begin = flight.strategy.table, self._clock()
        share = running.image_share if table.camera[arm] else 1.0
        with self._pace.stage(share * float(table.calibration.encode_s[arm])):
            encoded = self._encode(flight, arm)
        encode_s = self._clock() - begin
        request = self._request(frame, Kind.FRAME, flight.point, encoded)
        flight.transfer = self._conversation.send(request, arm, awaited=True)
        frame.sent_bytes = flight.transfer.sent_bytes
        frame.delays = replace(frame.delays, encode=encode_s)
        frame.offloaded_s = frame.delays.robot_s
        if arm != table.as_received:  # what comes in weighs the same, whether it is sent or not
            running.encoded(arm, encode_s, frame.sent_bytes)

    def send_sample(self, flight: Flight, arm: int) -> None:
        """Send tensors that the front-end computed on its way, as a sample or a test, if no frame is on the link."""
        frame, table = flight.frame, flight.strategy.table
        testing = arm == frame.test_arm
        if self._uplink.obstacle() or self._conversation.fills_link() or (self._breaker.obstacle and not testing):
            return
        encoded = self._encode(flight, arm)
        request = self._request(frame, Kind.SAMPLE, int(table.point[arm]), encoded)
        if testing:
            self._conversation.send(request, -1, patience_s=TEST_PATIENCE_S)
            self._breaker.test_sent(request.key)
        else:
            self._conversation.send(request, arm)
        frame.sample_arm = table.arms[arm].name

    def send_probe(self, flight: Flight) -> None:
        """Send some bytes to measure the link, if no frame is on it."""
        size, frame, breaker = min(flight.choice.probe_bytes, MAX_PROBE_BYTES), flight.frame, self._breaker
        testing = breaker.is_probe_due(self._clock())
        if testing:
            size = PROBE_BYTES
        if not size or self._uplink.obstacle() or (breaker.obstacle and not testing) or self._conversation.fills_link():
            return
        data = self._probe.data[:size]
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(data.nbytes,), codec="uint8", data=data)
        request = self._request(frame, Kind.PROBE, 0, (probe,))
        self._conversation.send(request, -1)
        if testing:
            breaker.probe_sent(request.key, self._clock())
        frame.probe_bytes = data.nbytes

    def _encode(self, flight: Flight, arm: int) -> tuple[EncodedTensor, ...]:
        table = flight.strategy.table
        if table.camera[arm]:
            return self._engine.encode_image(table.arms[arm], flight.frame.image)
        self._run_front(flight)  # it has not run yet where the frame itself went as an image
        return self._engine.encode(table.arms[arm], flight.held[int(table.point[arm])])

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
            deadline_s=max(0.001, frame.due_s - self._clock()) if kind is Kind.FRAME else 0.0,
        )
