# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Epsilon-greedy: the same linear model as LinUCB's, explored by chance."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Kind, Observation
from neurosurgeon_ros.learning.ridge import Ridge

#: Frames whose answer is awaited; features of older ones are forgotten.
_OUTSTANDING = 1024


class EpsilonGreedy:
    """
    The arm with the lowest expected delay, and now and then any arm.

    :param n_arms: number of arms.
    :param seed: of the exploration.
    :param epsilon: share of the frames on which any allowed arm is taken, in [0, 1].
    :param beta: regularisation of the ridge regression on features scaled to a maximum of 1, > 0.
    :raises ValueError: if an option is out of range.
    """

    def __init__(self, *, n_arms: int, seed: int = 0, epsilon: float = 0.1, beta: float = 0.1) -> None:
        del n_arms
        self._epsilon = in_range("epsilon", epsilon, 0.0, 1.0)
        self._ridge = Ridge(len(FEATURES), in_range("beta", beta, 0.0, float("inf"), open_low=True))
        self._rng = np.random.default_rng(seed)
        self._scale: FloatArray | None = None
        self._chosen: OrderedDict[int, tuple[int, FloatArray]] = OrderedDict()

    def select(self, context: Context) -> Choice:
        """Choose an arm; `forced` marks those taken by chance."""
        if self._scale is None:
            largest = np.max(context.features, axis=0)
            self._scale = np.where(largest > 0.0, largest, 1.0)
        x = context.features / self._scale
        predicted_s = self._ridge.predict(x)
        explore = bool(self._rng.random() < self._epsilon)
        if explore:
            arm = int(self._rng.choice(np.flatnonzero(context.allowed)))
        else:
            arm = int(np.argmin(np.where(context.allowed, context.cost_s + predicted_s, np.inf)))
        if arm == context.on_device:
            return Choice(arm=arm, forced=explore, predicted_offload_s=0.0)
        self._chosen[context.frame] = (arm, x[arm])
        if len(self._chosen) > _OUTSTANDING:
            self._chosen.popitem(last=False)
        known = self._ridge.count > 0
        return Choice(arm=arm, forced=explore, predicted_offload_s=float(predicted_s[arm]) if known else float("nan"))

    def observe(self, observation: Observation) -> None:
        """Learn the delay of a frame that went to the edge."""
        if observation.kind is not Kind.FRAME or observation.censored or not np.isfinite(observation.offload_s):
            return
        arm, x = self._chosen.pop(observation.sequence, (-1, np.zeros(0)))
        if arm == observation.arm:
            self._ridge.update(x, observation.offload_s)
