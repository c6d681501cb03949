# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The filter that learns sums of positive terms: convergence, noise, outliers and changes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurosurgeon_ros.learning.adaptive.log_filter import LogFilter, Prior

PRIOR = Prior(sd=np.array([1.0, 0.0]), level=np.array([0.0, 1.0]), level_sd=1.5, offset_sd=0.1)


def terms(size: float) -> np.ndarray:
    """Return the nominal seconds of a round trip of 5 ms and of `size` units of 10 ms each."""
    return np.array([0.005, 0.01 * size])


def taught(
    rounds: int = 30, *, noise: float = 0.02, seed: int = 0, n_arms: int = 2
) -> tuple[LogFilter, np.random.Generator]:
    """Return a filter that has learnt a round trip of 20 ms and 2 ms per unit, and its random generator."""
    learner, rng = LogFilter(PRIOR, n_arms), np.random.default_rng(seed)
    for number in range(rounds):
        size = (1.0, 20.0, 5.0)[number % 3]
        learner.advance(0.1)
        learner.learn(terms(size), (0.02 + 0.002 * size) * math.exp(noise * rng.standard_normal()), -1)
    return learner, rng


def predicted(learner: LogFilter, size: float) -> float:
    return float(learner.mean_of(terms(size)[None, :], arm=0)[0])


def test_finds_both_terms_from_a_prior_that_is_far_off() -> None:
    learner, _ = taught()
    for size in (1.0, 20.0, 100.0):
        assert predicted(learner, size) == pytest.approx(0.02 + 0.002 * size, rel=0.06)


def test_one_outlier_moves_nothing() -> None:
    learner, rng = taught()
    before = predicted(learner, 20.0)
    learner.learn(terms(20.0), 3.0 * before, -1)
    for _ in range(3):
        learner.learn(terms(20.0), before * math.exp(0.02 * rng.standard_normal()), -1)
    assert not learner.pending
    assert predicted(learner, 20.0) == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize("factor", [0.1, 0.3, 4.0, 12.0])
def test_change_is_followed_at_once(factor: float) -> None:
    """Only the level changes. The term of the units is multiplied by `factor`."""
    learner, rng = taught()
    for _ in range(2):
        learner.learn(terms(200.0), (0.02 + 0.4 * factor) * math.exp(0.02 * rng.standard_normal()), -1)
    assert predicted(learner, 200.0) == pytest.approx(0.02 + 0.4 * factor, rel=0.15)


def test_learns_that_outliers_are_common() -> None:
    learner, rng = taught()
    trusted = predicted(learner, 20.0)
    for number in range(100):
        learner.advance(0.1)
        outlier = 3.0 if number % 10 == 9 else 1.0
        learner.learn(terms(20.0), trusted * outlier * math.exp(0.05 * rng.standard_normal()), -1)
    assert predicted(learner, 20.0) == pytest.approx(trusted, rel=0.2)
    learner.learn(terms(20.0), 3.0 * trusted, -1)
    assert predicted(learner, 20.0) < 1.5 * trusted


def test_outliers_among_the_first_observations_do_not_last() -> None:
    learner = LogFilter(PRIOR, 1)
    for size, factor in [(1.0, 10.0), (20.0, 1.0), (1.0, 1.0), (5.0, 1.0), (20.0, 1.0), (1.0, 1.0), (5.0, 1.0)]:
        learner.learn(terms(size), factor * (0.02 + 0.002 * size), -1)
    assert predicted(learner, 20.0) == pytest.approx(0.06, rel=0.15)


def test_arm_that_differs_gets_its_own_offset() -> None:
    learner, rng = taught()
    for _ in range(20):
        for arm, factor in ((0, 1.0), (1, 1.25)):
            learner.learn(terms(20.0), 0.06 * factor * math.exp(0.02 * rng.standard_normal()), arm)
    both, _ = learner.predict(np.stack([terms(20.0), terms(20.0)]))
    assert both[1] / both[0] == pytest.approx(1.25, rel=0.08)


def test_overlapped_observation_weighs_little() -> None:
    learner, _ = taught()
    before = predicted(learner, 20.0)
    learner.learn(terms(20.0), 5.0 * before, -1, extra_variance=0.25)
    assert predicted(learner, 20.0) == pytest.approx(before, rel=0.1)


def test_doubt_grows_while_nothing_is_seen_and_falls_with_observations() -> None:
    learner = LogFilter(PRIOR, 1)
    learner.learn(terms(1.0), 0.02, -1)
    young = learner.doubt
    seen, _ = taught()
    assert seen.doubt < 0.01 < young
    seen.advance(10.0)
    assert seen.doubt > 0.5


def test_stationary_filter_neither_drifts_nor_jumps() -> None:
    learner = LogFilter(PRIOR, 1, track=False, detect=False)
    for _ in range(200):
        learner.learn(terms(20.0), 0.06, -1)
    sd = learner.level_sd
    learner.advance(100.0)
    assert learner.level_sd == sd
    learner.learn(terms(20.0), 0.6, -1)
    assert not learner.pending
    assert predicted(learner, 20.0) < 0.12


def test_state_survives_and_knows_that_time_has_passed() -> None:
    learner, _ = taught()
    again = LogFilter(PRIOR, 2)
    again.restore(learner.state())
    assert predicted(again, 20.0) == predicted(learner, 20.0)
    assert again.level_sd > learner.level_sd


def test_state_of_another_shape_is_refused() -> None:
    learner, _ = taught(n_arms=2)
    with pytest.raises(ValueError, match=r"offset has shape \(2,\), but must have shape \(3,\)"):
        LogFilter(PRIOR, 3).restore(learner.state())


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_delays_that_cannot_be_are_ignored(seconds: float) -> None:
    learner = LogFilter(PRIOR, 1)
    learner.learn(terms(1.0), seconds, -1)
    assert learner.count == 0


def test_what_nothing_fits_is_not_upheld_by_calling_everything_an_outlier() -> None:
    """After many fast outliers, the link becomes five times as fast."""
    learner, rng = taught()
    for number in range(200):
        learner.advance(0.1)
        factor = 0.2 if number % 3 == 2 else 1.0
        learner.learn(terms(20.0), 0.06 * factor * math.exp(0.05 * rng.standard_normal()), -1)
    assert predicted(learner, 20.0) == pytest.approx(0.06, rel=0.2)
    for _ in range(8):
        learner.learn(terms(20.0), 0.012 * math.exp(0.05 * rng.standard_normal()), -1)
    assert predicted(learner, 20.0) == pytest.approx(0.012, rel=0.3)


def test_a_round_trip_longer_than_a_whole_answer_is_refuted() -> None:
    """The filter believes in a round trip of 0.8 s, as after an outage whose late answers were attributed to it."""
    state = taught()[0].state()
    state["mean"][0] = math.log(0.8 / 0.005)
    learner = LogFilter(PRIOR, 2)
    learner.restore(state)
    assert predicted(learner, 20.0) > 0.8
    for number in range(8):
        size = (20.0, 5.0)[number % 2]
        learner.learn(terms(size), 0.02 + 0.002 * size, -1)
    assert predicted(learner, 20.0) == pytest.approx(0.06, rel=0.1)
    assert predicted(learner, 1.0) == pytest.approx(0.022, rel=0.3)
