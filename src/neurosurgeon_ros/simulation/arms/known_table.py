# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm table of a simulated robot."""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.environment import Environment


def arm_table(environment: Environment) -> ArmTable:
    """Return the arm table of an environment's robot, with seconds on that robot."""
    table, n = environment.table, len(environment.robot_s)
    coding = environment.coding or Coding.none(n)
    front_s = np.zeros(int(coding.point[-1]) + 1)
    front_s[coding.point] = table.front_s
    return ArmTable(
        arms=tuple(Arm(int(p), "", name) for p, name in zip(coding.point, table.points, strict=True)),
        profile=DelayProfile(0.0, 0.0, front_s, coding.encode_s, coding.decode_s, 0.0),
        robot_s=environment.robot_s,
        features=table.features,
        decode_s=coding.decode_s,
        point=coding.point,
        fidelity=coding.fidelity,
        allowed=np.ones(n, dtype=np.bool_),
        camera=np.zeros(n, dtype=np.bool_),
        key_bytes=np.zeros(n) if coding.streams is None else coding.streams.key_bytes,
    )
