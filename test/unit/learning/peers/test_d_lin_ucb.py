# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""D-LinUCB: a worked example, late answers, and links that change."""

from __future__ import annotations

import math

import bandits
import numpy as np
import pytest
from bandits import BLOCK, ON_DEVICE, USED, answer, context

from neurosurgeon_ros.learning.interface import Observation
from neurosurgeon_ros.learning.peers.d_lin_ucb import DLinUcb


def worked(**options: float) -> DLinUcb:
    """Return a policy with gamma = 1/2, lambda = 1 and a radius of sqrt(lambda) S = 1, in seconds."""
    return DLinUcb(n_arms=3, **({"gamma": 0.5, "c_theta": 1.0, "c_noise": 0.0, "delay_unit_s": 1.0} | options))


def test_worked_example_of_four_frames() -> None:
    """Each row: on_device_s, expected arm, observed delay; V, V~ and b computed by hand (columns conv, psi)."""
    policy = worked()
    rows = [
        # index: -sqrt(2), 0.5 - 1, 2; V = V/2 + I/2 + xx' and V~ = V~/4 + 3I/4 + xx'
        (2.0, 0, 4.0, [[2, 1], [1, 2]], [[2, 1], [1, 2]], [4, 4]),
        # theta = (4/3, 4/3); index: 8/3 - sqrt(2/3) = 1.85, 0.5 + 4/3 - sqrt(2/3) = 1.02, 2
        (2.0, 1, 1.0, [[2.5, 0.5], [0.5, 1.5]], [[2.25, 0.25], [0.25, 1.25]], [3, 2]),
        # theta = (1, 1); index: 2 - sqrt(33/49) = 1.18, 1.5 - sqrt(20/49) = 0.86, 0.9; the edge is chosen
        (0.9, 1, 3.0, [[2.75, 0.25], [0.25, 1.25]], [[2.3125, 0.0625], [0.0625, 1.0625]], [4.5, 1]),
        # theta = (43/27, 13/27), and on_device takes 0 s; there x = 0, and the past is still discounted
        (
            0.0,
            ON_DEVICE,
            math.nan,
            [[15 / 8, 1 / 8], [1 / 8, 9 / 8]],
            [[85 / 64, 1 / 64], [1 / 64, 65 / 64]],
            [9 / 4, 1 / 2],
        ),
    ]
    for frame, (on_device_s, arm, delay_s, v, v_tilde, b) in enumerate(rows, start=1):
        assert policy.select(context(frame, on_device_s=on_device_s)).arm == arm
        policy.observe(answer(arm, frame, delay_s), context(frame))
        np.testing.assert_allclose(policy.v[BLOCK], v)
        np.testing.assert_allclose(policy.v_tilde[BLOCK], v_tilde)
        np.testing.assert_allclose(policy.b[USED], b)


def test_choice_reports_expectation_and_lower_bound() -> None:
    policy = worked()
    assert math.isnan(policy.select(context(1)).predicted_offload_s)
    policy.observe(answer(0, 1, 4.0), context(1))
    choice = policy.select(context(2))
    assert choice.predicted_offload_s == pytest.approx(4 / 3)
    assert choice.optimistic_offload_s == pytest.approx(4 / 3 - math.sqrt(2 / 3))


def test_radius_is_the_papers() -> None:
    policy = DLinUcb(n_arms=3, gamma=0.9)
    policy.select(context(1))
    # sigma = 0.05, delta = 0.1, d = 7, lambda = S = 1 and L^2 = 2; the sum over 2 frames is (1 - 0.9^4) / (1 - 0.9^2)
    spread = math.sqrt(2 * math.log(10) + 7 * math.log(1 + 2 * (1 - 0.9**4) / (7 * (1 - 0.9**2))))
    assert policy.radius(2) == pytest.approx(1 + 0.05 * spread)
    assert policy.radius(0) == pytest.approx(1 + 0.05 * math.sqrt(2 * math.log(10)))


def test_late_answer_counts_as_if_it_had_come_in_time() -> None:
    in_time, late = worked(), worked()
    for policy in (in_time, late):
        for frame in range(1, 5):
            policy.select(context(frame))
            if frame == (1 if policy is in_time else 4):
                policy.observe(answer(0, 1, 4.0), context(1))
    np.testing.assert_allclose(late.v, in_time.v)
    np.testing.assert_allclose(late.v_tilde, in_time.v_tilde)
    np.testing.assert_allclose(late.b, in_time.b)


def test_comes_back_from_the_device_where_lin_ucb_stays() -> None:
    assert bandits.share_at_edge("lin_ucb") == 0.0
    assert bandits.share_at_edge("d_lin_ucb") > 0.9


def test_leaves_an_arm_that_got_slow_before_lin_ucb_does() -> None:
    assert bandits.share_of_light_arm("lin_ucb", 1100, 1200) == 0.0
    assert bandits.share_of_light_arm("d_lin_ucb", 1100, 1200) > 0.9


@pytest.mark.parametrize("observation", bandits.NO_DELAYS)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = worked()
    policy.select(context(1))
    policy.observe(observation, context(1))
    np.testing.assert_array_equal(policy.v, np.eye(7))
    np.testing.assert_array_equal(policy.b, np.zeros(7))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("gamma", 0.0),
        ("gamma", 1.0),
        ("beta", 0.0),
        ("delta", 0.0),
        ("delta", 1.0),
        ("c_theta", -1.0),
        ("c_noise", math.nan),
        ("delay_unit_s", 0.0),
    ],
)
def test_refuses_an_option_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value}"):
        DLinUcb(n_arms=3, **{option: value})
