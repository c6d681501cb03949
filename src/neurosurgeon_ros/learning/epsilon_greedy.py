# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Epsilon-greedy: the linear model of LinUCB with random exploration."""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Observation, is_offloading_delay
from neurosurgeon_ros.learning.linear import ScaledFeatures
from neurosurgeon_ros.learning.ridge import Ridge


class EpsilonGreedy:
    """
    Chooses the arm with the lowest expected delay, and sometimes a random arm.

    :param n_arms: number of arms.
    :param seed: seed of the exploration.
    :param epsilon: share of the frames on which a random allowed arm is chosen, in [0, 1].
    :param beta: regularisation of the ridge regression on features scaled to a maximum of 1, > 0.
    :raises ValueError: if an option is out of range.
    """

    def __init__(self, *, n_arms: int, seed: int = 0, epsilon: float = 0.1, beta: float = 0.1) -> None:
        del n_arms
        self._epsilon = in_range("epsilon", epsilon, 0.0, 1.0)
        self._ridge = Ridge(len(FEATURES), in_range("beta", beta, 0.0, float("inf"), open_low=True))
        self._rng = np.random.default_rng(seed)
        self._scaled = ScaledFeatures()

    def select(self, context: Context) -> Choice:
        """Choose an arm; `forced` marks an arm that was chosen at random."""
        predicted_s = self._ridge.predict(self._scaled(context.features))
        explore = bool(self._rng.random() < self._epsilon)
        if explore:
            arm = int(self._rng.choice(np.flatnonzero(context.allowed)))
        else:
            arm = int(np.argmin(np.where(context.allowed, context.cost_s + predicted_s, np.inf)))
        if arm == context.on_device:
            return Choice(arm=arm, forced=explore, predicted_offload_s=0.0)
        known = self._ridge.count > 0
        return Choice(arm=arm, forced=explore, predicted_offload_s=float(predicted_s[arm]) if known else float("nan"))

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge."""
        if is_offloading_delay(observation, context):
            self._ridge.update(self._scaled(context.features)[observation.arm], observation.offload_s)
