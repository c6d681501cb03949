# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A context and an expectation of delays with two arms that use the edge, and `on_device`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.interface import Context

#: Seconds of each arm on the robot.
ROBOT_S = np.array([0.01, 0.1, 0.2])
#: Deadline of a frame in seconds.
DEADLINE_S = 0.3


def make_context(**changes: object) -> Context:
    """Return the context of a frame."""
    plain = Context(
        frame=1,
        robot_s=ROBOT_S,
        features=np.zeros((3, 7)),
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.ones(3, dtype=np.bool_),
        on_device=2,
        key_frame=False,
        deadline_s=DEADLINE_S,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def make_expectation(link_s: tuple[float, float], sd: float) -> Expectation:
    """Return expected delays with an edge that takes no time, and a link with the given standard deviation."""
    return Expectation(ROBOT_S, np.array([*link_s, 0.0]), np.zeros(3), np.full(3, sd), np.zeros(3))
