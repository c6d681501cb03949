# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A term with a limit relative to another term, and its return to the prior without observations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurosurgeon_ros.learning.adaptive.log_filter import LogFilter, Prior
from neurosurgeon_ros.learning.adaptive.surcharge import Surcharge, limited

DOUBLE = Surcharge(term=1, of=0, most=0.0, sd=1.0, forget_s=10.0)
PRIOR = Prior(sd=np.array([0.0, 1.0]), level=np.ones(2), level_sd=1.5, offset_sd=0.1, surcharges=(DOUBLE,))


def test_a_surcharge_is_lowered_to_its_maximum_and_no_further() -> None:
    assert limited(np.array([0.5, 3.0]), (DOUBLE,)).tolist() == [0.5, 0.5]
    assert limited(np.array([0.5, 0.2]), (DOUBLE,)).tolist() == [0.5, 0.2]


def test_a_difference_returns_to_its_prior() -> None:
    mean, cov = DOUBLE.forgotten(np.array([2.0, -1.0]), np.diag([0.1, 0.01]), seconds=10.0)
    assert mean == pytest.approx([2.0, 2.0 - 3.0 / math.e])
    for _ in range(20):
        mean, cov = DOUBLE.forgotten(mean, cov, seconds=10.0)
    assert mean == pytest.approx([2.0, 2.0])
    assert cov == pytest.approx(np.array([[0.1, 0.1], [0.1, 1.1]])), "the difference is as uncertain as at first"


def test_an_observation_is_never_explained_by_a_surcharge_above_its_maximum() -> None:
    learner = LogFilter(PRIOR, 1)
    plain, charged = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    for number in range(40):
        learner.advance(0.1)
        learner.learn(charged if number % 4 == 0 else plain, 30.0 if number % 4 == 0 else 1.0, -1)
        assert learner.mean[1] <= learner.mean[0] + DOUBLE.most + 1e-9


def test_without_observations_the_filter_forgets_a_surcharge() -> None:
    learner = LogFilter(PRIOR, 1)
    for number in range(40):
        learner.learn(np.array([1.0, number % 2]), 1.0 + 0.1 * (number % 2), -1)
    assert learner.mean[1] == pytest.approx(math.log(0.1), abs=0.3)
    for _ in range(600):
        learner.advance(0.1)
    assert learner.mean[1] == pytest.approx(learner.mean[0], abs=0.05)
