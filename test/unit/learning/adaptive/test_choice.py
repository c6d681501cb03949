# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trials: frames that would stay on the robot go to the edge, and the robot works on them at the same time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drives import ON_DEVICE, Drive
from three_arms import DEADLINE_S, make_context, make_expectation

from neurosurgeon_ros.learning.adaptive.belief import DelayModel, Parts
from neurosurgeon_ros.learning.adaptive.choice import ChoiceRule, without_hopeless
from neurosurgeon_ros.learning.adaptive.policy import AdaptiveMuLinUcb
from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.learning.interface import Choice, Context


def trial(link_s: tuple[float, float], sd: float, **changes: object) -> int | None:
    rule = ChoiceRule(DelayModel(3, Nominal(), Parts()), alpha=0.5, weight_key=0.8, weight_other=0.2)
    return rule.trial(make_context(**changes), make_expectation(link_s, sd))


def test_an_arm_that_may_well_be_faster_is_tried() -> None:
    assert trial((0.25, 0.4), sd=0.5) == 0
    assert trial((0.9, 0.11), sd=0.5) == 1


def test_an_arm_that_is_certain_to_be_slower_is_not_tried() -> None:
    assert trial((0.4, 0.4), sd=0.01) is None


def test_an_arm_that_would_fill_the_link_for_several_deadlines_is_not_tried() -> None:
    assert trial((4.0 * DEADLINE_S, 9.0), sd=2.0) is None


def test_the_time_of_a_frame_that_the_robot_has_to_finish_counts_against_a_trial() -> None:
    late_s = np.array([0.5, 0.5, 0.0])
    assert trial((0.18, 9.0), sd=0.3) == 0
    assert trial((0.18, 9.0), sd=0.3, finish_s=late_s) is None


def test_the_gain_of_an_arm_is_what_it_saves_on_average_less_half_of_what_a_late_answer_costs() -> None:
    rule = ChoiceRule(DelayModel(3, Nominal(), Parts()), alpha=0.5, weight_key=0.8, weight_other=0.2)
    seen = make_context(finish_s=np.array([0.24, 0.15, 0.0]))
    gain_s = rule.gain_s(seen, make_expectation((0.04, 99.0), 0.001), np.arange(3))
    assert gain_s == pytest.approx([0.15 - 0.025, -0.05 - 0.025, 0.0], abs=0.01)


def test_an_arm_with_which_the_robot_sends_no_frame_is_not_chosen_over_an_unknown_link() -> None:
    expected = make_expectation((9.0 * DEADLINE_S, 2.0 * DEADLINE_S), 0.1)
    assert without_hopeless(make_context(), expected).allowed.tolist() == [False, True, True]
    assert without_hopeless(make_context(), replace(expected, key_s=np.full(3, 2.0))).allowed.tolist() == [
        False
    ] * 2 + [True]


def test_an_arm_that_is_not_allowed_is_not_tried() -> None:
    assert trial((0.15, 0.15), sd=0.5, allowed=np.array([False, False, True])) is None


@pytest.mark.parametrize("hedge", [True, False])
def test_the_robot_works_on_the_frame_of_a_trial_from_the_start(hedge: bool) -> None:
    """The link falls to a rate at which edge and robot take about the same time."""
    drive, policy = Drive(16.0, seed=0), AdaptiveMuLinUcb(n_arms=5, hedge=hedge)
    choices: list[Choice] = []

    def select(seen: Context) -> Choice:
        choices.append(AdaptiveMuLinUcb.select(policy, seen))
        return choices[-1]

    policy.select = select  # type: ignore[method-assign]
    drive.policy = policy
    for _ in range(50):
        drive.step()
    drive.mbps = 5.0
    for _ in range(200):
        drive.step()
    tried = [one for one in choices[50:] if one.arm != ON_DEVICE and one.overdue_s == 0.0]
    assert bool(tried) == hedge
    assert all(one.overdue_s == math.inf for one in choices if one.arm == ON_DEVICE or not hedge)
