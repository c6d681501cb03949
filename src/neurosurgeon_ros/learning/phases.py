# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The schedule of forced sampling: phases of doubling length if the horizon is unknown (paper section 3.5)."""

from __future__ import annotations

import math


def phase(frame: int, *, horizon: int, first_phase: int) -> tuple[int, int]:
    """
    Find the phase of a frame.

    :param frame: number t of the frame, from 1.
    :param horizon: number of frames T if known, which is then the length of the only phase; otherwise 0.
    :param first_phase: T_0, length of the first phase if the horizon is unknown.
    :returns: length T_i of the phase, and number of the frame within the phase, from 1.
    """
    if horizon:
        return horizon, frame
    length, first = first_phase, 1
    while frame >= first + length:
        first += length
        length *= 2
    return length, frame - first + 1


def interval(phase_length: int, mu: float) -> int:
    """Return the number of frames between two forced samples in a phase: ceil(T_i^mu)."""
    return math.ceil(math.pow(phase_length, mu))
