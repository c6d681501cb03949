# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two hypotheses about a large residual, an outlier or a change, held until further observations tell which it was."""

from __future__ import annotations

import math

from neurosurgeon_ros.learning.adaptive.log_belief import Belief
from neurosurgeon_ros.learning.interface import FloatArray

#: Standard deviation of the logarithm of a change.
CHANGE_SD = 1.5
#: Residuals beyond this many standard deviations are no noise.
GATE = 3.5
#: Probability at which one of two hypotheses is taken for the truth.
_CERTAIN = 0.95
#: Observations after which the likelier hypothesis is taken anyway.
_LONGEST_DOUBT = 4


class Hypotheses:
    """
    What is believed of the terms: as before, or, while a large residual is unexplained, also that they have changed.

    :param belief: to begin with.
    :param common: covariance of what changes together, for a standard deviation of 1; shape (d, d).

    :ivar belief: that nothing has changed.
    :ivar changed: that something has; None while no residual is unexplained.
    :ivar probability: of the latter.
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
        """The likelier one."""
        return self.belief if self.changed is None or self.probability < 0.5 else self.changed

    def all(self) -> tuple[Belief, ...]:
        """Return every belief that is held."""
        return (self.belief,) if self.changed is None else (self.belief, self.changed)

    def drift(self, variance: float) -> None:
        """Let what changes together drift by a variance of its logarithm."""
        for belief in self.all():
            room = max(0.0, CHANGE_SD**2 - float(belief.cov.max()))
            belief.cov += min(room, variance) * self._common

    def suspect(self, x: FloatArray, log_y: float, noise: float, z: float, variance: float) -> None:
        """
        Hold a second hypothesis, that the terms have changed, since an observation leaves a large residual.

        :param z: the residual.
        :param variance: of the prediction and the noise.
        """
        self.probability = self._surprises(z).probability_of_change(z, variance)
        self._trigger, self._age, self._fitted = z, 0, False
        self.changed = self.belief.after_change(self._change_cov, x, log_y, noise)
        self._settle()

    def weigh(self, x: FloatArray, log_y: float, noise: float) -> None:
        """Weigh the two hypotheses by an observation, and let each learn it if it fits."""
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
        Take a hypothesis for the truth once it is certain enough.

        Outliers come one by one. So what was believed before is never upheld by calling all that came since an outlier.
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
    What large residuals of one sign turned out to be.

    :param outliers: how many outliers are taken to have been seen before the first.
    :param changes: how many changes.
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
        """Learn what a residual was."""
        if changed:
            self.changes += 1.0
            return
        self.outliers += 1.0
        self.count += 1.0
        error = abs(z) - self.size
        self.size += error / self.count
        self.variance += (error * error - self.variance) / self.count


def _normal(z: float, variance: float) -> float:
    """Return the density of a normal variable of mean 0 at z."""
    return math.exp(-0.5 * z * z / variance) / math.sqrt(2.0 * math.pi * variance)
