# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policies that do not learn: pure edge offloading (EO) and pure on-device processing (MO)."""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Observation, is_offloading_delay

_PSI = FEATURES.index("psi")
#: Weight of the newest delay in the running mean that is used as the prediction.
_NEWEST = 0.1


class OnDevice:
    """Finishes every frame on the robot."""

    def __init__(self, *, n_arms: int, seed: int = 0) -> None:
        del n_arms, seed

    def select(self, context: Context) -> Choice:
        """Choose the arm p = P."""
        return Choice(arm=context.on_device, predicted_offload_s=0.0)

    def observe(self, observation: Observation, context: Context) -> None:
        """Do nothing, because this policy does not learn."""


class EdgeOnly:
    """Sends every frame to the edge at the first allowed partition point, with the codec of the fewest bytes."""

    def __init__(self, *, n_arms: int, seed: int = 0) -> None:
        del n_arms, seed
        self._mean_s: dict[int, float] = {}

    def select(self, context: Context) -> Choice:
        """Choose the earliest allowed partition point, and its codec with the fewest bytes."""
        arms = np.flatnonzero(context.allowed)
        arm = int(min(arms, key=lambda i: (context.point[i], context.features[i, _PSI], i)))
        if arm == context.on_device:
            return Choice(arm=arm, predicted_offload_s=0.0)
        return Choice(arm=arm, predicted_offload_s=self._mean_s.get(arm, float("nan")))

    def observe(self, observation: Observation, context: Context) -> None:
        """Update the running mean of the arm's delay, which is used only for the prediction."""
        if is_offloading_delay(observation, context):
            mean_s = self._mean_s.get(observation.arm, observation.offload_s)
            self._mean_s[observation.arm] = mean_s + _NEWEST * (observation.offload_s - mean_s)
