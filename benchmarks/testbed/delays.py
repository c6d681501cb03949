# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a run's delays are counted: every camera frame the same, whether it was answered or dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def frame_delays(sent_s: Sequence[float], answered_s: Sequence[float | None], *, end_s: float) -> list[float]:
    """
    Return the delay of every camera frame.

    An answered frame's is from its stamp to its detections. A dropped frame's is one period plus the delay of the next
    frame: until the first detections of anything as new as it. Detections that come after those of a newer frame count
    when they come. Frames at the end after which no answer came count until the end of the run.

    :param sent_s: when each frame was stamped, in order.
    :param answered_s: when its detections came; None: never.
    :param end_s: when the run was given up.
    :returns: seconds, as many as frames.
    """
    delays: list[float] = []
    known_s = end_s
    for sent, answered in zip(reversed(sent_s), reversed(answered_s), strict=True):
        if answered is not None:
            known_s = answered
        delays.append(max(0.0, known_s - sent))
    return delays[::-1]


def percentiles_ms(delays_s: Sequence[float]) -> dict[str, float]:
    """Return mean, p50, p95 and p99, in milliseconds; NaN of nothing."""
    if not delays_s:
        return dict.fromkeys(("mean", "p50", "p95", "p99"), math.nan)
    values = 1e3 * np.asarray(delays_s)
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    named: dict[str, Any] = {"mean": values.mean(), "p50": p50, "p95": p95, "p99": p99}
    return {name: round(float(value), 2) for name, value in named.items()}
