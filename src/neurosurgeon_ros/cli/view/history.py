# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The run so far, as the page shows it. The run's thread writes it, and the server's thread reads it."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque
from dataclasses import dataclass

from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Number of frames that the charts show.
SHOWN = 150

#: Number of frames in the moving mean and the rate.
RECENT = 30


@dataclass(frozen=True, slots=True)
class Point:
    """
    A frame with the values that depend on earlier frames.

    :param number: number of the frame, from 1, in the order of arrival.
    :param mean_s: mean total delay of the last `RECENT` frames, in seconds.
    """

    number: int
    decision: SeenDecision
    mean_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """
    Current state of the run.

    :param title: description of the run.
    :param frames: number of frames after which it ends.
    :param mean_s: mean total delay of all frames, in seconds; 0 before the first.
    :param rate_hz: accepted frames per second, by the camera's stamps, of the last `RECENT`; 0 if not known.
    :param outcomes: number of frames by outcome.
    :param ended: whether the run is over.
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
    The last frames, and the figures of all frames.

    :param title: description of the run.
    :param frames: number of frames after which the run ends.
    """

    def __init__(self, title: str, frames: int) -> None:
        self._lock = threading.Lock()
        self._points: deque[Point] = deque(maxlen=SHOWN)
        self._standing = Standing(title, frames)
        self._sum_s = 0.0
        self._outcomes: Counter[str] = Counter()

    @property
    def standing(self) -> Standing:
        """Return the current state of the run."""
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
        """Return the kept frames with a higher number, in order."""
        with self._lock:
            return [point for point in self._points if point.number > number]

    def end(self) -> None:
        """Record that the run is over."""
        with self._lock:
            self._standing = dataclasses.replace(self._standing, ended=True)
