# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policies that do not learn, and the registry."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from neurosurgeon_ros.learning import POLICIES, make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation

PSI = FEATURES.index("psi")


def context() -> Context:
    """Return a context with the arms input as fp32, input as uint8, a later point, and on_device."""
    features = np.zeros((4, len(FEATURES)))
    features[:, PSI] = [400.0, 100.0, 50.0, 0.0]
    return Context(
        frame=1,
        robot_s=np.zeros(4),
        features=features,
        decode_s=np.zeros(4),
        point=np.array([0, 0, 3, 8]),
        allowed=np.ones(4, dtype=bool),
        on_device=3,
        key_frame=True,
    )


def test_edge_only_takes_the_earliest_point_in_its_lightest_codec() -> None:
    policy = make_policy("edge_only", n_arms=4)
    assert policy.select(context()).arm == 1
    without_input = dataclasses.replace(context(), allowed=np.array([False, False, True, True]))
    assert policy.select(without_input).arm == 2
    without_edge = dataclasses.replace(context(), allowed=np.array([False, False, False, True]))
    assert policy.select(without_edge).arm == 3


def test_edge_only_predicts_what_it_saw() -> None:
    policy = make_policy("edge_only", n_arms=4)
    assert math.isnan(policy.select(context()).predicted_offload_s)
    policy.observe(Observation(arm=1, sequence=1, kind=Kind.FRAME, offload_s=0.25), context())
    policy.observe(Observation(arm=1, sequence=2, kind=Kind.FRAME, offload_s=9.0, censored=True), context())
    assert policy.select(context()).predicted_offload_s == 0.25


def test_on_device_stays_there() -> None:
    choice = make_policy("on_device", n_arms=4).select(context())
    assert choice.arm == 3
    assert choice.predicted_offload_s == 0.0


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_works_without_an_edge(name: str) -> None:
    policy = make_policy(name, n_arms=4)
    alone = dataclasses.replace(context(), allowed=np.array([False, False, False, True]), edge_available=False)
    assert [policy.select(dataclasses.replace(alone, frame=frame)).arm for frame in range(1, 20)] == [3] * 19


def test_unknown_policy_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"there is no policy 'mulinucb'; choose one of .*mu_lin_ucb"):
        make_policy("mulinucb", n_arms=4)


def test_unknown_option_names_the_choices() -> None:
    with pytest.raises(ValueError, match="policy mu_lin_ucb has no option 'gamma'; choose among beta, delta"):
        make_policy("mu_lin_ucb", n_arms=4, gamma=1.0)


@pytest.mark.parametrize(
    ("option", "value"), [("mu", 1.0), ("beta", 0.0), ("weight_key", 1.0), ("horizon", -1), ("delta", math.nan)]
)
def test_option_out_of_range_is_named(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value!r}, but must be a"):
        make_policy("mu_lin_ucb", n_arms=4, **{option: value})
