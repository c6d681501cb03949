# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
LinUCB that starts again when a Page-Hinkley test finds that delays have changed.

Liu, Lee and Shroff, "A Change-Detection Based Framework for Piecewise-Stationary Multi-Armed Bandit Problem", AAAI
2018: the paper's CD-UCB with the test of PHT-UCB, applied to LinUCB (Li et al., WWW 2010) instead of UCB1.
"""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.learning.checks import in_range, whole
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Observation, is_offloading_delay
from neurosurgeon_ros.learning.lin_ucb import LinUcb
from neurosurgeon_ros.learning.mu_lin_ucb import DELAY_UNIT_S
from neurosurgeon_ros.learning.ridge import Ridge


class CdLinUcb(LinUcb):
    """
    LinUCB with uniform exploration on a share of the frames, and a restart after each alarm.

    An observation y_k of an arm with features x updates the two sums of the test,

        g+ = max(0, g+ + r_k - epsilon)    and    g- = max(0, g- - r_k - epsilon),

    and the ridge regression restarts, empty, when one of them exceeds h. In the paper r_k is y_k minus the mean of y_1
    to y_k, separately for each arm. Here one theta holds for all arms, so there is one test, and theta's prediction,
    with y_k included, replaces the mean. With one feature per arm and no regularisation the two are the same. The
    paper's rewards lie in [0, 1], and delays do not: r_k is therefore relative to the larger of observation and
    prediction, and lies in [-1, 1]. As in the paper's CUSUM, the first M observations after a restart are not tested.

    Nothing is observed on the device, so only the uniform exploration can find a change there.

    :param n_arms: number of arms.
    :param seed: seed of the exploration.
    :param explore: share of the frames on which any allowed arm is taken, alpha in the paper, in [0, 1].
    :param epsilon: tolerated relative change of the delays, in [0, 1].
    :param threshold: h, the sum of changes beyond epsilon that raises an alarm, > 0.
    :param warm_up: M, number of observations that are not tested after a restart, >= 0.
    :param beta: see :class:`MuLinUcb`, also for all other parameters.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        explore: float = 0.02,
        epsilon: float = 0.2,
        threshold: float = 2.0,
        warm_up: int = 30,
        beta: float = 1.0,
        delta: float = 0.1,
        c_theta: float = 1.0,
        c_noise: float = 0.05,
        horizon: int = 0,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        super().__init__(
            n_arms=n_arms,
            seed=seed,
            beta=beta,
            delta=delta,
            c_theta=c_theta,
            c_noise=c_noise,
            horizon=horizon,
            delay_unit_s=delay_unit_s,
        )
        self._explore = in_range("explore", explore, 0.0, 1.0)
        self._epsilon = in_range("epsilon", epsilon, 0.0, 1.0)
        self._threshold = in_range("threshold", threshold, 0.0, float("inf"), open_low=True)
        self._warm_up = whole("warm_up", warm_up, 0)
        self._beta = beta
        self._rng = np.random.default_rng(seed)
        self.slower = 0.0  # g+
        self.faster = 0.0  # g-
        self.restarts = 0

    def select(self, context: Context) -> Choice:
        """Choose as LinUCB does, or any allowed arm on a share of the frames; those are marked `forced`."""
        choice = super().select(context)
        if self._rng.random() >= self._explore:
            return choice
        arm = int(self._rng.choice(np.flatnonzero(context.allowed)))
        if arm == context.on_device:
            return Choice(arm=arm, forced=True, predicted_offload_s=0.0)
        predicted_s = self._unit_s * float(self._features(context)[arm] @ self.ridge.theta)
        return Choice(arm=arm, forced=True, predicted_offload_s=predicted_s if self.ridge.count else float("nan"))

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge, and restart if delays have changed."""
        super().observe(observation, context)
        if not is_offloading_delay(observation, context) or self.ridge.count <= self._warm_up:
            return
        predicted_s = self._unit_s * float(self._features(context)[observation.arm] @ self.ridge.theta)
        residual = relative(observation.offload_s, max(0.0, predicted_s))
        self.slower = max(0.0, self.slower + residual - self._epsilon)
        self.faster = max(0.0, self.faster - residual - self._epsilon)
        if max(self.slower, self.faster) > self._threshold:
            self.ridge = Ridge(len(FEATURES), self._beta)
            self.slower = self.faster = 0.0
            self.restarts += 1


def relative(observed: float, expected: float) -> float:
    """Return the difference of two numbers, at least 0, divided by the larger: in [-1, 1]; 0 if both are 0."""
    larger = max(observed, expected)
    return (observed - expected) / larger if larger > 0.0 else 0.0
