# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exp4 with fixed share: probabilities and weights computed by hand, disallowed arms, and links that change."""

from __future__ import annotations

import dataclasses
import math

import bandits
import numpy as np
import pytest
from bandits import ON_DEVICE, answer, context

from neurosurgeon_ros.learning.interface import Context, Kind, Observation
from neurosurgeon_ros.learning.peers.exp4 import Exp4


def worked(context: Context, arm: int, **options: float) -> Exp4:
    """Return a policy with gamma = 0.1, share = 0.2 and eta = ln 2, whose seed makes it choose `arm` first."""
    settings = {"eta": math.log(2.0), "gamma": 0.1, "share": 0.2} | options
    for seed in range(100):
        policy = Exp4(n_arms=3, seed=seed, **settings)
        if policy.select(context).arm == arm:
            return policy
    raise AssertionError("no seed takes the arm")


def test_worked_example_of_two_frames() -> None:
    """Each arm has probability 1/3 at first. Losses are delays divided by twice the device's 2 s."""
    policy = worked(context(1), arm=0)
    policy.observe(answer(0, 1, 2 / 3), context(1))
    # (2/3) / 4 - 2 / 4 = -1/3, divided by the probability 1/3: -1, so the weight doubles
    np.testing.assert_allclose(policy.weights, [1 / 2, 1 / 4, 1 / 4])
    # 0.9 of the weights, and 0.1 / 3
    np.testing.assert_allclose(policy.chances(context(2)), [29 / 60, 31 / 120, 31 / 120])
    policy.select(context(2))
    # 0.8 of the weights, and 0.2 / 3
    np.testing.assert_allclose(policy.weights, [7 / 15, 4 / 15, 4 / 15])


def test_late_answer_counts_with_the_chance_that_its_arm_had() -> None:
    policy = worked(context(1), arm=0, share=1e-9)
    policy.select(context(2, allowed=(False, False, True)))
    policy.observe(answer(0, 1, 2 / 3), context(1))
    np.testing.assert_allclose(policy.weights, [1 / 2, 1 / 4, 1 / 4], rtol=1e-6)


def test_experts_of_arms_that_are_not_allowed_advise_the_device() -> None:
    policy = Exp4(n_arms=3, gamma=0.1)
    # a third for arm 0 and two thirds for the device; in addition 0.1 / 2 for each
    np.testing.assert_allclose(policy.chances(context(1, allowed=(True, False, True))), [0.35, 0.0, 0.65])
    alone = context(2, allowed=(False, False, True))
    np.testing.assert_allclose(policy.chances(alone), [0.0, 0.0, 1.0])
    assert policy.select(alone).arm == ON_DEVICE


@pytest.mark.parametrize("offload_s", [4.0, 1e6])
def test_delays_beyond_the_worst_are_alike(offload_s: float) -> None:
    policy = worked(context(1), arm=0)
    policy.observe(answer(0, 1, offload_s), context(1))
    # (1 - 1/2) / (1/3) = 3/2
    kept = 2.0**-1.5
    np.testing.assert_allclose(policy.weights, np.array([kept, 1, 1]) / (2 + kept))


def test_missed_deadline_is_the_greatest_loss_and_a_late_answer_no_second_one() -> None:
    policy = worked(context(1), arm=0)
    policy.observe(dataclasses.replace(answer(0, 1, 0.1), censored=True), context(1))
    kept = 2.0**-1.5
    np.testing.assert_allclose(policy.weights, np.array([kept, 1, 1]) / (2 + kept))
    policy.observe(answer(0, 1, 0.1), context(1))
    np.testing.assert_allclose(policy.weights, np.array([kept, 1, 1]) / (2 + kept))


def test_robot_side_cost_counts() -> None:
    """Arm 1 costs 0.5 s before it is sent: (0.5 + 1/6) / 4 - 2 / 4 = -1/3."""
    policy = worked(context(1), arm=1)
    policy.observe(answer(1, 1, 1 / 6), context(1))
    np.testing.assert_allclose(policy.weights, [1 / 4, 1 / 2, 1 / 4])


@pytest.mark.parametrize(
    "observation",
    [
        answer(1, 1, 1.0),
        answer(0, 1, math.nan),
        dataclasses.replace(answer(0, 1, 1.0), kind=Kind.SAMPLE),
        Observation(arm=-1, sequence=1, kind=Kind.PROBE, offload_s=0.1),
        answer(ON_DEVICE, 1, math.nan),
    ],
    ids=["another arm", "not measured", "sample", "probe", "on_device"],
)
def test_learns_from_the_frame_that_was_chosen_alone(observation: Observation) -> None:
    policy = worked(context(1), arm=0)
    policy.observe(observation, context(1))
    np.testing.assert_allclose(policy.weights, 1 / 3)


def test_a_frame_on_the_device_teaches_nothing() -> None:
    policy = worked(context(1), arm=ON_DEVICE)
    policy.observe(answer(ON_DEVICE, 1, math.nan), context(1))
    np.testing.assert_allclose(policy.weights, 1 / 3)


def test_frames_that_are_never_answered_pile_up_no_memory() -> None:
    policy = Exp4(n_arms=3)
    for frame in range(1, 3001):
        policy.select(context(frame))
    assert len(policy._awaited) == 1000


def test_share_brings_back_an_expert_who_lost_everything() -> None:
    policy = Exp4(n_arms=3, share=0.1)
    policy._log_weights[0] = -1e4
    policy.select(context(1))
    assert policy.weights[0] == pytest.approx(0.1 / 3)


def test_repeats_with_its_seed() -> None:
    runs = [bandits.play(Exp4(n_arms=3, seed=seed), 300, lambda _: (0.3, 0.1)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_comes_back_from_the_device_where_lin_ucb_stays() -> None:
    assert bandits.share_at_edge("lin_ucb") == 0.0
    for seed in range(3):
        assert bandits.share_at_edge("exp4", seed=seed) > 0.9


def test_leaves_an_arm_that_got_slow_before_lin_ucb_does() -> None:
    assert bandits.share_of_light_arm("lin_ucb", 1200, 1300) == 0.0
    for seed in range(3):
        assert bandits.share_of_light_arm("exp4", 1200, 1300, seed=seed) > 0.8


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("eta", 0.0),
        ("gamma", 0.0),
        ("gamma", 1.5),
        ("share", 0.0),
        ("share", 1.0),
        ("worst", 1.0),
        ("worst", math.nan),
    ],
)
def test_refuses_an_option_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value}"):
        Exp4(n_arms=3, **{option: value})
