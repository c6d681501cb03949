# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""LinUCB with change detection: the test computed by hand, false alarms, exploration, and links that change."""

from __future__ import annotations

import dataclasses
import math

import bandits
import numpy as np
import pytest
from bandits import BLOCK, ON_DEVICE, USED, answer, context

from neurosurgeon_ros.learning.interface import Observation
from neurosurgeon_ros.learning.peers.cd_lin_ucb import CdLinUcb, relative


def worked(**options: float) -> CdLinUcb:
    """Return a policy that does not explore and tests every observation, with epsilon = 0.1 and h = 1, in seconds."""
    settings = {"explore": 0.0, "epsilon": 0.1, "threshold": 1.0, "warm_up": 0, "delay_unit_s": 1.0} | options
    return CdLinUcb(n_arms=3, **settings)


def test_worked_example_of_an_alarm() -> None:
    """Arm 1 is x = (1, 0), so theta = (sum y) / (1 + k). Each row: delay, prediction with it, and the sum g+."""
    policy = worked()
    rows = [
        (2.0, 1.0, 0.4),  # r = (2 - 1) / 2
        (2.0, 4 / 3, 0.4 + 7 / 30),  # r = (2 - 4/3) / 2 = 1/3
        (2.0, 1.5, 0.4 + 7 / 30 + 0.15),  # r = (2 - 3/2) / 2
        (2.0, 1.6, 0.4 + 7 / 30 + 0.15 + 0.1),  # r = (2 - 8/5) / 2
    ]
    for frame, (delay_s, predicted_s, slower) in enumerate(rows, start=1):
        policy.observe(answer(1, frame, delay_s), context(frame))
        assert policy.ridge.theta[USED[0]] == pytest.approx(predicted_s)
        assert policy.slower == pytest.approx(slower)
        assert policy.faster == 0.0
    # 0.5 s: theta = 8.5/6, r = (0.5 - 8.5/6) / (8.5/6) = -11/17; g+ falls to 0.8833 - 0.7471, g- rises to 11/17 - 0.1
    policy.observe(answer(1, 5, 0.5), context(5))
    assert policy.slower == pytest.approx(53 / 60 - 11 / 17 - 0.1)
    assert policy.faster == pytest.approx(11 / 17 - 0.1)
    # 0.1 s: theta = 8.6/7, r = (0.1 - 8.6/7) / (8.6/7) = -79/86; g- = 0.547 + 0.819 > 1
    policy.observe(answer(1, 6, 0.1), context(6))
    assert policy.restarts == 1
    assert policy.slower == policy.faster == 0.0
    assert policy.ridge.count == 0
    np.testing.assert_array_equal(policy.ridge.a[BLOCK], np.eye(2))


def test_first_observations_are_not_tested() -> None:
    policy = worked(warm_up=3)
    for frame in range(1, 4):
        policy.observe(answer(1, frame, 100.0), context(frame))
    assert policy.slower == 0.0
    policy.observe(answer(1, 4, 100.0), context(4))
    assert policy.slower == pytest.approx(0.2 - 0.1)  # theta = 400/5


def test_relative_difference_lies_between_minus_one_and_one() -> None:
    assert relative(4.0, 1.0) == 0.75
    assert relative(1.0, 4.0) == -0.75
    assert relative(3.0, 0.0) == 1.0
    assert relative(0.0, 0.0) == 0.0


def test_noise_is_no_change() -> None:
    policy, rng = CdLinUcb(n_arms=3), np.random.default_rng(0)
    for frame in range(1, 2001):
        arm = policy.select(context(frame)).arm
        if arm != ON_DEVICE:
            delay_s = (0.3, 0.1)[arm] * float(rng.lognormal(0.0, 0.1))
            policy.observe(answer(arm, frame, delay_s), context(frame))
    assert policy.ridge.count > 1900
    assert policy.restarts == 0


def test_explores_its_share_among_what_is_allowed() -> None:
    policy = CdLinUcb(n_arms=3, explore=0.2)
    choices = [policy.select(context(frame, allowed=(True, False, True))) for frame in range(1, 1001)]
    explored = [choice.arm for choice in choices if choice.forced]
    assert len(explored) == pytest.approx(200, abs=40)
    assert set(explored) == {0, ON_DEVICE}


def test_repeats_with_its_seed() -> None:
    runs = [bandits.play(CdLinUcb(n_arms=3, seed=seed, explore=0.2), 300, lambda _: (0.3, 0.1)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_comes_back_from_the_device_where_lin_ucb_stays() -> None:
    assert bandits.share_at_edge("lin_ucb") == 0.0
    assert bandits.share_at_edge("cd_lin_ucb") > 0.9


def test_leaves_an_arm_that_got_slow_before_lin_ucb_does() -> None:
    assert bandits.share_of_light_arm("lin_ucb", 1050, 1150) == 0.0
    assert bandits.share_of_light_arm("cd_lin_ucb", 1050, 1150) > 0.9


@pytest.mark.parametrize("observation", bandits.NO_DELAYS)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = worked()
    policy.observe(answer(0, 1, 1.0), context(1))
    before = policy.slower
    policy.observe(dataclasses.replace(observation, sequence=2), context(2))
    assert policy.ridge.count == 1
    assert policy.slower == before > 0.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("explore", 1.5),
        ("epsilon", -0.1),
        ("threshold", 0.0),
        ("warm_up", -1),
        ("warm_up", 2.5),
        ("beta", 0.0),
        ("delta", 1.0),
        ("c_noise", math.nan),
        ("delay_unit_s", 0.0),
    ],
)
def test_refuses_an_option_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value}"):
        CdLinUcb(n_arms=3, **{option: value})
