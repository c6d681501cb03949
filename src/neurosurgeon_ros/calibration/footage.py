# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Successive frames of one camera, and the streams that a calibration takes from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

#: Rates at which arms with memory are judged, in Hz, as far as the camera's own rate allows.
RATES_HZ = (2.0, 5.0, 10.0, 25.0)

#: A rate may be this share below one of :data:`RATES_HZ` and still count as it: 24.975 Hz is called 25 Hz.
RATE_TOLERANCE = 0.01

#: Minimum duration in seconds. The bootstrap draws blocks of one second, and fewer blocks have no useful interval.
LEAST_S = 4.0

#: Number of streams for each rate, begun at different frames. What a key shows of the scene makes a whole stream agree
#: more or less, so few streams have no useful interval. Arms whose interval is still wide have up to the second number.
STREAMS, MOST_STREAMS = 6, 18

#: Maximum number of frames that are sent in a stream.
MOST_SENT = 40

#: Maximum number of frames of a stream that are judged; they are spread evenly over it.
MOST_JUDGED = 10

Image = NDArray[np.uint8]


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` indices below `count`, as far apart as possible, in ascending order."""
    if most == 1 and count:
        return [count // 2]
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, most))}) if count > 0 else []


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """
    Streams of one rate.

    :param nominal_hz: the one of :data:`RATES_HZ` that they stand for.
    :param rate_hz: the footage's rate divided by `every`.
    :param every: a stream sends every n-th frame.
    :param begins: first frame of each stream; the first few of them are spread over the footage, too.
    :param sent: number of frames of each stream, at least 2.
    """

    nominal_hz: float
    rate_hz: float
    every: int
    begins: tuple[int, ...]
    sent: int

    @property
    def judged(self) -> frozenset[int]:
        """Return which frames of a stream are judged, counted from 0. The first one is a key and is never judged."""
        spread = np.linspace(1, self.sent - 1, min(MOST_JUDGED, self.sent - 1)).round().astype(int)
        return frozenset(spread.tolist())

    @property
    def steps(self) -> int:
        """Return the number of frames of all streams."""
        return len(self.begins) * self.sent


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """
    Successive frames of one camera.

    :param rate_hz: frames per second, above 0.
    :param count: number of frames.
    :param read: returns the frames from a given one on: BGR, shape (H, W, 3), all of the same size.
    """

    rate_hz: float
    count: int
    read: Callable[[int], Iterator[Image]]

    def plans(self) -> tuple[StreamPlan, ...]:
        """
        Return the streams of each rate, from the lowest rate to the highest; empty if the footage is too short.

        Only every n-th frame can be taken, so a rate may be lower than the one of :data:`RATES_HZ`, and is never
        noticeably higher. Footage whose own rate is below the highest of them is also judged at its own rate.
        """
        if self.count / self.rate_hz < LEAST_S:
            return ()
        lower = [hz for hz in RATES_HZ if hz * (1.0 + RATE_TOLERANCE) < self.rate_hz]
        possible = RATES_HZ[: len(lower) + 1]
        steps = sorted({max(1, math.ceil(self.rate_hz / hz - RATE_TOLERANCE)) for hz in possible}, reverse=True)
        plans = (self._plan(every) for every in steps)
        return tuple(plan for plan in plans if plan.sent >= 2)

    def stream(self, begin: int, plan: StreamPlan) -> Iterator[Image]:
        """Return the frames of a stream; there are fewer than planned if the footage ends early."""
        frames = self.read(begin)
        return islice(frames, 0, plan.every * (plan.sent - 1) + 1, plan.every)

    def _plan(self, every: int) -> StreamPlan:
        sent = min(MOST_SENT, self.count // every)
        last = self.count - every * (sent - 1) - 1
        begins = spread(last + 1, MOST_STREAMS)
        turns = MOST_STREAMS // STREAMS
        in_turns = tuple(begin for turn in range(turns) for begin in begins[turn::turns])
        rate_hz = self.rate_hz / every
        nominal_hz = next(hz for hz in RATES_HZ if rate_hz <= hz * (1.0 + RATE_TOLERANCE))
        return StreamPlan(nominal_hz, rate_hz, every, in_turns, sent)
