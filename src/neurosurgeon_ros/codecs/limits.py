# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Find limits for quantisation once, on the tensors of a calibration, instead of separately for each tensor.

A few outliers extend a tensor's own range and make every step coarser. Limits that clip the outliers lose those values
but give finer steps for all others. The limits minimise the mean squared error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

#: Fractions of the full range to try.
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Range to quantise: one for the whole tensor, or one for each channel.

    :param low: finite, at most 0.
    :param high: finite, at least 0; same length as `low`.
    :raises ValueError: the limits do not meet these conditions.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.low or len(self.low) != len(self.high):
            raise ValueError(f"{len(self.low)} lower and {len(self.high)} upper limits were given, not as many of each")
        if not all(math.isfinite(low) and low <= 0.0 for low in self.low):
            raise ValueError("a lower limit of quantisation is not a number up to 0")
        if not all(math.isfinite(high) and high >= 0.0 for high in self.high):
            raise ValueError("an upper limit of quantisation is not a number from 0")


#: Limits for each tensor that crosses at a partition point; None if its codec takes no limits.
CrossingLimits = tuple[Limits | None, ...]


def fit_limits(values: torch.Tensor, most: int) -> Limits:
    """
    Return the limits that minimise the loss of rounding to whole steps.

    :param values: finite float32, shape (n, channels), n > 0.
    :param most: number of steps in the range, at least 1.
    """
    lowest, highest = values.min(dim=0).values.clamp(max=0), values.max(dim=0).values.clamp(min=0)
    low, high = lowest, highest
    least = _squared_error(values, low, high, most)
    for share in _SHARES[1:]:
        error = _squared_error(values, low, share * highest, most)
        high, least = torch.where(error < least, share * highest, high), torch.minimum(error, least)
    for share in (*_SHARES[1:], 0.1, 0.0):
        error = _squared_error(values, share * lowest, high, most)
        low, least = torch.where(error < least, share * lowest, low), torch.minimum(error, least)
    return Limits(tuple(map(float, low)), tuple(map(float, high)))


def _squared_error(values: torch.Tensor, low: torch.Tensor, high: torch.Tensor, most: int) -> torch.Tensor:
    """Return the mean squared error of each channel."""
    scale = ((high - low) / most).clamp(min=torch.finfo(torch.float32).tiny)
    zero_point = (-low / scale).round()
    steps = (values / scale).round_().add_(zero_point).clamp_(0, most).sub_(zero_point).mul_(scale)
    return steps.sub_(values).square_().mean(dim=0)
