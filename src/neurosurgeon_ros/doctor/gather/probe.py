# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Probe the link to the edge for a second, with the probes that robots send: the edge answers them at once.

The rate follows from how much longer a larger probe takes. Losses would stay hidden behind DDS's retransmissions. The
publisher here therefore keeps one message only: it cannot send a probe again once it has published the next. The probes
go out in bursts, and the last one of a burst, which could be sent again, does not count. Answers arrive at two
subscriptions: a reliable one shows which probes reached the edge, and a best-effort one which answers were lost.
"""

from __future__ import annotations

import math
import secrets
import socket
import statistics
import time

import numpy as np
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.doctor.facts import LinkFacts
from neurosurgeon_ros.doctor.gather.listener import PREFIX, HeardEdge, Listener
from neurosurgeon_ros.msg import DelayFeedback, PartialInference
from neurosurgeon_ros.protocol.presence import new_secret, session_of
from neurosurgeon_ros.protocol.requests import Identity, Key, Kind, Request
from neurosurgeon_ros.protocol.validation import MAX_PROBE_BYTES
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy, steady_timer
from neurosurgeon_ros.ros.intake import SMALL_BYTES, Intake
from neurosurgeon_ros.ros.messages import from_request, goodbye, hello

#: Seconds for each part: until the edge serves this command, for the rate, and for losses.
MEET_S, RATE_S, LOSS_S = 3.0, 0.5, 0.75

#: Seconds without an answer after which no more are expected, since DDS may have to send one again, and at most.
LATE_S, MOST_LATE_S = 0.25, 2.0

#: Bytes of a small probe, and of one on the wire.
SMALL, SMALL_ON_WIRE = 64, 450

#: Probes in a burst, seconds between bursts, and the share of the link that they may take. An edge that serves one
#: robot keeps four requests at most until it takes them, so a burst is smaller.
BURST, BURST_PERIOD_S, SHARE = 3, 0.01, 0.25

#: Fewest bursts, whatever the link.
FEWEST = 8

#: Bytes of the first larger probe; each next one has four times as many, until one takes this many seconds more.
FIRST_BYTES, LONG_S = 4096, 0.03

#: Small probes before, and more seconds for the first one, and for larger ones if small ones take long: the robot's
#: frames fill a slow link.
SMALLS, MORE_S = 5, 3.0

#: Times that a size is tried, because a loss makes a probe late.
TRIES = 3


class Prober:
    """
    Says hello to an edge like a robot, until :meth:`close`.

    :param edge: the edge to probe.
    """

    def __init__(self, listener: Listener, edge: HeardEdge) -> None:
        self._listener = listener
        self._node = listener.node
        secret = new_secret()
        self._identity = Identity(f"{PREFIX}_{secrets.token_hex(4)}", session_of(secret))
        fingerprint, model = next(iter(edge.report.models.items()), ("0" * 64, ""))
        self._hello = hello(
            self._identity,
            fingerprint,
            model,
            node=self._node.get_fully_qualified_name(),
            host=socket.gethostname(),
        )
        self._goodbye = goodbye(self._hello, secret)
        self._sequence = 0
        self._came_s: dict[int, float] = {}
        self._came_without_repair: set[int] = set()
        self._noise = np.random.default_rng(0).integers(0, 256, MAX_PROBE_BYTES, dtype=np.uint8)
        newest = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
        base = edge.report.base(listener.namespace)
        self._requests = self._node.create_publisher(
            PartialInference, f"{base}/partial_inference", newest, event_callbacks=qos.QUIET_PUBLISHER
        )
        intake, topic = Intake(self._node), f"{base}/{self._identity.robot_id}/delay_feedback"
        many = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=256, reliability=ReliabilityPolicy.RELIABLE)
        once = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=256, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._answers = [
            intake.subscribe(DelayFeedback, topic, take, profile, max_bytes=SMALL_BYTES)
            for take, profile in ((self._on_answer, many), (self._on_unrepaired, once))
        ]
        self._timer = steady_timer(self._node, 0.5, self._say_hello)

    def close(self) -> None:
        """Take leave of the edge."""
        self._listener.hellos.publish(self._goodbye)
        self._listener.hellos.wait_for_all_acked(Duration(seconds=0.2))
        destroy(self._node, self._timer, self._requests, *self._answers)

    def probe(self) -> LinkFacts:
        """Probe the link for about a second."""
        self._say_hello()
        self._listener.spin(MEET_S, self._met)
        if not self._met():
            return LinkFacts(is_unanswered=True)
        rate_bps, round_trip_s = self._rate()
        if math.isnan(round_trip_s):
            return LinkFacts(sent=self._sequence, lost=self._sequence)
        return self._losses(rate_bps, round_trip_s)

    def _met(self) -> bool:
        return self._requests.get_subscription_count() > 0 and all(
            one.get_publisher_count() > 0 for one in self._answers
        )

    def _rate(self) -> tuple[float, float]:
        """Return bits per second towards the edge, and the seconds of a small round trip; NaN if unknown."""
        small = [self._first_round_trip()]
        end_s = time.monotonic() + RATE_S
        while len(small) < SMALLS and time.monotonic() < end_s - RATE_S / 2:
            small.append(self._round_trip(SMALL, end_s))
        small = [took_s for took_s in small if not math.isnan(took_s)]
        if not small:
            return math.nan, math.nan
        round_trip_s = statistics.median(small)
        if max(small) >= LONG_S:
            end_s += MORE_S
        rate_bps, before, before_s, size = math.nan, SMALL, min(small), FIRST_BYTES
        while size <= MAX_PROBE_BYTES and time.monotonic() < end_s:
            took_s = math.inf
            for _ in range(TRIES):
                if math.isnan(one := self._round_trip(size, end_s)):
                    break
                took_s = min(took_s, one)
                if took_s - before_s < LONG_S:
                    break
            if math.isinf(took_s):
                break
            rate_bps = 8.0 * (size - before) / max(took_s - before_s, 1e-6)
            is_long = took_s - before_s >= LONG_S
            before, before_s = size, took_s
            if is_long:
                break
            size *= 4
        return rate_bps, round_trip_s

    def _losses(self, rate_bps: float, round_trip_s: float) -> LinkFacts:
        most = round(LOSS_S / BURST_PERIOD_S)
        affordable = 0.0 if math.isnan(rate_bps) else SHARE * rate_bps * LOSS_S / (8 * SMALL_ON_WIRE * BURST)
        counted: list[int] = []
        sent: list[int] = []
        bursts = max(FEWEST, min(most, int(affordable)))
        next_s = time.monotonic()
        for _ in range(bursts):
            burst = [self._send(SMALL) for _ in range(BURST)]
            counted += burst[:-1]
            sent += burst
            next_s += LOSS_S / bursts
            self._listener.spin(next_s - time.monotonic())
        self._receive_late(sent, LATE_S + 2.0 * round_trip_s)
        reached = [one for one in sent if one in self._came_s]
        return LinkFacts(
            rate_bps=rate_bps,
            round_trip_s=round_trip_s,
            sent=len(counted),
            lost=sum(one not in self._came_s for one in counted),
            answered=len(reached),
            lost_answers=sum(one not in self._came_without_repair for one in reached),
        )

    def _receive_late(self, sent: list[int], quiet_s: float) -> None:
        """Receive the last answers, until all are there or none has come for some seconds; this process may be slow."""
        end_s, before = time.monotonic() + MOST_LATE_S, -1
        while before != (now := len(self._came_s) + len(self._came_without_repair)) and time.monotonic() < end_s:
            before = now
            self._listener.spin(quiet_s, lambda: self._came_without_repair.issuperset(sent))

    def _first_round_trip(self) -> float:
        """Return the seconds of the first small round trip, from the beginning; a full link loses many probes."""
        begin_s = time.monotonic()
        end_s = begin_s + MORE_S
        while time.monotonic() < end_s:
            if not math.isnan(self._round_trip(SMALL, min(end_s, time.monotonic() + RATE_S))):
                return time.monotonic() - begin_s
        return math.nan

    def _round_trip(self, size: int, end_s: float) -> float:
        """Send a probe; return the seconds until its answer, or NaN if it does not come by `end_s`."""
        begin_s = time.monotonic()
        sequence = self._send(size)
        self._listener.spin(end_s - begin_s, lambda: sequence in self._came_s)
        return self._came_s.get(sequence, math.nan) - begin_s

    def _send(self, size: int) -> int:
        """Send a probe of some bytes; returns its number."""
        self._sequence += 1
        data = self._noise.data[:size]
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(size,), codec="uint8", data=data)
        key = Key(self._identity.robot_id, self._identity.session, self._sequence, Kind.PROBE)
        self._requests.publish(
            from_request(
                Request(
                    key=key,
                    header=None,
                    fingerprint=self._hello.fingerprint,
                    partition_point=0,
                    tensors=(probe,),
                    letterbox=None,
                    confidence=0.0,
                    iou=0.0,
                )
            )
        )
        return self._sequence

    def _say_hello(self) -> None:
        self._listener.hellos.publish(self._hello)

    def _on_answer(self, message: DelayFeedback) -> None:
        if message.session == self._identity.session:
            self._came_s.setdefault(message.sequence, time.monotonic())

    def _on_unrepaired(self, message: DelayFeedback) -> None:
        if message.session == self._identity.session:
            self._came_without_repair.add(message.sequence)
