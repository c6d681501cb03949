# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of policy options. Each check returns the value, or raises a ValueError with a one-sentence message."""

from __future__ import annotations

import math


def in_range(
    name: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> float:
    """
    Check that an option lies in an interval.

    :param name: the option's name, for the message.
    :param value: the given value.
    :param low: lower end, included unless `open_low`.
    :param high: upper end, included unless `open_high`.
    :raises ValueError: if the value is not a finite number or lies outside the interval.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    above = number and (value > low if open_low else value >= low)
    below = number and (value < high if open_high else value <= high)
    if not (above and below):
        left, right = "(" if open_low else "[", ")" if open_high or math.isinf(high) else "]"
        raise ValueError(f"policy option {name} is {value!r}, but must be a number in {left}{low:g}, {high:g}{right}")
    return float(value)


def whole(name: str, value: int, low: int) -> int:
    """
    Check that an option is a whole number of at least `low`.

    :param name: the option's name, for the message.
    :param value: the given value.
    :param low: the smallest value allowed.
    :raises ValueError: if the value is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"policy option {name} is {value!r}, but must be a whole number of at least {low}")
    return value
