# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to the edge that are under way, and what of them could still fill the link."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import Context
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key, Kind

#: Bits per second assumed of a link of which nothing is known yet: slow, so that nothing is piled onto it.
UNKNOWN_RATE = 2e6

#: A request is given up once this many times its expected duration have passed.
GIVE_UP_FACTOR = 3.0

#: Seconds below which no request is given up: queueing and the back-end may take so long on their own.
SHORTEST_S = 0.5

#: A sample or a probe that takes the link no longer than this many seconds is in no frame's way.
MOMENT_S = 0.02


@dataclass(slots=True, eq=False)
class OutstandingRequest:
    """
    One request from its publication until its answer has been learnt from.

    :param arm: the arm that it was sent for; -1 for a probe, or a test of the edge, which no policy chose.
    :param context: what the policy knew when it chose; None if nobody is to learn from it.
    :param sent_s: when it was published, monotonic seconds.
    :param give_up_s: it is not given up sooner than this many seconds after that.
    :param is_awaited: a frame waits for its detections, and learns from it only then.

    :ivar overlapped: another request of ours was on the link during this one.
    :ivar behind: the frame before it that was on the link when it was sent; None if there was none.
    :ivar is_disowned: the policy that chose it is gone, so that nobody learns from it.
    :ivar detections: the edge's answer; None until it is here.
    :ivar detections_s: when it came, monotonic seconds.
    :ivar feedback: what it cost at the edge; None until it is here.
    :ivar feedback_s: when that came.
    :ivar reached_s: when it had reached the edge, if answers take no time; NaN until it has been learnt from.
    :ivar answered_s: when its answer came; NaN until then.
    """

    key: Key
    arm: int
    context: Context | None
    sent_s: float
    sent_bytes: int
    give_up_s: float = SHORTEST_S
    is_awaited: bool = False
    overlapped: bool = False
    behind: OutstandingRequest | None = None
    is_disowned: bool = False
    detections: Detections | None = None
    detections_s: float = math.nan
    feedback: Feedback | None = None
    feedback_s: float = math.nan
    reached_s: float = math.nan
    answered_s: float = math.nan

    @property
    def is_on_link(self) -> bool:
        """Whether its bytes could still be on the link."""
        return self.detections is None


class OutstandingRequests:
    """The requests that are not answered yet. Owned by one thread."""

    def __init__(self) -> None:
        self._open: dict[Key, OutstandingRequest] = {}
        self._rate = UNKNOWN_RATE

    def add(self, request: OutstandingRequest) -> None:
        """
        Take up a request that is published now; whatever else is on the link is marked as overlapped, and so is this.

        But frames go one after the other, so that the later one is only noted to be behind the earlier.
        """
        for other in self.under_way(request.sent_s):
            if not other.is_on_link:
                continue
            if request.key.kind is Kind.FRAME and other.key.kind is Kind.FRAME:
                request.behind = other
            else:
                request.overlapped = other.overlapped = True
        self._open[request.key] = request

    def answered(self, request: OutstandingRequest, transmit_s: float) -> None:
        """
        Take out a request that was answered, which also shows the link's rate.

        :param transmit_s: seconds on the link, there and back.
        """
        self.remove(request)
        if request.sent_bytes > 0 and transmit_s > 0.0:
            self._rate = 8.0 * request.sent_bytes / transmit_s

    def find(self, key: Key) -> OutstandingRequest | None:
        """Return the request with this key, or None."""
        return self._open.get(key)

    def remove(self, request: OutstandingRequest) -> None:
        """Remove a request."""
        self._open.pop(request.key, None)
        request.behind = None

    def under_way(self, now_s: float) -> tuple[OutstandingRequest, ...]:
        """Return every request that is not answered; those that have taken too long are given up first."""
        for request in [one for one in self._open.values() if now_s - one.sent_s > self._longest_s(one)]:
            self.remove(request)
        return tuple(self._open.values())

    def fills_link(self, now_s: float, *, frames: int = 1) -> bool:
        """Whether so many frames, or something else that takes the link more than a moment, are under way."""
        on_link = [request for request in self.under_way(now_s) if request.is_on_link]
        others = [request for request in on_link if request.key.kind is not Kind.FRAME]
        return len(on_link) - len(others) >= frames or any(
            8.0 * request.sent_bytes / self._rate > MOMENT_S for request in others
        )

    def disown(self) -> None:
        """Discard what outstanding requests would teach; they still fill the link."""
        for request in self._open.values():
            request.is_disowned = True

    def clear(self) -> None:
        """Forget everything, since the edge that was to answer is gone."""
        for request in list(self._open.values()):
            self.remove(request)

    def _longest_s(self, request: OutstandingRequest) -> float:
        slowest = min(self._rate, UNKNOWN_RATE)
        return max(request.give_up_s, GIVE_UP_FACTOR * 8.0 * request.sent_bytes / slowest)
