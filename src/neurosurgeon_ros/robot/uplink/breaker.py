# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A circuit breaker between a robot and its edge.

If an edge accepts requests but does not answer, every frame waits for its full deadline. After a few such frames the
circuit opens: frames run on the robot, and from time to time the robot sends a test to the edge alongside a frame. The
edge processes a test like a frame, including the back-end. The circuit closes when a test is answered in time.

An edge that answers late is a different case: the policy learns how slow it is, so the breaker gives it more time.

A dead link looks like a silent edge. While the circuit is open, the robot therefore sends small probes, which the edge
answers without running a back-end. The link is back if a probe is answered after an earlier one was lost, or much
sooner than the one before. A test is then due immediately.
"""

from __future__ import annotations

import enum

import numpy as np

from neurosurgeon_ros.protocol.requests import Key, Kind
from neurosurgeon_ros.robot.uplink.link import Obstacle, ObstacleKind

#: The circuit opens after this many consecutive frames that are refused or get no answer at all.
SILENT_FRAMES = 3

#: The circuit also opens after this many consecutive frames that are not answered in time, even if answered later.
LATE_FRAMES = 10

#: Seconds from opening to the first test, and the maximum from one failed test to the next.
SHORTEST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 3.0

#: A back-off varies by up to this share in both directions, so that robots do not all test at the same time.
JITTER = 0.25

#: Seconds after which a test without an answer has failed.
TEST_TIMEOUT_S = 2.0

#: Seconds between two probes of the link while the circuit is open, and their size in bytes.
PROBE_PERIOD_S, PROBE_BYTES = 0.5, 1_000

#: The link is back if a probe takes less than this share of the previous probe's time.
SOONER = 0.5


class Circuit(enum.IntEnum):
    """Whether frames may go to the edge; the values match PartitionDecision.circuit."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class CircuitBreaker:
    """
    Decides whether frames may go to the edge. Owned by the robot's worker; other threads may read its state.

    :param seed: seed of the jitter.

    :ivar state: closed: frames go to the edge; open: no frames go; half-open: no frames go, and a test is outstanding.
    :ivar test: key of the outstanding test; None if there is none.
    :ivar opened: how often the circuit has opened since the start.
    """

    def __init__(self, seed: int = 0) -> None:
        self.state = Circuit.CLOSED
        self.test: Key | None = None
        self.opened = 0
        self._random = np.random.default_rng(seed)
        self._silent = self._late = 0
        self._back_off_s = SHORTEST_BACK_OFF_S
        self._test_at_s = 0.0
        self._probe: Key | None = None
        self._probed_s = self._probe_took_s = 0.0
        self._link_silent = False

    @property
    def obstacle(self) -> Obstacle | None:
        """Return why no frame may go to the edge; None if frames may."""
        if self.state is Circuit.CLOSED:
            return None
        state = self.state.name.lower().replace("_", "-")
        return Obstacle(
            ObstacleKind.CIRCUIT_OPEN, f"the edge left requests unanswered, so the circuit to it is {state}"
        )

    @property
    def unanswered(self) -> int:
        """Return how many frames in a row were refused or not answered yet."""
        return self._silent

    def frame_failed(self, now_s: float) -> None:
        """Record that a frame was refused, or that its deadline passed before its answer arrived."""
        self._silent += 1
        self._late += 1
        self._open_if_silent(now_s)

    def frame_unanswered(self, now_s: float) -> None:
        """Record that the robot finished a frame before its answer arrived and before its deadline."""
        self._silent += 1
        self._open_if_silent(now_s)

    def answered(self, *, in_time: bool) -> None:
        """Record an answer from a back-end. A late answer only shows that the edge is not silent."""
        self._silent = 0
        if in_time:
            self.reset()

    def judge(
        self, key: Key, *, is_refused: bool, transmit_s: float, offload_s: float, deadline_s: float, now_s: float
    ) -> None:
        """
        Record a late answer, or the answer to a request sent alongside a frame.

        :param is_refused: whether the edge answered with an error.
        :param transmit_s: round-trip seconds on the link; NaN if unknown.
        :param offload_s: seconds from the request to the answer; NaN if unknown.
        :param deadline_s: a frame's deadline in seconds.
        """
        if key.kind is Kind.PROBE:
            if not is_refused:
                self.probe_answered(key, transmit_s, now_s)
        elif key == self.test:
            if is_refused or offload_s > deadline_s:
                self.test_failed(now_s)
            else:
                self.answered(in_time=True)
        elif not is_refused:
            self.answered(in_time=False)
        elif key.kind is Kind.FRAME:
            self.frame_failed(now_s)

    def is_test_due(self, now_s: float) -> bool:
        """Return whether the circuit is open and the back-off is over."""
        return self.state is Circuit.OPEN and now_s >= self._test_at_s

    def test_sent(self, key: Key) -> None:
        """Record that a test was sent."""
        self.state, self.test = Circuit.HALF_OPEN, key

    def is_probe_due(self, now_s: float) -> bool:
        """Return whether the circuit is open and the link was not probed recently."""
        return self.state is Circuit.OPEN and now_s - self._probed_s >= PROBE_PERIOD_S

    def probe_sent(self, key: Key, now_s: float) -> None:
        """Record that a probe of the link was sent. An earlier probe without an answer is lost."""
        self._link_silent |= self._probe is not None
        self._probe, self._probed_s = key, now_s

    def probe_answered(self, key: Key, took_s: float, now_s: float) -> None:
        """
        Record that a probe was answered. If this shows that the link is back, a test is due immediately.

        :param took_s: round-trip seconds of the probe on the link.
        """
        if key != self._probe:
            return
        self._probe = None
        back = self._link_silent or took_s < SOONER * self._probe_took_s
        self._link_silent, self._probe_took_s = False, took_s
        if back and self.state is Circuit.OPEN:
            self._test_at_s, self._back_off_s = now_s, SHORTEST_BACK_OFF_S

    def test_failed(self, now_s: float) -> None:
        """Record that the test was refused, late or not answered. The next test waits twice as long."""
        self._back_off_s = min(LONGEST_BACK_OFF_S, 2.0 * self._back_off_s)
        self._open(now_s)

    def reset(self) -> None:
        """Close the circuit: the edge answered in time, or it is gone and its next session starts without failures."""
        self.state, self.test = Circuit.CLOSED, None
        self._silent = self._late = 0
        self._back_off_s = SHORTEST_BACK_OFF_S
        self._probe, self._probe_took_s, self._link_silent = None, 0.0, False

    def _open_if_silent(self, now_s: float) -> None:
        if self.state is Circuit.CLOSED and (self._silent >= SILENT_FRAMES or self._late >= LATE_FRAMES):
            self.opened += 1
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self.state, self.test = Circuit.OPEN, None
        self._test_at_s = now_s + self._back_off_s * (1.0 + JITTER * float(self._random.uniform(-1.0, 1.0)))
