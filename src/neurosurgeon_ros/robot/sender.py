# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Encoding and sending of a frame to the edge, and of samples, tests and probes alongside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.local_inference import LocalInference
from neurosurgeon_ros.robot.streams.stream import EncodedFrame


class Sender:
    """
    Sends frames, samples, tests and probes on the route of each flight. Used only by the robot's worker thread.
    """

    def __init__(
        self, engine: Engine, local: LocalInference, *, throttle: Throttle, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._local = local
        self._throttle = throttle
        self._clock = clock

    def send_frame(self, flight: Flight) -> None:
        """Encode the data that the frame's arm sends, and send it."""
        frame, arm, statistics = flight.frame, flight.choice.arm, flight.selector.statistics
        table = flight.selector.table
        if not table.camera[arm]:
            flight.tensors(flight.point, self._local, self._clock)
        begin_s = self._clock()
        share = statistics.image_share if table.camera[arm] else 1.0
        with self._throttle.stage(share * float(table.profile.encode_s[arm])):
            encoded = self._encode(flight, arm)
        encode_s = self._clock() - begin_s
        uplink = flight.route.uplink
        flight.request = uplink.send_frame(
            flight.caption, arm, flight.point, encoded.tensors, reference=encoded.reference, checksum=encoded.checksum
        )
        flight.edge = uplink.edge_id
        flight.route.streams.sent(flight.request)
        frame.delays = replace(frame.delays, encode=encode_s)
        flight.offloaded_s = frame.delays.robot_s
        if arm != table.as_received:  # what was received has the same size, whether it is sent or not
            statistics.record_encoding(arm, encode_s, flight.request.sent_bytes, is_key=encoded.is_key)

    def send_sample(self, flight: Flight) -> None:
        """
        Send tensors that the front-end has computed anyway, as a sample or a test, if no frame is on the link.

        A sample never changes a stream. An arm whose codec has memory sends a key that both sides forget, or, after a
        failure of such a codec, its plain tensors. Without such samples, a robot that has only such arms could not test
        an edge that was silent.
        """
        arm, table, uplink = flight.sample_arm, flight.selector.table, flight.route.uplink
        if arm is None or not uplink.may_send_sample(is_test=flight.is_test):
            return
        encoded = self._encode_alone(flight, arm)
        uplink.send_sample(flight.caption, arm, int(table.point[arm]), encoded, is_test=flight.is_test)
        flight.sent_sample = table.arms[arm].name

    def send_probe(self, flight: Flight) -> None:
        """Send the probe that the policy or the breaker requests, if no frame is on the link."""
        flight.probe_bytes = flight.route.uplink.send_probe(flight.caption, flight.choice.probe_bytes)

    def _encode(self, flight: Flight, arm: int) -> EncodedFrame:
        """Encode a frame, as the next one of its stream if the arm's codec has memory."""
        table, frame, route = flight.selector.table, flight.frame, flight.route
        if not table.arms[arm].is_stream:
            return EncodedFrame(self._encode_alone(flight, arm))
        route.streams.follow(table, route.uplink.edge_session, frame.image.pixels.shape)
        return route.streams.encode(
            table.arms[arm], lambda: flight.tensors(flight.point, self._local, self._clock), frame.image
        )

    def _encode_alone(self, flight: Flight, arm: int) -> tuple[EncodedTensor, ...]:
        table, point = flight.selector.table, int(flight.selector.table.point[arm])
        if table.arms[arm].is_stream and flight.route.streams.have_failed():
            return self._engine.encode_plainly(point, flight.tensors(point, self._local, self._clock))
        if table.camera[arm]:
            return self._engine.encode_image(table.arms[arm], flight.frame.image)
        return self._engine.encode(table.arms[arm], flight.tensors(point, self._local, self._clock))
