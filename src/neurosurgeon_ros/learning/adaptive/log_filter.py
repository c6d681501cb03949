# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Filter that learns a delay as a sum of positive terms with proportional noise, and tracks it while it changes.

    log y = log(sum_j exp(phi_j) x_j) + offset(arm) + noise

is the model of an extended Kalman filter. The derivative of the right side with respect to phi_j is the share of term j
in the sum. Terms are therefore positive by construction, a factor of two is the same step in any unit, and one
observation moves each phi_j in proportion to the share of its term. If a residual is too large for noise, the filter
keeps two hypotheses, an outlier and a change, until further observations decide. It also learns how frequent and how
large outliers and changes are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.adaptive.hypotheses import GATE, Hypotheses
from neurosurgeon_ros.learning.adaptive.log_belief import Belief, fit
from neurosurgeon_ros.learning.adaptive.surcharge import Surcharge
from neurosurgeon_ros.learning.interface import FloatArray

#: Number of observations at the start that are fitted together.
_EARLY = 6
#: Bounds of the noise variance of log y.
_NOISE_LOW, _NOISE_HIGH = 0.02**2, 0.5**2
#: Bounds of the level's drift, as variance of its logarithm per second.
_DRIFT_LOW, _DRIFT_HIGH = 1e-5, 0.5
#: Growth of the doubt without observations: standard deviation per second, and maximum.
_STALE_PER_S, _STALE_HIGH = 0.15, 1.5
#: Surcharges are forgotten in steps of at least this many seconds, because a step takes time.
_FORGET_EVERY_S = 0.5
#: Standard deviation of the change of the level's logarithm while the robot was off.
_RESTORED_SD = 0.5
#: An observation refutes a lasting term that alone is expected to take more than this many times the observed delay.
_REFUTED = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """
    The belief about d terms before the first observation.

    :param sd: standard deviation of each phi_j on its own, shape (d,).
    :param level: 1 for terms that change together (the link's rate, the edge's load), otherwise 0; shape (d,).
    :param level_sd: standard deviation of the common part of these terms.
    :param noise_sd: initial standard deviation of the noise of log y; it is learnt.
    :param offset_sd: standard deviation of each arm's own offset.
    :param drift: initial variance per second of the drift of the level; it is learnt.
    :param surcharges: terms that are limited by another term.
    """

    sd: FloatArray
    level: FloatArray
    level_sd: float
    noise_sd: float = 0.1
    offset_sd: float = 0.1
    drift: float = 0.03
    surcharges: tuple[Surcharge, ...] = ()


