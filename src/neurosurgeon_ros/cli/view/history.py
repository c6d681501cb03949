# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The run so far, as the page shows it: written by the run's thread, read by the server's."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque
from dataclasses import dataclass

from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Frames that the charts show.
SHOWN = 150

#: Frames of the moving mean, and of the rate.
RECENT = 30


@dataclass(frozen=True, slots=True)
class Point:
    """
    A frame with what is only known in its row.

    :param number: of the frame, from 1, in the order of arrival.
    :param mean_s: of the total delay of the last `RECENT` frames.
    """

    number: int
    decision: SeenDecision
    mean_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How the run stands.

    :param title: what is run.
    :param frames: after how many it ends.
    :param mean_s: total delay of all frames; 0 before the first.
    :param rate_hz: accepted frames per second, by the camera's stamps, of the last `RECENT`; 0 if not known.
    :param outcomes: frames by outcome.
    :param ended: whether it is over.
    """

    title: str
    frames: int
    last: Point | None = None
    mean_s: float = 0.0
    rate_hz: float = 0.0
    outcomes: tuple[tuple[str, int], ...] = ()
    ended: bool = False


class History:
    """
    The last frames, and the figures of all.

    :param title: what is run.
    :param frames: after how many the run ends.
    """

    def __init__(self, title: str, frames: int) -> None:
        self._lock = threading.Lock()
        self._points: deque[Point] = deque(maxlen=SHOWN)
        self._standing = Standing(title, frames)
        self._sum_s = 0.0
        self._outcomes: Counter[str] = Counter()

    @property
    def standing(self) -> Standing:
        """How the run stands now."""
        return self._standing

    def add(self, decision: SeenDecision) -> None:
        """Add a frame."""
        with self._lock:
            number = self._points[-1].number + 1 if self._points else 1
            recent = [*(point.decision for point in list(self._points)[1 - RECENT :]), decision]
            mean_s = sum(one.total_delay for one in recent) / len(recent)
            point = Point(number, decision, mean_s)
            self._points.append(point)
            self._sum_s += decision.total_delay
            self._outcomes[decision.outcome] += 1
            seconds = 1e-9 * (decision.header.stamp_ns - recent[0].header.stamp_ns)
            self._standing = dataclasses.replace(
                self._standing,
                last=point,
                mean_s=self._sum_s / number,
                rate_hz=(len(recent) - 1) / seconds if seconds > 0.0 else 0.0,
                outcomes=tuple(self._outcomes.most_common()),
            )

    def after(self, number: int) -> list[Point]:
        """Return the frames with a higher number, as far as they are kept, in order."""
        with self._lock:
            return [point for point in self._points if point.number > number]

    def end(self) -> None:
        """Record that the run is over."""
        with self._lock:
            self._standing = dataclasses.replace(self._standing, ended=True)
