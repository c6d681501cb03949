# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A belief about the logarithms of positive terms of an observed sum, as in an extended Kalman filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.adaptive.surcharge import Surcharge, limited
from neurosurgeon_ros.learning.interface import FloatArray

#: Residual, shares (d,), covariance times shares (d,), and the prediction's variance.
Residual = tuple[float, FloatArray, FloatArray, float]


@dataclass(slots=True, eq=False)
class Belief:
    """
    A belief about phi, the logarithms of d terms.

    :param mean: shape (d,).
    :param cov: covariance, shape (d, d).
    """

    mean: FloatArray
    cov: FloatArray

    def residual(self, x: FloatArray, log_y: float) -> Residual:
        """Linearise at the mean, and return the values that :data:`Residual` lists."""
        return _residual(self.mean, self.cov, x, log_y)

    def correct(self, x: FloatArray, log_y: float, noise: float, at: Residual | None = None) -> None:
        """
        Learn one observation by a Kalman correction, iterated if the step is long enough to change the shares.

        :param x: nominal seconds of each term, shape (d,).
        :param noise: variance of `log_y`.
        :param at: result of :meth:`residual` for this observation.
        """
        start = mean = self.mean
        z, shares, direction, spread = at or self.residual(x, log_y)
        for _ in range(3):
            gain = direction / (spread + noise)
            moved = start + gain * (z - float(shares @ (start - mean)))
            step = max(map(abs, (moved - mean).tolist()))
            mean = moved
            if step < 0.1:
                break
            z, shares, direction, spread = _residual(mean, self.cov, x, log_y)
        self.mean = mean
        self.cov = self.cov - direction[:, None] * (direction / (spread + noise))

    def after_change(self, cov: FloatArray, x: FloatArray, log_y: float, noise: float) -> Belief:
        """
        Return the belief that the terms have changed before this observation.

        :param cov: covariance of the change, shape (d, d).
        """
        changed = Belief(self.mean.copy(), self.cov + cov)
        changed.correct(x, log_y, noise)
        return changed

    def limit(self, surcharges: Sequence[Surcharge]) -> None:
        """Lower each surcharge to its maximum."""
        self.mean = limited(self.mean, surcharges)

    def forget(self, surcharge: Surcharge, seconds: float) -> None:
        """Let a surcharge return towards its prior for `seconds`."""
        self.mean, self.cov = surcharge.forgotten(self.mean, self.cov, seconds)

    def refute(self, j: int, most: float, sd: float) -> None:
        """Lower the logarithm of term j to `most`, and remove its correlation with the other terms."""
        self.mean, self.cov = self.mean.copy(), self.cov.copy()
        self.mean[j] = most
        self.cov[j, :] = self.cov[:, j] = 0.0
        self.cov[j, j] = sd * sd


def fit(
    early: Sequence[tuple[FloatArray, float, float]],
    prior_precision: FloatArray,
    surcharges: Sequence[Surcharge] = (),
) -> Belief:
    """
    Fit the first observations together. One by one, each would be linearised at a mean that is still far off.

    The fit takes Gauss-Newton steps from the prior, and gives large residuals less weight, as Student's t-distribution
    does.

    :param early: x, log y and variance of each observation.
    :param prior_precision: inverse covariance of the prior, which has mean 0; shape (d, d).
    :param surcharges: limits of the terms.
    """
    x = np.stack([one[0] for one in early])
    log_y = np.array([one[1] for one in early])
    noise = np.array([one[2] for one in early])
    mean = np.zeros(len(prior_precision))
    for _ in range(8):
        terms = x * np.exp(mean)
        total = terms.sum(axis=1)
        shares = terms / total[:, None]
        z = log_y - np.log(total)
        weight = 1.0 / (noise + 0.25 * z * z) if len(z) > 2 else 1.0 / noise
        precision = prior_precision + (shares.T * weight) @ shares
        step = np.linalg.solve(precision, shares.T @ (weight * z) - prior_precision @ mean)
        mean = limited(mean + np.clip(step, -1.0, 1.0), surcharges)
        if np.max(np.abs(step)) < 0.02:
            break
    return Belief(mean, np.linalg.inv(precision))


def _residual(mean: FloatArray, cov: FloatArray, x: FloatArray, log_y: float) -> Residual:
    terms = x * np.exp(mean)
    total = sum(terms.tolist())  # faster than NumPy for a few terms
    terms /= total
    direction = cov @ terms
    return log_y - math.log(total), terms, direction, float(terms @ direction)
