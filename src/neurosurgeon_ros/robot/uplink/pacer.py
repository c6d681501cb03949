# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Pace a robot's requests at the rate that its edge promised.

While robots contend for an edge, it tells each of them how many requests per second it can count on. A frame beyond
that is not sent, and is finished on the robot at once. A request that is refused for load costs nothing, and the next
one is sent when the edge keeps a turn for it.

A promise is broken if most requests within it are refused. The robot then counts on the rate that it sees itself.
"""

from __future__ import annotations

import math

from neurosurgeon_ros.protocol.requests import Feedback, Status

#: A promise holds for this many seconds, and for at least :data:`VALID_PERIODS` of its periods.
VALID_S, VALID_PERIODS = 2.0, 3.0

#: Maximum number of requests that a robot may send at once. Above 1, so that a rate is kept that is no whole fraction
#: of the camera's.
BURST = 2.0

#: A request may be sent with this many tokens, so that it need not wait for another image because of jitter.
ENOUGH = 0.95

#: Seconds over which a promise is compared with what happens, and the minimum number of requests for that.
WINDOW_S, WINDOW_REQUESTS = 5.0, 5

#: A promise is broken if this share of the requests is refused, and of the promised rate at most this share answered.
#: It is kept again if at most the other share of the requests is refused.
BROKEN, KEPT = 0.5, 0.1

#: A promise is broken only if this happens in so many windows in a row.
BROKEN_WINDOWS = 2

#: Minimum rate that the robot counts on, in requests per second, so that it notices when the edge has room again.
LEAST_RATE = 0.5

#: A robot that trusts its own count asks for this many times the rate that was answered.
HOPE = 1.25

#: Longest pause after a refusal that the robot accepts, in seconds.
LONGEST_PAUSE_S = 3.0


class Pacer:
    """
    A token bucket that the edge's promises fill. Owned by the robot's worker; other threads may read `rate`.

    :ivar rate: requests per second that the robot sends at most; 0: no limit.
    :ivar is_broken: whether the edge broke its promise, so that the robot counts on what it sees itself.
    :ivar notice: one sentence for a person about the first promise that was broken; empty if none was.
    """

    def __init__(self) -> None:
        self.notice = ""
        self.reset()

    def reset(self) -> None:
        """Forget the promise, because the edge is gone."""
        self.rate, self.is_broken = 0.0, False
        self._promised, self._own = 0.0, math.inf
        self._tokens, self._most, self._at_s = 1.0, BURST, 0.0
        self._until_s = self._not_before_s = -math.inf
        self._bad_windows = 0
        self._begin_window(math.inf)

    def may_send(self, now_s: float) -> bool:
        """Return whether a request may be sent now."""
        if now_s > self._until_s:
            self.rate = 0.0
        if now_s < self._not_before_s:
            return False
        self._fill(now_s)
        return self.rate <= 0.0 or self._tokens >= ENOUGH

    def sent(self, now_s: float) -> None:
        """Record that a request was sent."""
        self._fill(now_s)
        self._tokens, self._most = max(ENOUGH - 1.0, self._tokens - 1.0), BURST

    def heard(self, feedback: Feedback, answered_s: float) -> None:
        """
        Learn from the answer to a frame or a sample.

        :param answered_s: when the answer arrived.
        """
        is_refused = feedback.status is Status.OVERLOADED
        if not (feedback.is_ok or is_refused):
            return
        self._fill(answered_s)
        if is_refused:
            self._tokens = self._most = 1.0
            self._not_before_s = answered_s + min(feedback.retry_s, LONGEST_PAUSE_S)
        if feedback.rate > 0.0 and self._promised <= 0.0:
            self._begin_window(answered_s)
        self._promised = feedback.rate
        self._until_s = answered_s + max(VALID_S, VALID_PERIODS / feedback.rate if feedback.rate > 0.0 else 0.0)
        if feedback.rate > 0.0:
            self._compare(answered_s, is_refused=is_refused)
        self.rate = min(feedback.rate, self._own) if feedback.rate > 0.0 else 0.0

    def excuses(self, feedback: Feedback) -> bool:
        """Return whether a refusal only says that other robots have their turn, and not that the edge is unwell."""
        return feedback.status is Status.OVERLOADED and feedback.rate > 0.0 and not self.is_broken

    def _fill(self, now_s: float) -> None:
        if self.rate > 0.0:
            self._tokens = min(self._most, self._tokens + self.rate * max(0.0, now_s - self._at_s))
        else:
            self._tokens = 1.0
        self._at_s = now_s

    def _begin_window(self, now_s: float) -> None:
        self._since_s, self._answered, self._refused = now_s, 0, 0

    def _compare(self, now_s: float, *, is_refused: bool) -> None:
        """Count an answer, and compare the promise with the counts at the end of each window."""
        self._answered += not is_refused
        self._refused += is_refused
        requests, window_s = self._answered + self._refused, now_s - self._since_s
        if window_s < WINDOW_S or requests < WINDOW_REQUESTS:
            return
        seen, share = self._answered / window_s, self._refused / requests
        is_bad = share >= BROKEN and seen <= BROKEN * self._promised
        self._bad_windows = self._bad_windows + 1 if is_bad else 0
        if self._bad_windows >= BROKEN_WINDOWS:
            self.is_broken = True
            self._own = max(LEAST_RATE, HOPE * seen)
            if not self.notice:
                self.notice = (
                    f"the edge promised {self._promised:.1f} requests a second and answered {seen:.1f}, "
                    f"it refused {self._refused} of {requests}: the robot counts on what it sees from now on"
                )
        elif self.is_broken:
            self._own *= HOPE
            if share <= KEPT and self._own >= self._promised:
                self.is_broken, self._own = False, math.inf
        self._begin_window(now_s)
