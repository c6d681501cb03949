# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A limit on one term of a sum relative to another term, and the return to its prior without observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import FloatArray


@dataclass(frozen=True, slots=True)
class Surcharge:
    """
    A term that is at most a known multiple of another term. phi are the logarithms of the terms of a sum.

    Without observations, the difference ``phi[term] - phi[of]`` returns to its prior, which has mean 0.

    :param term: index of the limited term.
    :param of: index of the other term.
    :param most: maximum of the difference.
    :param sd: standard deviation of the difference's prior.
    :param forget_s: seconds without observations after which the expected difference has fallen to 1/e.
    """

    term: int
    of: int
    most: float
    sd: float
    forget_s: float

    def forgotten(self, mean: FloatArray, cov: FloatArray, seconds: float) -> tuple[FloatArray, FloatArray]:
        """
        Return the belief after `seconds` without observations. The difference moves towards its prior.

        :param mean: expected phi, shape (d,).
        :param cov: covariance of phi, shape (d, d).
        """
        keep = math.exp(-seconds / self.forget_s)
        mean, cov = mean.copy(), cov.copy()
        for array in (mean, cov, cov.T):
            array[self.term] = keep * array[self.term] + (1.0 - keep) * array[self.of]
        cov[self.term, self.term] += (1.0 - keep * keep) * self.sd**2
        return mean, cov


def limited(mean: FloatArray, surcharges: Sequence[Surcharge]) -> FloatArray:
    """Return the expected phi, shape (d,), with each surcharge that is above its maximum lowered to it."""
    for one in surcharges:
        most = mean[one.of] + one.most
        if mean[one.term] > most:
            mean = mean.copy()
            mean[one.term] = most
    return mean
