# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A term that is at most a known multiple of another term, and about which a belief fades without observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import FloatArray


@dataclass(frozen=True, slots=True)
class Surcharge:
    """
    A limit on one of the terms of a sum, all of which are believed in as logarithms phi.

    :param term: index of the term.
    :param of: index of the term that it depends on.
    :param most: maximum of phi[term] - phi[of].
    :param sd: standard deviation of this difference before the first observation; its mean is then 0.
    :param forget_s: seconds after which a difference without observations has fallen to 1/e.
    """

    term: int
    of: int
    most: float
    sd: float
    forget_s: float

    def forgotten(self, mean: FloatArray, cov: FloatArray, seconds: float) -> tuple[FloatArray, FloatArray]:
        """
        Return a belief `seconds` later: the difference has moved towards its prior, and is less certain.

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
    """Return the expected phi with each surcharge lowered to its maximum, shape (d,)."""
    for one in surcharges:
        most = mean[one.of] + one.most
        if mean[one.term] > most:
            mean = mean.copy()
            mean[one.term] = most
    return mean
