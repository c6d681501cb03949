# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A circuit breaker between a robot and its edge.

An edge that takes requests and does not answer would cost every frame its deadline. After a few such frames the circuit
opens: frames run on the robot, and now and then a test goes to the edge, beside a frame and in nobody's way. A test
takes the whole way that a frame takes, back-end included; once one is answered in time, the circuit closes.

An edge that answers late is something else: how slow it is, is for the policy to learn, so it is given more time.
"""

from __future__ import annotations

import enum

import numpy as np

from neurosurgeon_ros.runtime.protocol import Key

#: Frames in a row that are refused or get no answer at all, after which the circuit opens.
SILENT_FRAMES = 3

#: Frames in a row that are not answered in time, even if they are later, after which it opens, too.
LATE_FRAMES = 10

#: Seconds from opening to the first test, and at most from one failed test to the next.
SHORTEST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 3.0

#: A back-off is longer or shorter by up to this share, so that robots do not all test at once.
JITTER = 0.25

#: Seconds that a test may take before it has failed.
TEST_PATIENCE_S = 2.0


class Circuit(enum.IntEnum):
    """Whether frames may go to the edge; the values are those of PartitionDecision.circuit."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class CircuitBreaker:
    """
    Owned by the robot's worker; other threads may read its state.

    :param seed: of the jitter.

    :ivar state: closed: frames go to the edge; open: none do; half-open: none do, and a test is under way.
    :ivar test: key of the test that is under way; None if there is none.
    :ivar opened: how often it has opened since the start.
    """

    def __init__(self, seed: int = 0) -> None:
        self.state = Circuit.CLOSED
        self.test: Key | None = None
        self.opened = 0
        self._random = np.random.default_rng(seed)
        self._silent = self._late = 0
        self._back_off_s = SHORTEST_BACK_OFF_S
        self._test_at_s = 0.0

    @property
    def obstacle(self) -> str:
        """Why no frame may go to the edge, in one sentence; empty if it may."""
        if self.state is Circuit.CLOSED:
            return ""
        return f"the edge left requests unanswered, so the circuit to it is {self.state.name.lower().replace('_', '-')}"

    def frame_failed(self, now_s: float) -> None:
        """Take note that a frame was refused, or that its deadline came before its answer."""
        self._silent += 1
        self._late += 1
        self._open_if_silent(now_s)

    def frame_unanswered(self, now_s: float) -> None:
        """Take note that the robot was done with a frame before its answer came, and before its deadline."""
        self._silent += 1
        self._open_if_silent(now_s)

    def answered(self, *, in_time: bool) -> None:
        """Take note of an answer that a back-end gave; late, it shows that the edge is not silent, and no more."""
        self._silent = 0
        if in_time:
            self.reset()

    def is_test_due(self, now_s: float) -> bool:
        """Whether the circuit is open and the back-off over."""
        return self.state is Circuit.OPEN and now_s >= self._test_at_s

    def test_sent(self, key: Key) -> None:
        """Take note that a test is under way."""
        self.state, self.test = Circuit.HALF_OPEN, key

    def test_failed(self, now_s: float) -> None:
        """Take note that the test was refused, late or not answered; the next one waits twice as long."""
        self._back_off_s = min(LONGEST_BACK_OFF_S, 2.0 * self._back_off_s)
        self._open(now_s)

    def reset(self) -> None:
        """Close: the edge has answered in time, or is gone, and what comes back owes nothing."""
        self.state, self.test = Circuit.CLOSED, None
        self._silent = self._late = 0
        self._back_off_s = SHORTEST_BACK_OFF_S

    def _open_if_silent(self, now_s: float) -> None:
        if self.state is Circuit.CLOSED and (self._silent >= SILENT_FRAMES or self._late >= LATE_FRAMES):
            self.opened += 1
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self.state, self.test = Circuit.OPEN, None
        self._test_at_s = now_s + self._back_off_s * (1.0 + JITTER * float(self._random.uniform(-1.0, 1.0)))
