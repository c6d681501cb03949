# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Outstanding requests to the edge, and whether they may still fill the link."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import Context
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key, Kind

#: Rate in bits per second assumed for an unknown link. It is low, so that requests do not pile up on the link.
UNKNOWN_RATE = 2e6

#: A request is given up after this many times its expected duration.
GIVE_UP_FACTOR = 3.0

#: No request is given up before this many seconds: queueing and the back-end alone may take that long.
SHORTEST_S = 0.5

#: A sample or a probe that occupies the link for at most this many seconds does not delay a frame.
MOMENT_S = 0.02


@dataclass(slots=True, eq=False)
class OutstandingRequest:
    """
    One request, from its publication until its answer has been learnt from.

    :param arm: the arm that it was sent for; -1 for a probe or a test of the edge, which no policy chose.
    :param context: context of the policy's choice; None if no policy learns from the request.
    :param sent_s: when it was published, in monotonic seconds.
    :param give_up_s: minimum seconds after `sent_s` before it is given up.
    :param is_awaited: whether a frame waits for its detections; the policy learns from it only after that.

    :ivar overlapped: whether another request of this robot was on the link at the same time.
    :ivar behind: the earlier frame that was on the link when this one was sent; None if there was none.
    :ivar is_disowned: whether the policy that chose it is gone, so no policy learns from it.
    :ivar detections: the edge's detections; None until they arrive.
    :ivar detections_s: when the detections arrived, in monotonic seconds.
    :ivar feedback: the edge's delay feedback; None until it arrives.
    :ivar feedback_s: when the feedback arrived.
    :ivar reached_s: when it reached the edge, assuming that answers take no time; NaN until it has been learnt from.
    :ivar answered_s: when its answer arrived; NaN until then.
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
        """Return whether its bytes may still be on the link."""
        return self.detections is None


class OutstandingRequests:
    """
    Requests that are not answered yet. Owned by one thread.

    :param lifespan_s: seconds after which a request is no longer sent.
    """

    def __init__(self, lifespan_s: float = math.inf) -> None:
        self._lifespan_s = lifespan_s
        self._open: dict[Key, OutstandingRequest] = {}
        self._rate = UNKNOWN_RATE

    def add(self, request: OutstandingRequest) -> None:
        """
        Add a request that is published now, and mark it and every other request on the link as overlapped.

        Two frames do not overlap, because frames are sent one after another. The later frame only records that it is
        behind the earlier one.
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
        Remove a request that was answered, and update the link's rate from it.

        :param transmit_s: round-trip seconds on the link.
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
        """Give up requests that have taken too long, and return every other request that is not answered."""
        for request in [one for one in self._open.values() if now_s - one.sent_s > self._longest_s(one)]:
            self.remove(request)
        return tuple(self._open.values())

    def fills_link(self, now_s: float, *, frames: int = 1) -> bool:
        """Return whether `frames` frames, or another request that is not over in a moment, are on the link."""
        on_link = [request for request in self.under_way(now_s) if request.is_on_link]
        others = [request for request in on_link if request.key.kind is not Kind.FRAME]
        return len(on_link) - len(others) >= frames or any(
            8.0 * request.sent_bytes / self._rate > MOMENT_S for request in others
        )

    def disown(self) -> None:
        """Exclude outstanding requests from learning. They still fill the link."""
        for request in self._open.values():
            request.is_disowned = True

    def clear(self) -> None:
        """Remove all requests, because the edge that should answer them is gone."""
        for request in list(self._open.values()):
            self.remove(request)

    def _longest_s(self, request: OutstandingRequest) -> float:
        slowest = min(self._rate, UNKNOWN_RATE)
        longest_s = max(request.give_up_s, GIVE_UP_FACTOR * 8.0 * request.sent_bytes / slowest)
        return min(longest_s, self._lifespan_s)
