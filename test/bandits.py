# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Three arms whose features are small integers, and links that change, for tests of policies."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation, Policy

CONV, PSI = FEATURES.index("conv_macs"), FEATURES.index("psi")
#: Columns that are not all zero. The second constant selects their rows and columns from a matrix.
USED = [CONV, PSI]
BLOCK = np.ix_(USED, USED)
ON_DEVICE = 2


def context(frame: int, *, on_device_s: float = 2.0, allowed: tuple[bool, ...] = (True, True, True)) -> Context:
    """Return three arms: x = (1, 1) after 0 s, x = (1, 0) after 0.5 s, and on_device, in the columns of USED."""
    features = np.zeros((3, len(FEATURES)))
    features[0, USED] = 1.0
    features[1, CONV] = 1.0
    return Context(
        frame=frame,
        robot_s=np.array([0.0, 0.5, on_device_s]),
        features=features,
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.array(allowed),
        on_device=ON_DEVICE,
        key_frame=False,
        now_s=0.1 * frame,
    )


def answer(arm: int, frame: int, offload_s: float) -> Observation:
    return Observation(arm=arm, sequence=frame, kind=Kind.FRAME, offload_s=offload_s)


#: Observations that a policy of offloading delays must not learn from.
NO_DELAYS = [
    pytest.param(dataclasses.replace(answer(0, 1, 4.0), censored=True), id="censored"),
    pytest.param(dataclasses.replace(answer(0, 1, 4.0), kind=Kind.SAMPLE), id="sample"),
    pytest.param(Observation(arm=-1, sequence=1, kind=Kind.PROBE, offload_s=0.1), id="probe"),
    pytest.param(answer(0, 1, math.nan), id="not measured"),
    pytest.param(dataclasses.replace(answer(ON_DEVICE, 1, math.nan), robot_s=2.0), id="on_device"),
]


def play(policy: Policy, frames: int, offload_s: Callable[[int], tuple[float, float]]) -> list[int]:
    """
    Let a policy choose an arm for each frame, and answer each frame before the next.

    :param offload_s: returns the offloading delays of the two arms other than on_device, at a frame.
    :returns: the chosen arms.
    """
    arms = []
    for frame in range(1, frames + 1):
        arm = policy.select(context(frame)).arm
        seen = answer(arm, frame, math.nan if arm == ON_DEVICE else offload_s(frame)[arm])
        policy.observe(seen, context(frame))
        arms.append(arm)
    return arms


def edge_that_gets_fast(frame: int) -> tuple[float, float]:
    """Return delays that keep frames on the device for 200 frames, and that would not keep them there later."""
    return (6.0, 3.0) if frame <= 200 else (0.2, 0.1)


def link_that_gets_slow(frame: int) -> tuple[float, float]:
    """Return delays with which arm 0 is best for 1000 frames, and then arm 1, because psi costs more."""
    return (0.3, 0.1) if frame <= 1000 else (1.5, 0.1)


def share_at_edge(name: str, **options: Any) -> float:
    """Return the share of the last 200 of 1000 frames that a policy sends to the edge that becomes fast."""
    arms = play(make_policy(name, n_arms=3, **options), 1000, edge_that_gets_fast)
    return sum(arm != ON_DEVICE for arm in arms[800:]) / 200


def share_of_light_arm(name: str, first: int, last: int, **options: Any) -> float:
    """Return the share of arm 1 from frame `first` to before `last`, on the link that becomes slow at frame 1001."""
    arms = play(make_policy(name, n_arms=3, **options), last, link_that_gets_slow)
    return arms[first:].count(1) / (last - first)
