# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Linear Thompson sampling: its posterior computed by hand, and links that change."""

from __future__ import annotations

import math

import bandits
import numpy as np
import pytest
from bandits import BLOCK, ON_DEVICE, USED, answer, context

from neurosurgeon_ros.learning.interface import Observation
from neurosurgeon_ros.learning.peers.lin_ts import LinTs


def test_draws_from_the_posterior_worked_by_hand() -> None:
    """After 4 s of x = (1, 1): A = [[2, 1], [1, 2]], b = (4, 4), theta = (4/3, 4/3), A^-1 = [[2, -1], [-1, 2]] / 3."""
    policy = LinTs(n_arms=3, delay_unit_s=1.0)
    policy.select(context(1))
    policy.observe(answer(0, 1, 4.0), context(1))
    drawn = np.stack([policy.draw(2) for _ in range(20_000)])
    # v_2 = 0.05 sqrt(9 * 7 ln(2 / 0.1))
    spread = 0.05 * math.sqrt(63 * math.log(20))
    assert policy.spread(2) == pytest.approx(spread)
    np.testing.assert_allclose(drawn.mean(axis=0)[USED], [4 / 3, 4 / 3], atol=0.02)
    covariance = np.cov(drawn.T) / spread**2
    np.testing.assert_allclose(covariance[BLOCK], [[2 / 3, -1 / 3], [-1 / 3, 2 / 3]], atol=0.02)
    others = [i for i in range(7) if i not in USED]
    np.testing.assert_allclose(covariance[np.ix_(others, others)], np.eye(5), atol=0.04)


def test_without_noise_the_expected_delay_decides() -> None:
    """Index: 8/3, 0.5 + 4/3 and on_device; theta = (4/3, 4/3) as above."""
    policy = LinTs(n_arms=3, c_noise=0.0, delay_unit_s=1.0)
    assert math.isnan(policy.select(context(1)).predicted_offload_s)
    policy.observe(answer(0, 1, 4.0), context(1))
    choice = policy.select(context(2, on_device_s=1.9))
    assert choice.arm == 1
    assert choice.predicted_offload_s == pytest.approx(4 / 3)
    assert policy.select(context(2, on_device_s=1.8)).arm == ON_DEVICE


def test_takes_allowed_arms_alone() -> None:
    policy = LinTs(n_arms=3)
    arms = {policy.select(context(frame, allowed=(False, True, True))).arm for frame in range(1, 200)}
    assert arms == {1}  # 0.5 s and uncertain, against 2 s on the device
    assert policy.select(context(200, allowed=(False, False, True))).arm == ON_DEVICE


def test_repeats_with_its_seed() -> None:
    runs = [bandits.play(LinTs(n_arms=3, seed=seed), 100, lambda _: (1.2, 0.8)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_leaves_an_arm_that_got_slow_before_lin_ucb_does() -> None:
    """Neither forgets, but draws still try the arm that the old delays speak against, and observe its new delays."""
    assert bandits.share_of_light_arm("lin_ucb", 1400, 1500) == 0.0
    for seed in range(3):
        assert bandits.share_of_light_arm("lin_ts", 1400, 1500, seed=seed) > 0.6


@pytest.mark.parametrize("observation", bandits.NO_DELAYS)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = LinTs(n_arms=3)
    policy.select(context(1))
    policy.observe(observation, context(1))
    assert policy.ridge.count == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("beta", 0.0), ("delta", 0.0), ("delta", 1.0), ("c_noise", -1.0), ("c_noise", math.nan), ("delay_unit_s", 0.0)],
)
def test_refuses_an_option_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"policy option {option} is {value}"):
        LinTs(n_arms=3, **{option: value})
