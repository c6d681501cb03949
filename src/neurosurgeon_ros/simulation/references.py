# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""References for comparison with policies. They know the delays, but not what the link will do next."""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, Observation
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.uplink import UplinkByTime

#: Seconds over which :class:`Lagged` averages the rate.
LAG_S = 0.1
#: A mean rate below this many bytes per second counts as 0.
_DOWN = 1e-3


class FixedArm:
    """
    Always chooses the same arm. The arm that is best in hindsight gives the reference `best fixed`.

    :param arm: index of the arm.
    """

    def __init__(self, arm: int) -> None:
        self._arm = arm

    def select(self, context: Context) -> Choice:
        """Choose the arm, whether it is allowed or not."""
        del context
        return Choice(arm=self._arm)

    def observe(self, observation: Observation, context: Context) -> None:
        """Ignore the observation."""


class Lagged:
    """
    Chooses greedily by the link's mean rate over the last 100 ms. All other delays are known.

    :param environment: the true delays; the rate of its link must follow the clock (`row_s`).
    :raises ValueError: if the rate of its link is given per frame.
    """

    def __init__(self, environment: Environment) -> None:
        uplink = environment.uplink()
        if not isinstance(uplink, UplinkByTime):
            raise ValueError("the reference lagged needs a link whose rate follows the clock; give the scenario row_s")
        self._uplink, self._environment = uplink, environment
        self._stages_s = environment.stages_s()
        self._sent_bytes = environment.table.sent_bytes * environment.transmission_factor

    def select(self, context: Context) -> Choice:
        """Choose the allowed arm with the lowest cost at that rate, or `on_device` while the link is down."""
        environment, k = self._environment, context.frame - 1
        # There is no time before the first frame, so it gets the rate that it will meet.
        first_s = max(0.0, context.now_s - LAG_S)
        rate = self._uplink.mean_bytes_per_s(first_s, max(LAG_S, context.now_s))
        if rate < _DOWN:
            return Choice(arm=context.on_device)
        compute_s = environment.slowdown[k] * environment.compute_s + environment.queue_s[k]
        offload_s = self._sent_bytes / rate + compute_s + context.decode_s + environment.round_trip_s
        offload_s[context.on_device] = 0.0
        cost_s = self._stages_s[k] + offload_s + context.penalty_s
        arm = int(np.argmin(np.where(context.allowed, cost_s, np.inf)))
        return Choice(arm=arm, predicted_offload_s=float(offload_s[arm]))

    def observe(self, observation: Observation, context: Context) -> None:
        """Ignore the observation: the link's rate is read from the environment."""
