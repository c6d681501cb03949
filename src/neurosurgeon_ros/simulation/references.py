# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""References for comparison with policies: the best fixed arm, and a greedy choice by the link's latest rate."""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, Observation
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.uplink import UplinkByTime

#: Seconds over which :class:`Lagged` averages the rate.
LAG_S = 0.1
#: Number of frames over which :class:`Lagged` spreads what a stream's key has more than its other frames.
_KEY_FRAMES = 10.0
#: A mean rate below this many bytes per second counts as 0.
_DOWN = 1e-3


class FixedArm:
    """
    Always chooses the same arm. The reference `best fixed` is the arm that is best in hindsight.

    :param arm: index of the arm.
    """

    def __init__(self, arm: int) -> None:
        self._arm = arm

    def select(self, context: Context) -> Choice:
        """Choose the arm, even if it is not allowed."""
        del context
        return Choice(arm=self._arm)

    def observe(self, observation: Observation, context: Context) -> None:
        """Ignore the observation."""


class Lagged:
    """
    Chooses the arm that would be best at the link's mean rate over the last 100 ms. It knows all other delays.

    If arms have memory, it knows which frame would be a key, and the robot begins each frame itself at once.

    :param environment: the true delays. The link's rate must follow the clock (`row_s`).
    :raises ValueError: if the link has one rate per frame.
    """

    def __init__(self, environment: Environment) -> None:
        uplink = environment.uplink()
        if not isinstance(uplink, UplinkByTime):
            raise ValueError("the reference lagged needs a link whose rate follows the clock; give the scenario row_s")
        self._uplink, self._environment = uplink, environment
        self._stages_s = environment.stages_s()
        self._sent_bytes = environment.table.sent_bytes * environment.transmission_factor
        has_memory = environment.coding is not None and environment.coding.streams is not None
        self._overdue_s = 0.0 if has_memory else math.inf

    def select(self, context: Context) -> Choice:
        """Choose the allowed arm with the lowest cost at that rate, or `on_device` if the rate is 0."""
        environment, k = self._environment, context.frame - 1
        # No time has passed before the first frame, so the first 100 ms of the run are used.
        first_s = max(0.0, context.now_s - LAG_S)
        rate = self._uplink.mean_bytes_per_s(first_s, max(LAG_S, context.now_s))
        if rate < _DOWN:
            return Choice(arm=context.on_device)
        compute_s = environment.slowdown[k] * environment.compute_s + environment.queue_s[k]
        sent_bytes = self._sent_bytes + context.key_bytes * environment.transmission_factor / _KEY_FRAMES
        offload_s = sent_bytes / rate + compute_s + context.decode_s + environment.round_trip_s
        offload_s[context.on_device] = 0.0
        cost_s = self._stages_s[k] + offload_s + context.penalty_s
        arm = int(np.argmin(np.where(context.allowed, cost_s, np.inf)))
        return Choice(arm=arm, predicted_offload_s=float(offload_s[arm]), overdue_s=self._overdue_s)

    def observe(self, observation: Observation, context: Context) -> None:
        """Ignore the observation; the environment gives the link's rate."""
