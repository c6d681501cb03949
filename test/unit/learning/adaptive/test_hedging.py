# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The delay after which an answer is overdue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from three_arms import ROBOT_S, make_context, make_expectation

from neurosurgeon_ros.learning.adaptive.belief import DelayModel, Parts
from neurosurgeon_ros.learning.adaptive.hedging import HedgeRule
from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.learning.interface import Kind, Observation

#: Seconds by which an answer of arm 0 precedes or follows the robot's own result.
BEFORE, AFTER = 0.1, 0.3


def hedge_rule() -> HedgeRule:
    return HedgeRule(DelayModel(3, Nominal(), Parts()))


def observe(rule: HedgeRule, sequence: int, offload_s: float, **more: object) -> None:
    rule.observe(Observation(0, sequence, Kind.FRAME, offload_s, **more), make_context())  # type: ignore[arg-type]


def overdue_s(rule: HedgeRule, link_s: float, sd: float) -> float:
    return rule.overdue_s(make_context(), make_expectation((link_s, link_s), sd), 0)


def test_an_answer_is_overdue_some_deviations_later_than_expected() -> None:
    rule = hedge_rule()
    assert 0.02 < overdue_s(rule, 0.02, 0.05) < overdue_s(rule, 0.02, 0.2) < 0.04


def test_an_answer_that_is_hardly_sooner_than_the_robot_is_overdue_at_once() -> None:
    rule = hedge_rule()
    assert overdue_s(rule, 0.12, 0.01) > 0.12
    assert overdue_s(rule, 0.17, 0.01) == 0.0


def test_an_answer_is_overdue_at_once_if_the_belief_is_too_uncertain() -> None:
    rule = hedge_rule()
    assert overdue_s(rule, 0.05, 0.3) > 0.05
    assert overdue_s(rule, 0.05, 1.0) == 0.0


def test_penalties_for_fidelity_are_no_delays() -> None:
    rule, penalty_s = hedge_rule(), np.array([1.0, 1.0, 0.0])
    expected = replace(make_expectation((0.02, 0.02), 0.05), robot_s=ROBOT_S + penalty_s)
    assert rule.overdue_s(make_context(penalty_s=penalty_s), expected, 0) == overdue_s(hedge_rule(), 0.02, 0.05)


@pytest.mark.parametrize("censored", [True, False])
def test_answers_are_overdue_at_once_after_late_ones_until_enough_are_in_time(censored: bool) -> None:
    rule = hedge_rule()
    for sequence in range(1, 5):
        observe(rule, sequence, AFTER, censored=censored)
    assert overdue_s(rule, 0.02, 0.05) == 0.0
    in_time = 0
    while overdue_s(rule, 0.02, 0.05) == 0.0 and in_time < 1000:
        in_time += 1
        observe(rule, 4 + in_time, BEFORE)
    assert 50 < in_time < 300


def test_one_late_answer_in_a_thousand_does_not_matter() -> None:
    rule = hedge_rule()
    for sequence in range(1, 3000):
        observe(rule, sequence, AFTER if sequence % 1000 == 0 else BEFORE)
    assert overdue_s(rule, 0.02, 0.05) > 0.0


def test_a_late_frame_counts_once() -> None:
    """A frame that the robot finished first has two observations: first a bound, then the late answer."""
    rule = hedge_rule()
    observe(rule, 1, AFTER, censored=True)
    observe(rule, 1, AFTER)
    assert overdue_s(rule, 0.02, 0.05) > 0.0
    observe(rule, 2, AFTER, censored=True)
    assert overdue_s(rule, 0.02, 0.05) == 0.0


def test_only_offloaded_frames_count() -> None:
    rule = hedge_rule()
    for sequence in range(1, 100):
        rule.observe(Observation(-1, sequence, Kind.PROBE, 9.0), make_context())
        rule.observe(Observation(0, sequence, Kind.SAMPLE, 9.0), make_context())
        rule.observe(Observation(2, sequence, Kind.FRAME, float("nan")), make_context())
    assert overdue_s(rule, 0.02, 0.05) > 0.0
