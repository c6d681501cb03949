# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A delay that is a sum of positive terms, learnt with noise proportional to the delay, and tracked while it changes.

    log y = log(sum_j exp(phi_j) x_j) + offset(arm) + noise

is an extended Kalman filter's model: the derivative of the right side by phi_j is the share of term j in the sum. So
terms are positive by construction, a factor of two is one step whatever the unit, and one observation moves each phi_j
by as much as its term explains. A residual that is too large for noise is held as two hypotheses, an outlier or a
change, until further observations tell which it was; how often and how large either is, is learnt on the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray

#: Observations at the start that are fitted together.
_EARLY = 6
#: Residuals beyond this many standard deviations are no noise.
_GATE = 3.5
#: Probability at which one of two hypotheses is taken for the truth.
_CERTAIN = 0.95
#: Observations after which the likelier hypothesis is taken anyway.
_PATIENCE = 4
#: Bounds of the noise's variance, of log y.
_NOISE_LOW, _NOISE_HIGH = 0.02**2, 0.5**2
#: Bounds of the level's drift, variance of its logarithm per second.
_DRIFT_LOW, _DRIFT_HIGH = 1e-5, 0.5
#: How doubt grows while nothing is observed: standard deviation per second, and at most.
_STALE_PER_S, _STALE_HIGH = 0.15, 1.5
#: Standard deviation of the logarithm of what the level may have changed by while the robot was off.
_RESTORED_SD = 0.5
#: Standard deviation of the logarithm of a change.
_CHANGE_SD = 1.5
#: A lasting term that alone is expected to take this many times the whole observation is refuted by it.
_REFUTED = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """
    What is believed of d terms before anything was observed.

    :param sd: standard deviation of each phi_j on its own, shape (d,).
    :param level: 1 for terms that change together (the link's rate, the edge's load), else 0; shape (d,).
    :param level_sd: standard deviation of what they have in common.
    :param noise_sd: standard deviation of log y at first; it is learnt.
    :param offset_sd: standard deviation of each arm's own offset.
    :param drift: variance per second by which the level wanders at first; it is learnt.
    """

    sd: FloatArray
    level: FloatArray
    level_sd: float
    noise_sd: float = 0.1
    offset_sd: float = 0.1
    drift: float = 0.03


#: Residual, shares (d,), covariance times shares (d,), and the prediction's variance.
_Residual = tuple[float, FloatArray, FloatArray, float]


@dataclass(slots=True, eq=False)
class _Belief:
    """Mean and covariance of phi."""

    mean: FloatArray
    cov: FloatArray

    def copy(self) -> _Belief:
        return _Belief(self.mean.copy(), self.cov.copy())


class _Surprises:
    """What large residuals of one sign turned out to be: the share of changes, and the size of outliers."""

    def __init__(self, outliers: float, changes: float) -> None:
        self.outliers, self.changes = outliers, changes
        self.size, self.variance, self.count = 0.8, 0.6**2, 2.0

    def probability_of_change(self, z: float, variance: float) -> float:
        outlier = self.outliers * _normal(abs(z) - self.size, self.variance + variance)
        change = self.changes * 2.0 * _normal(z, _CHANGE_SD**2 + variance)
        return change / (change + outlier + 1e-300)

    def learn(self, z: float, changed: bool) -> None:
        if changed:
            self.changes += 1.0
            return
        self.outliers += 1.0
        self.count += 1.0
        error = abs(z) - self.size
        self.size += error / self.count
        self.variance += (error * error - self.variance) / self.count


