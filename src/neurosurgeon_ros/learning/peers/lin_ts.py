# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Linear Thompson sampling.

Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs", ICML 2013, algorithm 1, with v_t
from the revised arXiv:1209.3352v4 (2014), which does not need epsilon.
"""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Observation, is_offloading_delay
from neurosurgeon_ros.learning.linear import ScaledFeatures
from neurosurgeon_ros.learning.mu_lin_ucb import DELAY_UNIT_S
from neurosurgeon_ros.learning.ridge import Ridge


class LinTs:
    """
    Chooses the best arm under a theta that is drawn from its posterior distribution.

    Frame t draws theta~ from N(theta, v_t^2 A^-1) and takes the arm with the lowest

        robot_s(p) + penalty_s(p) + theta~' x_p.

    Nothing is forgotten. After a change, old delays lose weight only as new ones outnumber them. No delays are observed
    on the device, so it may take long until a draw leaves the device.

    :param n_arms: number of arms.
    :param seed: seed of the draws.
    :param beta: regularisation, 1 in the paper, > 0.
    :param delta: probability that the regret bound fails, in (0, 1).
    :param c_noise: scale R of the noise of a delay, in delay units.
    :param delay_unit_s: seconds in one unit of delay, > 0; see :class:`MuLinUcb`.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        beta: float = 1.0,
        delta: float = 0.1,
        c_noise: float = 0.05,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        del n_arms
        self._delta = in_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
        self._c_noise = in_range("c_noise", c_noise, 0.0, math.inf)
        self._unit_s = in_range("delay_unit_s", delay_unit_s, 0.0, math.inf, open_low=True)
        self.ridge = Ridge(len(FEATURES), in_range("beta", beta, 0.0, math.inf, open_low=True))
        self._rng = np.random.default_rng(seed)
        self._scaled = ScaledFeatures()

    def spread(self, frame: int) -> float:
        """
        Return the scale of the draws in delay units.

        v_t = R sqrt(9 d ln(t / delta))

        :param frame: number t of the frame, from 1.
        """
        return self._c_noise * math.sqrt(9.0 * len(FEATURES) * math.log(frame / self._delta))

    def draw(self, frame: int) -> FloatArray:
        """
        Draw theta~ from N(theta, v_t^2 A^-1).

        :param frame: number t of the frame, from 1.
        :returns: shape (d,), in delay units.
        """
        # A = C C', so C'^-1 z has the covariance A^-1.
        normal = self._rng.standard_normal(len(FEATURES))
        deviation = np.linalg.solve(np.linalg.cholesky(self.ridge.a).T, normal)
        drawn: FloatArray = self.ridge.theta + self.spread(frame) * deviation
        return drawn

    def select(self, context: Context) -> Choice:
        """Choose the arm with the lowest delay under a theta that is drawn for this frame."""
        x = self._scaled(context.features)
        drawn_s = self._unit_s * (x @ self.draw(context.frame))
        arm = int(np.argmin(np.where(context.allowed, context.cost_s + drawn_s, np.inf)))
        if arm == context.on_device:
            return Choice(arm=arm, predicted_offload_s=0.0)
        predicted_s = self._unit_s * float(x[arm] @ self.ridge.theta)
        return Choice(arm=arm, predicted_offload_s=predicted_s if self.ridge.count else float("nan"))

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge."""
        if is_offloading_delay(observation, context):
            x = self._scaled(context.features)[observation.arm]
            self.ridge.update(x, observation.offload_s / self._unit_s)
