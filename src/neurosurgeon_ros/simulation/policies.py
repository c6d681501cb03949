# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policies for the simulator: those of learning/, the references, and Oracle, which knows the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosurgeon_ros.learning import POLICIES, make_policy
from neurosurgeon_ros.learning.interface import Choice, Context, FloatArray, Observation, Policy
from neurosurgeon_ros.learning.neurosurgeon import layer_profile
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.references import FixedArm, Lagged
from neurosurgeon_ros.simulation.streams.plan import PlannedArms

#: Names that :func:`simulated_policy` accepts.
SIMULATED = ("oracle", *POLICIES)


class Oracle:
    """Chooses the arm with the lowest expected cost (delay plus penalty), which the simulator reveals."""

    def __init__(self) -> None:
        self._total_s: FloatArray = np.zeros(0)

    def reveal(self, total_s: FloatArray) -> None:
        """Set the expected cost of each arm at the next frame in seconds, shape (n,)."""
        self._total_s = total_s

    def select(self, context: Context) -> Choice:
        """Choose the allowed arm with the lowest cost."""
        arm = int(np.argmin(np.where(context.allowed, self._total_s, np.inf)))
        return Choice(arm=arm, predicted_offload_s=float(self._total_s[arm] - context.robot_s[arm]))

    def observe(self, observation: Observation, context: Context) -> None:
        """Do nothing, because Oracle does not learn."""


def simulated_policy(name: str, environment: Environment, *, seed: int = 0, **options: Any) -> Policy:
    """
    Make a policy for an environment.

    Neurosurgeon gets a profile of the idle edge for each layer type, as in the paper.

    :param name: one of :data:`SIMULATED`, or a reference: `fixed_arm` (with the option `arm`), `lagged` or `best_plan`.
    :param seed: seed of the policy's random numbers.
    :param options: the policy's own keyword arguments.
    :raises ValueError: if the name or an option is unknown (the message names the choices), or if the link of `lagged`
        has one rate per frame, or if `best_plan` cannot plan for the robot.
    """
    if name == "oracle":
        return Oracle()
    if name == "fixed_arm":
        return FixedArm(**options)
    if name == "lagged":
        return Lagged(environment)
    if name == "best_plan":
        return PlannedArms(environment)
    if name == "neurosurgeon" and "edge_profile" not in options:
        profile = layer_profile(environment.table.features, environment.compute_s)
        options = {"edge_profile": tuple(float(value) for value in profile), **options}
    return make_policy(name, n_arms=len(environment.robot_s), seed=seed, **options)
