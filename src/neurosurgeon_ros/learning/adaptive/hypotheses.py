# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two hypotheses about a large residual, an outlier or a change, kept until further observations decide."""

from __future__ import annotations

import math

from neurosurgeon_ros.learning.adaptive.log_belief import Belief
from neurosurgeon_ros.learning.interface import FloatArray

#: Standard deviation of the logarithm of a change.
CHANGE_SD = 1.5
#: Residuals beyond this many standard deviations are not noise.
GATE = 3.5
#: Probability at which one of the two hypotheses is accepted.
_CERTAIN = 0.95
#: Number of observations after which the likelier hypothesis is accepted anyway.
_LONGEST_DOUBT = 4


class Hypotheses:
    """
    Beliefs about the terms: one without a change and, while a large residual is unexplained, one with a change.

    :param belief: the initial belief.
    :param common: covariance of the terms that change together, for a standard deviation of 1; shape (d, d).

    :ivar belief: belief that nothing has changed.
    :ivar changed: belief that the terms have changed; None while no residual is unexplained.
    :ivar probability: probability of a change.
    """

    def __init__(self, belief: Belief, common: FloatArray) -> None:
        self.belief = belief
        self.changed: Belief | None = None
        self.probability = 0.0
        self._change_cov = CHANGE_SD**2 * common
        self._common = common
        self._trigger, self._age, self._fitted = 0.0, 0, False
        self._slower, self._faster = _Surprises(2.0, 1.0), _Surprises(0.2, 1.0)

    @property
    def likelier(self) -> Belief:
        """Return the likelier belief."""
        return self.belief if self.changed is None or self.probability < 0.5 else self.changed

    def all(self) -> tuple[Belief, ...]:
        """Return all current beliefs."""
        return (self.belief,) if self.changed is None else (self.belief, self.changed)

    def drift(self, variance: float) -> None:
        """Let the terms that change together drift, by a variance of their logarithm."""
        for belief in self.all():
            room = max(0.0, CHANGE_SD**2 - max(belief.cov.diagonal().tolist()))
            belief.cov += min(room, variance) * self._common

    def suspect(self, x: FloatArray, log_y: float, noise: float, z: float, variance: float) -> None:
        """
        Add the hypothesis that the terms have changed, because an observation has a large residual.

        :param z: the residual.
        :param variance: variance of the prediction and the noise.
        """
        self.probability = self._surprises(z).probability_of_change(z, variance)
        self._trigger, self._age, self._fitted = z, 0, False
        self.changed = self.belief.after_change(self._change_cov, x, log_y, noise)
        self._settle()

    def weigh(self, x: FloatArray, log_y: float, noise: float) -> None:
        """Update the probability of the two hypotheses from an observation; each learns the observation if it fits."""
        if self.changed is None:
            return
        self._age += 1
        odds = []
        fits = []
        for belief in (self.belief, self.changed):
            at = belief.residual(x, log_y)
            z, _, _, spread = at
            variance = spread + noise
            surprises = self._surprises(z)
            share = surprises.outliers / (surprises.outliers + 20.0)
            odds.append(
                (1.0 - share) * _normal(z, variance) + share * _normal(abs(z) - surprises.size, surprises.variance)
            )
            fits.append(abs(z) <= GATE * math.sqrt(variance))
            if fits[-1]:
                belief.correct(x, log_y, noise, at)
        weighted = self.probability * (odds[1] + 1e-12)
        self.probability = weighted / (weighted + (1.0 - self.probability) * (odds[0] + 1e-12))
        self._fitted |= fits[0]
        if not any(fits):
            self.changed = self.changed.after_change(self._change_cov, x, log_y, noise)
        self._settle()

    def _settle(self) -> None:
        """
        Accept a hypothesis when it is certain enough.

        Outliers are isolated. The previous belief is therefore never kept by treating all later observations as
        outliers.
        """
        if self.changed is None:
            return
        certain = self._age > 0 and not 1.0 - _CERTAIN < self.probability < _CERTAIN
        refuted = self.probability <= 0.5 and not self._fitted
        if (refuted or not certain) and self._age < _LONGEST_DOUBT:
            return
        has_changed = refuted or self.probability > 0.5
        self._surprises(self._trigger).learn(self._trigger, has_changed)
        if has_changed:
            self.belief = self.changed
        self.changed, self.probability = None, 0.0

    def _surprises(self, z: float) -> _Surprises:
        return self._slower if z > 0.0 else self._faster


class _Surprises:
    """
    Statistics of the large residuals of one sign: outliers and changes.

    :param outliers: number of outliers that are assumed before the first residual.
    :param changes: number of changes that are assumed before the first residual.
    """

    def __init__(self, outliers: float, changes: float) -> None:
        self.outliers, self.changes = outliers, changes
        self.size, self.variance, self.count = 0.8, 0.6**2, 2.0

    def probability_of_change(self, z: float, variance: float) -> float:
        """Return the probability that a residual is a change."""
        outlier = self.outliers * _normal(abs(z) - self.size, self.variance + variance)
        change = self.changes * 2.0 * _normal(z, CHANGE_SD**2 + variance)
        return change / (change + outlier + 1e-300)

    def learn(self, z: float, changed: bool) -> None:
        """Learn whether a residual was a change or an outlier."""
        if changed:
            self.changes += 1.0
            return
        self.outliers += 1.0
        self.count += 1.0
        error = abs(z) - self.size
        self.size += error / self.count
        self.variance += (error * error - self.variance) / self.count


def _normal(z: float, variance: float) -> float:
    """Return the density at z of a normal distribution with mean 0."""
    return math.exp(-0.5 * z * z / variance) / math.sqrt(2.0 * math.pi * variance)