class LogFilter:
    """
    The learner; times are seconds.

    :param prior: of the d terms, in units in which phi = 0 is the nominal value.
    :param n_arms: arms that have an offset of their own.
    :param track: whether the level drifts.
    :param detect: whether large residuals are told apart into outliers and changes.
    """

    def __init__(self, prior: Prior, n_arms: int, *, track: bool = True, detect: bool = True) -> None:
        self._level, self._track, self._detect = prior.level, track, detect
        self._dimension = len(prior.sd)
        common = np.outer(prior.level, prior.level)
        self._belief = _Belief(np.zeros(self._dimension), np.diag(prior.sd**2) + prior.level_sd**2 * common)
        self._used = prior.level / max(1.0, float(prior.level.sum()))
        self._common, self._ones = common, np.ones(self._dimension)
        self._other: _Belief | None = None
        self._probability, self._trigger, self._age, self._fitted = 0.0, 0.0, 0, False
        self._noise, self._drift = prior.noise_sd**2, prior.drift if track else 0.0
        self._offset, self._offset_var = np.zeros(n_arms), np.full(n_arms, prior.offset_sd**2)
        self._prior_precision = np.linalg.inv(self._belief.cov)
        self._lasting = [(j, float(prior.sd[j])) for j in np.flatnonzero(prior.level == 0.0)]
        self._early: list[tuple[FloatArray, float, float]] = []
        self._count, self._last_score, self._idle_s = 0, 0.0, 0.0
        self._slower, self._faster = _Surprises(2.0, 1.0), _Surprises(0.2, 1.0)

    @property
    def count(self) -> int:
        """Number of observations learnt."""
        return self._count

    @property
    def is_known(self) -> bool:
        """Whether the first observations are in, which are fitted together."""
        return self._count >= _EARLY

    @property
    def pending(self) -> bool:
        """Whether a large residual waits to be told an outlier or a change."""
        return self._other is not None

    @property
    def level_sd(self) -> float:
        """Standard deviation of the level's logarithm."""
        return math.sqrt(max(0.0, float(self._used @ self._belief.cov @ self._used)))

    @property
    def noise_sd(self) -> float:
        """Standard deviation of log y that observations have beside what is not known of them."""
        return math.sqrt(self._noise)

    @property
    def mean(self) -> FloatArray:
        """Expected phi, shape (d,)."""
        return self._belief.mean

    @property
    def idle_s(self) -> float:
        """Seconds since anything was learnt."""
        return self._idle_s

    @property
    def doubt(self) -> float:
        """
        Reason to look again, as a standard deviation of the logarithm: few observations, or old ones.

        The first answers may have come from an edge that was busy or still warming up. This costs looks off the
        critical path only; choices are made with what is known.
        """
        young = 1.0 / self._count if 0 < self._count < _EARLY else 0.0
        return max(young, min(_STALE_HIGH, _STALE_PER_S * self._idle_s))

    def advance(self, seconds: float) -> None:
        """Let time pass: what is known grows old, and the level drifts."""
        self._idle_s += max(0.0, seconds)
        if self._track and seconds > 0.0:
            for belief in (self._belief, self._other):
                if belief is not None:
                    room = max(0.0, _CHANGE_SD**2 - float(belief.cov.max()))
                    belief.cov += min(room, seconds * self._drift) * self._common

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """
        Predict delays and how well they are known.

        :param x: nominal seconds of each term, a row for each arm, shape (n, d).
        :return: seconds, and the standard deviation of their logarithm; shape (n,) each.
        """
        terms = x * np.exp(self._belief.mean)
        total = terms @ self._ones
        terms /= np.maximum(total, 1e-12)[:, None]  # now each term's share
        variance = np.einsum("ij,ij->i", terms @ self._belief.cov, terms)
        variance += self._offset_var
        seconds = total * np.exp(self._offset)
        if self._other is not None:
            changed = (x @ np.exp(self._other.mean)) * np.exp(self._offset)
            seconds += self._probability * (changed - seconds)
        return seconds, np.sqrt(np.maximum(variance, 0.0, out=variance), out=variance)

    def mean_of(self, x: FloatArray, *, arm: int | None = None, shift: float = 0.0) -> FloatArray:
        """
        Predict delays by the likelier hypothesis alone.

        :param x: nominal seconds of each term, shape (n, d).
        :param arm: the arm of a single row, -1 for none; None where there is a row for each arm.
        :param shift: added to the level's logarithm.
        :return: seconds, shape (n,).
        """
        belief = self._belief if self._other is None or self._probability < 0.5 else self._other
        seconds: FloatArray = x @ np.exp(belief.mean + shift * self._level)
        if arm is None or arm >= 0:
            seconds *= np.exp(self._offset if arm is None else self._offset[arm])
        return seconds

    def learn(self, x: FloatArray, seconds: float, arm: int, *, extra_variance: float = 0.0) -> None:
        """
        Learn one observation.

        :param x: nominal seconds of each term, shape (d,).
        :param seconds: what was observed, > 0.
        :param arm: whose offset it carries; -1 for none.
        :param extra_variance: of log y beyond the usual noise; residuals of such an observation prove no change.
        """
        if seconds <= 0.0 or float(x.sum()) <= 0.0:
            return
        self._idle_s = 0.0
        noise = self._noise + extra_variance
        log_y = math.log(seconds) - (float(self._offset[arm]) if arm >= 0 else 0.0)
        offset_var = float(self._offset_var[arm]) if arm >= 0 else 0.0
        if not self.is_known:
            self._count += 1
            self._early.append((x, log_y, noise + offset_var))
            self._belief = self._fit_early()
            return
        self._refute(x, log_y)
        if self._other is not None:
            self._weigh(x, log_y, noise + offset_var)
            return
        at = self._residual(self._belief.mean, self._belief.cov, x, log_y)
        z, _, _, spread = at
        variance = spread + offset_var + noise
        known = spread < 0.25
        if self._detect and known and abs(z) > _GATE * math.sqrt(variance):
            if extra_variance == 0.0:
                self._suspect(x, log_y, noise, z, variance)
            return
        self._count += 1
        self._correct(self._belief, x, log_y, noise + offset_var, at)
        if arm >= 0:
            gain = offset_var / variance
            self._offset[arm] += gain * z
            self._offset_var[arm] = max((1.0 - gain) * offset_var, 1e-6)
        if known and extra_variance == 0.0:
            self._tune(z, spread + offset_var, variance)

    def _refute(self, x: FloatArray, log_y: float) -> None:
        """
        Lower each lasting term that is expected to take far longer than all terms together have taken.

        A change is one of the level. What came late in an outage may have been ascribed to a lasting term instead, and
        every observation after it would look like another change.
        """
        for belief in [self._belief] if self._other is None else [self._belief, self._other]:
            for j, sd in self._lasting:
                if x[j] > 0.0 and belief.mean[j] + math.log(x[j]) > log_y + math.log(_REFUTED):
                    belief.mean = belief.mean.copy()
                    belief.mean[j] = log_y - math.log(x[j])
                    belief.cov = belief.cov.copy()
                    belief.cov[j, :] = belief.cov[:, j] = 0.0
                    belief.cov[j, j] = sd * sd

    def _fit_early(self) -> _Belief:
        """
        Fit all of the first observations at once: one by one, each would be linearised at a mean that is still far off.

        Gauss and Newton's steps from the prior, large residuals weighed down as by Student's distribution.
        """
        x = np.stack([early[0] for early in self._early])
        log_y = np.array([early[1] for early in self._early])
        noise = np.array([early[2] for early in self._early])
        mean = np.zeros(self._dimension)
        for _ in range(8):
            terms = x * np.exp(mean)
            total = terms.sum(axis=1)
            shares = terms / total[:, None]
            z = log_y - np.log(total)
            weight = 1.0 / (noise + 0.25 * z * z) if len(z) > 2 else 1.0 / noise
            precision = self._prior_precision + (shares.T * weight) @ shares
            step = np.linalg.solve(precision, shares.T @ (weight * z) - self._prior_precision @ mean)
            mean = mean + np.clip(step, -1.0, 1.0)
            if np.max(np.abs(step)) < 0.02:
                break
        return _Belief(mean, np.linalg.inv(precision))

    def _residual(self, mean: FloatArray, cov: FloatArray, x: FloatArray, log_y: float) -> _Residual:
        """Linearise at a mean: the residual there, the shares, cov times the shares, and the prediction's variance."""
        terms = x * np.exp(mean)
        total = float(terms.sum())
        terms /= total
        direction = cov @ terms
        return log_y - math.log(total), terms, direction, float(terms @ direction)

    def _correct(self, belief: _Belief, x: FloatArray, log_y: float, noise: float, at: _Residual | None = None) -> None:
        """Kalman's correction, iterated where the step is long enough for the shares to change."""
        start = mean = belief.mean
        z, shares, direction, spread = at or self._residual(mean, belief.cov, x, log_y)
        for _ in range(3):
            gain = direction / (spread + noise)
            moved = start + gain * (z - float(shares @ (start - mean)))
            step = float(np.abs(moved - mean).max())
            mean = moved
            if step < 0.1:
                break
            z, shares, direction, spread = self._residual(mean, belief.cov, x, log_y)
        belief.mean = mean
        belief.cov = belief.cov - direction[:, None] * (direction / (spread + noise))

    def _suspect(self, x: FloatArray, log_y: float, noise: float, z: float, variance: float) -> None:
        """Hold a second hypothesis: that the level has changed."""
        self._probability = self._surprises(z).probability_of_change(z, variance)
        self._trigger, self._age, self._fitted = z, 0, False
        self._other = self._changed(self._belief, x, log_y, noise)
        self._settle()

    def _changed(self, belief: _Belief, x: FloatArray, log_y: float, noise: float) -> _Belief:
        changed = belief.copy()
        changed.cov += _CHANGE_SD**2 * self._common
        self._correct(changed, x, log_y, noise)
        return changed

    def _weigh(self, x: FloatArray, log_y: float, noise: float) -> None:
        """Weigh the two hypotheses by an observation, and let each learn it if it fits."""
        if self._other is None:
            return
        self._age += 1
        odds = []
        fits = []
        for belief in (self._belief, self._other):
            at = self._residual(belief.mean, belief.cov, x, log_y)
            z, _, _, spread = at
            variance = spread + noise
            surprises = self._surprises(z)
            share = surprises.outliers / (surprises.outliers + 20.0)
            odds.append(
                (1.0 - share) * _normal(z, variance) + share * _normal(abs(z) - surprises.size, surprises.variance)
            )
            fits.append(abs(z) <= _GATE * math.sqrt(variance))
            if fits[-1]:
                self._correct(belief, x, log_y, noise, at)
        weighted = self._probability * (odds[1] + 1e-12)
        self._probability = weighted / (weighted + (1.0 - self._probability) * (odds[0] + 1e-12))
        self._fitted |= fits[0]
        if not any(fits):
            self._other = self._changed(self._other, x, log_y, noise)
        self._settle()

    def _settle(self) -> None:
        """
        Take a hypothesis for the truth once it is certain enough.

        Outliers come one by one. So what was believed before is never upheld by calling all that came since an outlier.
        """
        if self._other is None:
            return
        certain = self._age > 0 and not 1.0 - _CERTAIN < self._probability < _CERTAIN
        refuted = self._probability <= 0.5 and not self._fitted
        if (refuted or not certain) and self._age < _PATIENCE:
            return
        changed = refuted or self._probability > 0.5
        self._surprises(self._trigger).learn(self._trigger, changed)
        if changed:
            self._belief = self._other
        self._other, self._probability = None, 0.0

    def state(self) -> dict[str, Any]:
        """Give what was learnt, as JSON takes it."""
        return {
            "mean": self._belief.mean.tolist(),
            "cov": self._belief.cov.tolist(),
            "offset": self._offset.tolist(),
            "offset_var": self._offset_var.tolist(),
            "noise": self._noise,
            "drift": self._drift,
            "count": self._count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Go on from what was learnt before; the level may have changed since.

        :raises ValueError: if the state is of another number of terms or arms.
        """
        arrays = {key: np.array(state[key], dtype=np.float64) for key in ("mean", "cov", "offset", "offset_var")}
        shapes = (self._dimension,), (self._dimension, self._dimension), self._offset.shape, self._offset.shape
        for (key, array), shape in zip(arrays.items(), shapes, strict=True):
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{key} has shape {array.shape}, but must have shape {shape} and be finite")
        if state["count"] < _EARLY:
            return
        self._belief = _Belief(arrays["mean"], arrays["cov"] + _RESTORED_SD**2 * self._common)
        self._offset, self._offset_var = arrays["offset"], arrays["offset_var"]
        self._noise, self._drift = float(state["noise"]), float(state["drift"])
        self._count = int(state["count"])

    def _surprises(self, z: float) -> _Surprises:
        return self._slower if z > 0.0 else self._faster

    def _tune(self, z: float, explained: float, variance: float) -> None:
        """Learn the noise from the residuals' size, and the drift from whether one follows the other."""
        rate = max(1.0 / (10.0 + self._count), 0.02)
        self._noise += rate * (z * z - explained - self._noise)
        self._noise = min(max(self._noise, _NOISE_LOW), _NOISE_HIGH)
        score = min(max(z / math.sqrt(variance), -2.0), 2.0)
        if self._track:
            drift = self._drift * math.exp(0.1 * score * self._last_score)
            self._drift = min(max(drift, _DRIFT_LOW), _DRIFT_HIGH)
        self._last_score = score


def _normal(z: float, variance: float) -> float:
    return math.exp(-0.5 * z * z / variance) / math.sqrt(2.0 * math.pi * variance)