class LogFilter:
    """
    Learns the terms of one such sum. Times are in seconds.

    :param prior: prior of the d terms, in units in which phi = 0 is the nominal value.
    :param n_arms: number of arms, each of which has its own offset.
    :param track: whether the level drifts.
    :param detect: whether large residuals are classified as outliers or changes.
    """

    def __init__(self, prior: Prior, n_arms: int, *, track: bool = True, detect: bool = True) -> None:
        self._level, self._track, self._detect = prior.level, track, detect
        self._dimension = len(prior.sd)
        common = np.outer(prior.level, prior.level)
        belief = Belief(np.zeros(self._dimension), np.diag(prior.sd**2) + prior.level_sd**2 * common)
        self._held = Hypotheses(belief, common)
        self._used = prior.level / max(1.0, float(prior.level.sum()))
        self._common, self._ones = common, np.ones(self._dimension)
        self._noise, self._drift = prior.noise_sd**2, prior.drift if track else 0.0
        self._offset, self._offset_var = np.zeros(n_arms), np.full(n_arms, prior.offset_sd**2)
        self._offset_factor = np.ones(n_arms)  # exp(offset)
        self._prior_precision = np.linalg.inv(belief.cov)
        self._lasting = [(j, float(prior.sd[j])) for j in np.flatnonzero(prior.level == 0.0)]
        self._surcharges, self._remembered_s = prior.surcharges, 0.0
        self._early: list[tuple[FloatArray, float, float]] = []
        self._count, self._last_score, self._idle_s = 0, 0.0, 0.0

    @property
    def count(self) -> int:
        """Return the number of learnt observations."""
        return self._count

    @property
    def is_known(self) -> bool:
        """Return whether all of the first observations, which are fitted together, have arrived."""
        return self._count >= _EARLY

    @property
    def pending(self) -> bool:
        """Return whether a large residual is not yet classified as an outlier or a change."""
        return self._held.changed is not None

    @property
    def level_sd(self) -> float:
        """Return the standard deviation of the level's logarithm."""
        return math.sqrt(max(0.0, float(self._used @ self._held.belief.cov @ self._used)))

    @property
    def noise_sd(self) -> float:
        """Return the standard deviation of the noise of log y, without the uncertainty of its prediction."""
        return math.sqrt(self._noise)

    @property
    def mean(self) -> FloatArray:
        """Return the expected phi, shape (d,)."""
        return self._held.belief.mean

    @property
    def idle_s(self) -> float:
        """Return the seconds since the last observation."""
        return self._idle_s

    @property
    def doubt(self) -> float:
        """
        Return the doubt from few or old observations, as a standard deviation of the logarithm.

        Doubt is a reason for samples and probes: the first answers may come from an edge that was busy or still warming
        up. It widens exploration only, and does not change the predicted delays.
        """
        young = 1.0 / self._count if 0 < self._count < _EARLY else 0.0
        return max(young, min(_STALE_HIGH, _STALE_PER_S * self._idle_s))

    def advance(self, seconds: float) -> None:
        """Advance the clock. Observations become older, and the level drifts."""
        self._idle_s += max(0.0, seconds)
        if self._track and seconds > 0.0:
            self._held.drift(seconds * self._drift)
            self._remembered_s += seconds
            if self.is_known and self._remembered_s > _FORGET_EVERY_S:
                self._forget()

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """
        Predict delays and their uncertainty.

        :param x: nominal seconds of each term, one row for each arm, shape (n, d).
        :returns: seconds, and the standard deviation of their logarithm; shape (n,) each.
        """
        held = self._held
        terms = x * np.exp(held.belief.mean)
        total = terms @ self._ones
        terms /= np.maximum(total, 1e-12)[:, None]  # now each term's share
        variance = np.einsum("ij,ij->i", terms @ held.belief.cov, terms)
        variance += self._offset_var
        seconds = total * self._offset_factor
        if held.changed is not None:
            changed = (x @ np.exp(held.changed.mean)) * self._offset_factor
            seconds += held.probability * (changed - seconds)
        return seconds, np.sqrt(np.maximum(variance, 0.0, out=variance), out=variance)

    def mean_of(self, x: FloatArray, *, arm: int | None = None, shift: float = 0.0) -> FloatArray:
        """
        Predict delays with the more likely hypothesis only.

        :param x: nominal seconds of each term, shape (n, d).
        :param arm: arm of a single row, -1 for no arm; None if there is a row for each arm.
        :param shift: added to the level's logarithm.
        :returns: seconds, shape (n,).
        """
        seconds: FloatArray = x @ np.exp(self._held.likelier.mean + shift * self._level)
        if arm is None or arm >= 0:
            seconds *= self._offset_factor if arm is None else self._offset_factor[arm]
        return seconds

    def learn(self, x: FloatArray, seconds: float, arm: int, *, extra_variance: float = 0.0) -> None:
        """
        Learn one observation.

        :param x: nominal seconds of each term, shape (d,).
        :param seconds: the observed delay, > 0.
        :param arm: arm whose offset the delay includes; -1 for no arm.
        :param extra_variance: variance of log y beyond the usual noise; residuals of such an observation do not prove a
            change.
        """
        if seconds <= 0.0 or not x.any():
            return
        self._idle_s = 0.0
        noise = self._noise + extra_variance
        log_y = math.log(seconds) - (float(self._offset[arm]) if arm >= 0 else 0.0)
        offset_var = float(self._offset_var[arm]) if arm >= 0 else 0.0
        if not self.is_known:
            self._count += 1
            self._early.append((x, log_y, noise + offset_var))
            self._held.belief = fit(self._early, self._prior_precision, self._surcharges)
            return
        self._refute(x, log_y)
        if self.pending:
            self._held.weigh(x, log_y, noise + offset_var)
            self._limit()
            return
        belief = self._held.belief
        at = belief.residual(x, log_y)
        z, _, _, spread = at
        variance = spread + offset_var + noise
        known = spread < 0.25
        if self._detect and known and abs(z) > GATE * math.sqrt(variance):
            if extra_variance == 0.0:
                self._held.suspect(x, log_y, noise, z, variance)
                self._limit()
            return
        self._count += 1
        belief.correct(x, log_y, noise + offset_var, at)
        self._limit()
        if arm >= 0:
            gain = offset_var / variance
            self._offset[arm] += gain * z
            self._offset_factor[arm] = math.exp(self._offset[arm])
            self._offset_var[arm] = max((1.0 - gain) * offset_var, 1e-6)
        if known and extra_variance == 0.0:
            self._tune(z, spread + offset_var, variance)

    def _refute(self, x: FloatArray, log_y: float) -> None:
        """
        Lower each lasting term that is expected to take much longer than the observed sum of all terms.

        A late answer during an outage may have been attributed to a lasting term. After a change, only the level moves,
        so every later observation would look like another change.
        """
        for belief in self._held.all():
            for j, sd in self._lasting:
                if x[j] > 0.0 and belief.mean[j] + math.log(x[j]) > log_y + math.log(_REFUTED):
                    belief.refute(j, log_y - math.log(x[j]), sd)

    def _limit(self) -> None:
        for belief in self._held.all():
            belief.limit(self._surcharges)

    def _forget(self) -> None:
        for surcharge in self._surcharges:
            for belief in self._held.all():
                belief.forget(surcharge, self._remembered_s)
        self._remembered_s = 0.0

    def state(self) -> dict[str, Any]:
        """Return the learnt state as JSON-compatible values."""
        return {
            "mean": self._held.belief.mean.tolist(),
            "cov": self._held.belief.cov.tolist(),
            "offset": self._offset.tolist(),
            "offset_var": self._offset_var.tolist(),
            "noise": self._noise,
            "drift": self._drift,
            "count": self._count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Restore a learnt state. Its level becomes less certain, because it may have changed since.

        :raises ValueError: if the state has a different number of terms or arms.
        """
        arrays = {key: np.array(state[key], dtype=np.float64) for key in ("mean", "cov", "offset", "offset_var")}
        shapes = (self._dimension,), (self._dimension, self._dimension), self._offset.shape, self._offset.shape
        for (key, array), shape in zip(arrays.items(), shapes, strict=True):
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{key} has shape {array.shape}, but must have shape {shape} and be finite")
        if state["count"] < _EARLY:
            return
        self._held.belief = Belief(arrays["mean"], arrays["cov"] + _RESTORED_SD**2 * self._common)
        self._offset, self._offset_var = arrays["offset"], arrays["offset_var"]
        self._offset_factor = np.exp(self._offset)
        self._noise, self._drift = float(state["noise"]), float(state["drift"])
        self._count = int(state["count"])

    def _tune(self, z: float, explained: float, variance: float) -> None:
        """Learn the noise from the size of the residuals, and the drift from the correlation of successive ones."""
        rate = max(1.0 / (10.0 + self._count), 0.02)
        self._noise += rate * (z * z - explained - self._noise)
        self._noise = min(max(self._noise, _NOISE_LOW), _NOISE_HIGH)
        score = min(max(z / math.sqrt(variance), -2.0), 2.0)
        if self._track:
            drift = self._drift * math.exp(0.1 * score * self._last_score)
            self._drift = min(max(drift, _DRIFT_LOW), _DRIFT_HIGH)
        self._last_score = score
