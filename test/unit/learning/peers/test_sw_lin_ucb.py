# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SW-LinUCB: a worked example, late answers, and links that change."""

from __future__ import annotations

import math

import bandits
import numpy as np
import pytest
from bandits import BLOCK, ON_DEVICE, USED, answer, context

from neurosurgeon_ros.learning.interface import Observation
from neurosurgeon_ros.learning.peers.sw_lin_ucb import SwLinUcb


def worked(**options: float) -> SwLinUcb:
    """Return a policy with w = 2, lambda = 1 and a radius of sqrt(lambda) S = 1, in seconds."""
    return SwLinUcb(n_arms=3, **({"window": 2, "c_theta": 1.0, "c_noise": 0.0, "delay_unit_s": 1.0} | options))


def test_worked_example_of_five_frames() -> None:
    """Each row: on_device_s; V and theta before the frame, by hand (columns conv, psi); arm; observed delay."""
    policy = worked()
    rows = [
        # index: -sqrt(2), 0.5 - 1, 2
        (2.0, [[1, 0], [0, 1]], [0, 0], 0, 4.0),
        # b = (4, 4); index: 8/3 - sqrt(2/3) = 1.85, 0.5 + 4/3 - sqrt(2/3) = 1.02, 2
        (2.0, [[2, 1], [1, 2]], [4 / 3, 4 / 3], 1, 1.0),
        # b = (5, 4); index: 13/5 - sqrt(3/5) = 1.83, 0.5 + 6/5 - sqrt(2/5) = 1.07, 1
        (1.0, [[3, 1], [1, 2]], [6 / 5, 7 / 5], ON_DEVICE, math.nan),
        # frame 1 has left; b = (1, 0); index: 1/2 - sqrt(3/2) = -0.72, 0.5 + 1/2 - sqrt(1/2) = 0.29, -1
        (-1.0, [[2, 0], [0, 1]], [1 / 2, 0], ON_DEVICE, math.nan),
        # frames 3 and 4 were on the device, so nothing is known; index: -sqrt(2), 0.5 - 1, 2
        (2.0, [[1, 0], [0, 1]], [0, 0], 0, 4.0),
    ]
    for frame, (on_device_s, v, theta, arm, delay_s) in enumerate(rows, start=1):
        found_v, found_theta = policy.regression(frame)
        np.testing.assert_allclose(found_v[BLOCK], v)
        np.testing.assert_allclose(found_theta[USED], theta, atol=1e-15)
        assert policy.select(context(frame, on_device_s=on_device_s)).arm == arm
        policy.observe(answer(arm, frame, delay_s), context(frame))


def test_choice_reports_expectation_and_lower_bound() -> None:
    policy = worked()
    assert math.isnan(policy.select(context(1)).predicted_offload_s)
    policy.observe(answer(0, 1, 4.0), context(1))
    choice = policy.select(context(2))
    assert choice.predicted_offload_s == pytest.approx(4 / 3)
    assert choice.optimistic_offload_s == pytest.approx(4 / 3 - math.sqrt(2 / 3))
    assert math.isnan(policy.select(context(9)).predicted_offload_s)


def test_radius_is_the_papers() -> None:
    policy = SwLinUcb(n_arms=3, window=50)
    policy.select(context(1))
    # R = 0.05, delta = 0.1, d = 7, lambda = S = 1, and L^2 = 2
    assert policy.radius() == pytest.approx(1 + 0.05 * math.sqrt(7 * math.log((1 + 50 * 2) / 0.1)))


def test_late_answer_takes_its_frames_place() -> None:
    policy = worked()
    for frame in range(1, 4):
        policy.select(context(frame))
    policy.observe(answer(1, 3, 1.0), context(3))
    policy.observe(answer(0, 2, 4.0), context(2))  # late, but still in the window of frame 4
    policy.observe(answer(0, 1, 4.0), context(1))  # too late for the window; it must not overwrite a newer frame
    v, theta = policy.regression(4)
    np.testing.assert_allclose(v[BLOCK], [[3, 1], [1, 2]])
    np.testing.assert_allclose(theta[USED], [6 / 5, 7 / 5])


def test_comes_back_from_the_device_where_lin_ucb_stays() -> None:
    assert bandits.share_at_edge("lin_ucb") == 0.0
    assert bandits.share_at_edge("sw_lin_ucb") > 0.9


def test_leaves_an_arm_that_got_slow_before_lin_ucb_does() -> None:
    assert bandits.share_of_light_arm("lin_ucb", 1150, 1250) == 0.0
    assert bandits.share_of_light_arm("sw_lin_ucb", 1150, 1250) > 0.9


@pytest.mark.parametrize("observation", bandits.NO_DELAYS)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = worked()
    policy.select(context(1))
    policy.observe(observation, context(1))
    v, theta = policy.regression(2)
    np.testing.assert_array_equal(v, np.eye(7))
    np.testing.assert_array_equal(theta, np.zeros(7))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("window", 0),
        ("window", 2.5),
        ("beta", 0.0),
        ("delta", 0.0),
        ("delta", 1.0),
        ("c_theta", -1.0),
        ("c_noise", math.inf),
        ("delay_unit_s", 0.0),
    ],
)
def test_refuses_an_option_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value}"):
        SwLinUcb(n_arms=3, **{option: value})
