# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The delay of each camera frame, whether it was answered or dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def frame_delays(sent_s: Sequence[float], answered_s: Sequence[float | None], *, end_s: float) -> list[float]:
    """
    Return the delay of every camera frame.

    The delay of an answered frame is the time from its stamp to its detections, even if those of a newer frame arrived
    earlier. The delay of a dropped frame is the time from its stamp to the detections of the next answered frame. If no
    later frame was answered, its delay is the time until the end of the run.

    :param sent_s: time of each frame's stamp, in order.
    :param answered_s: time at which its detections arrived; None if they did not.
    :param end_s: time of the end of the run.
    :returns: delays in seconds, one for each frame.
    """
    delays: list[float] = []
    known_s = end_s
    for sent, answered in zip(reversed(sent_s), reversed(answered_s), strict=True):
        if answered is not None:
            known_s = answered
        delays.append(max(0.0, known_s - sent))
    return delays[::-1]


def percentiles_ms(delays_s: Sequence[float]) -> dict[str, float]:
    """Return mean, p50, p95 and p99 in milliseconds; NaN if there are no delays."""
    if not delays_s:
        return dict.fromkeys(("mean", "p50", "p95", "p99"), math.nan)
    values = 1e3 * np.asarray(delays_s)
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    named: dict[str, Any] = {"mean": values.mean(), "p50": p50, "p95": p95, "p99": p99}
    return {name: round(float(value), 2) for name, value in named.items()}
