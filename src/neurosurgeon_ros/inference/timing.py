# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measurement of the time that a step takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_seconds(step: Callable[[], object], repeats: int) -> float:
    """Return the seconds of the fastest run of a step, which nothing else delayed."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
