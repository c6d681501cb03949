# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
D-LinUCB: LinUCB with a ridge regression that discounts older observations.

Russac, Vernade and Cappé, "Weighted Linear Bandits for Non-Stationary Environments", NeurIPS 2019, algorithm 1.
"""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Observation, is_offloading_delay
from neurosurgeon_ros.learning.linear import ScaledFeatures, most_optimistic
from neurosurgeon_ros.learning.mu_lin_ucb import DELAY_UNIT_S


class DLinUcb:
    """
    LinUCB that multiplies all earlier observations by gamma with every frame.

    Frame t gets the arm with the lowest

        robot_s(p) + penalty_s(p) + theta' x_p - beta_(t-1) sqrt(x_p' V^-1 V~ V^-1 x_p),

    where V discounts by gamma, and V~ by gamma^2, because the variance of an observation with weight w is proportional
    to w^2. A frame on the device counts as one with x = 0: it teaches nothing, but discounts the others. A policy that
    stays on the device therefore becomes less and less certain about the edge, and tries it again.

    :param n_arms: number of arms.
    :param seed: not used, because nothing is drawn at random.
    :param gamma: discount per frame, in (0, 1); about 1 / (1 - gamma) frames count.
    :param beta: regularisation, lambda in the paper, > 0.
    :param delta: probability that the confidence bound fails, in (0, 1).
    :param c_theta: bound S on the norm of theta, in delay units.
    :param c_noise: scale sigma of the noise of a delay, in delay units.
    :param delay_unit_s: seconds in one unit of delay, > 0; see :class:`MuLinUcb`.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        gamma: float = 0.99,
        beta: float = 1.0,
        delta: float = 0.1,
        c_theta: float = 1.0,
        c_noise: float = 0.05,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        del n_arms, seed
        self._gamma = in_range("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
        self._beta = in_range("beta", beta, 0.0, math.inf, open_low=True)
        self._delta = in_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
        self._c_theta = in_range("c_theta", c_theta, 0.0, math.inf)
        self._c_noise = in_range("c_noise", c_noise, 0.0, math.inf)
        self._unit_s = in_range("delay_unit_s", delay_unit_s, 0.0, math.inf, open_low=True)
        d = len(FEATURES)
        self.v: FloatArray = self._beta * np.eye(d)  # V = beta I + sum gamma^(t-s) x_s x_s'
        self.v_tilde: FloatArray = self._beta * np.eye(d)  # V~ = beta I + sum gamma^(2(t-s)) x_s x_s'
        self.b: FloatArray = np.zeros(d)  # b = sum gamma^(t-s) x_s y_s
        self._scaled = ScaledFeatures()
        self._count = 0
        self._passed = 0  # t - 1, number of frames so far
        self._frame: int | None = None  # t, the frame up to which V, V~ and b are discounted

    def radius(self, passed: int) -> float:
        """
        Return the width of the confidence bound in delay units.

        beta_(t-1) = sqrt(lambda) S + sigma sqrt(2 ln(1 / delta) + d ln(1 + L^2 (1 - gamma^(2(t-1))) / (lambda d (1 -
        gamma^2)))), with L the largest norm of a feature vector.

        :param passed: number t - 1 of frames before this one.
        """
        d, gamma_squared = len(FEATURES), self._gamma**2
        effective = (1.0 - gamma_squared**passed) / (1.0 - gamma_squared)
        volume = math.log(1.0 + self._scaled.largest_squared_norm * effective / (self._beta * d))
        spread = math.sqrt(2.0 * math.log(1.0 / self._delta) + d * volume)
        return math.sqrt(self._beta) * self._c_theta + self._c_noise * spread

    def select(self, context: Context) -> Choice:
        """Choose the arm with the lowest optimistic delay."""
        x = self._scaled(context.features)
        self._discount(context.frame - 1)
        v_inverse = np.linalg.inv(self.v)
        directions = x @ v_inverse
        predicted_s = self._unit_s * (directions @ self.b)
        squared = np.einsum("ij,ij->i", directions @ self.v_tilde, directions)
        bonus_s = self._unit_s * self.radius(self._passed) * np.sqrt(np.maximum(squared, 0.0))
        choice = most_optimistic(context, predicted_s, bonus_s, known=self._count > 0)
        self._discount(context.frame)
        return choice

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge, discounted by the frames that have passed since then."""
        if not is_offloading_delay(observation, context):
            return
        x = self._scaled(context.features)[observation.arm]
        late = 0 if self._frame is None else max(0, self._frame - context.frame)
        weight = self._gamma**late
        self.v += weight * np.outer(x, x)
        self.v_tilde += weight**2 * np.outer(x, x)
        self.b += weight * observation.offload_s / self._unit_s * x
        self._count += 1

    def _discount(self, frame: int) -> None:
        """Discount up to a frame. Adding (1 - weight) beta I each time keeps the regularisation constant."""
        passed = 0 if self._frame is None else max(0, frame - self._frame)
        self._frame, self._passed = frame, self._passed + passed
        weight, identity = self._gamma**passed, self._beta * np.eye(len(FEATURES))
        self.v = weight * self.v + (1.0 - weight) * identity
        self.v_tilde = weight**2 * self.v_tilde + (1.0 - weight**2) * identity
        self.b = weight * self.b
