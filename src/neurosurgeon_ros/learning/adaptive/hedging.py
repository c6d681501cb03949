# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The delay after which an answer is overdue, so that the robot begins to finish the frame itself."""

from __future__ import annotations

import math
from collections import deque

from neurosurgeon_ros.learning.adaptive.belief import DelayModel
from neurosurgeon_ros.learning.adaptive.choice import finish_share
from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.interface import Context, Kind, Observation

#: An answer is overdue this many standard deviations after its expected arrival.
_OVERDUE = 2.0
#: An answer is overdue at once if its expected delay is more than this share of the on-device delay.
_HARDLY_SOONER = 0.8
#: Maximum share of late answers of an arm that is not risky, and the standard normal quantile of the rest.
_RISK, _ONE_IN_A_HUNDRED = 0.01, 2.326
#: Weight of the newest frame in the share of late answers.
_NEWEST = 0.01
#: Number of late frames that are remembered, because a frame may have two observations: a bound, and the answer.
_REMEMBERED = 8


class HedgeRule:
    """
    Decides from when on the robot works on an offloaded frame itself. It then finishes the frame unless the edge does.

    - The robot begins once the answer is later than two standard deviations.
    - It begins at once if the answer is expected hardly sooner than the robot's own result.
    - It also begins at once if the answer is *risky*: more than one in a hundred would be later than that result. The
      share of late answers so far counts as well, because it includes unexpected outages.
    """

    def __init__(self, model: DelayModel) -> None:
        self._model = model
        self._late_share = 0.0
        self._late: deque[int] = deque(maxlen=_REMEMBERED)

    def is_risky(self, context: Context, expected: Expectation, arm: int) -> bool:
        """Return whether more than one in a hundred of an arm's answers would be later than the robot's own result."""
        if self._late_share > _RISK:
            return True
        delay_s = expected.robot_s - context.penalty_s
        late_s = float(delay_s[arm]) + self._link_s(expected, arm, _ONE_IN_A_HUNDRED) + float(expected.edge_s[arm])
        return late_s > float(delay_s[context.on_device])

    def may_delay(self, context: Context, expected: Expectation, arm: int) -> bool:
        """Return whether an arm is risky, and the robot takes longer to finish its frames than those of `on_device`."""
        return bool(finish_share(context)[arm] > 1.0) and self.is_risky(context, expected, arm)

    def overdue_s(self, context: Context, expected: Expectation, arm: int) -> float:
        """Return the offloading delay in seconds after which an arm's answer is overdue; 0 if it is overdue at once."""
        delay_s = expected.total_s - context.penalty_s
        if delay_s[arm] > _HARDLY_SOONER * delay_s[context.on_device] or self.is_risky(context, expected, arm):
            return 0.0
        edge_sd = math.hypot(float(expected.edge_sd[arm]), self._model.edge.noise_sd)
        return self._link_s(expected, arm, _OVERDUE) + float(expected.edge_s[arm]) * math.exp(_OVERDUE * edge_sd)

    def _link_s(self, expected: Expectation, arm: int, deviations: float) -> float:
        """Return a transmission delay that is some standard deviations above its expectation, in seconds."""
        sd = math.hypot(float(expected.link_sd[arm]), self._model.link.noise_sd)
        return float(expected.link_s[arm]) * math.exp(deviations * sd)

    def observe(self, observation: Observation, context: Context) -> None:
        """Count whether the answer of a frame was later than the robot's own result would have been."""
        arm = observation.arm
        if observation.kind is not Kind.FRAME or arm == context.on_device or observation.sequence in self._late:
            return
        left_s = self._model.robot_factor * float(context.robot_s[context.on_device] - context.robot_s[arm])
        is_late = observation.censored or observation.offload_s > left_s
        if is_late:
            self._late.append(observation.sequence)
        self._late_share += _NEWEST * (is_late - self._late_share)
