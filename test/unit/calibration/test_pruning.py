# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pruning keeps few arms, one of which is always as good as the best of all, or nearly."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.calibration.pruning import NOTICEABLE, Costs, worth_having


def costs(*arms: tuple[float, float, float, float]) -> Costs:
    """Return costs from milliseconds on the robot, of decoding and of the back-end, and kilobytes, for each arm."""
    table = np.array(arms) * [1e-3, 1e-3, 1e-3, 1e3]
    return Costs(*table.T)


ON_DEVICE = (200.0, 0.0, 0.0, 0.0)


def test_an_arm_that_costs_more_in_everything_goes() -> None:
    assert worth_having(costs((5, 0, 20, 500), (10, 0, 20, 600), ON_DEVICE), 0.2) == [0, 2]


def test_an_arm_that_saves_bytes_stays_and_so_does_one_that_saves_time() -> None:
    assert worth_having(costs((5, 0, 20, 500), (25, 0, 20, 100), ON_DEVICE), 0.2) == [0, 1, 2]


def test_of_arms_that_nobody_could_tell_apart_one_stays() -> None:
    kept = worth_having(costs((5, 0, 20, 500), (5.1, 0, 20, 499), (4.9, 0, 20, 501), ON_DEVICE), 0.2)
    assert len(kept) == 2
    assert 3 in kept


def test_where_the_link_is_no_limit_the_best_arm_itself_stays() -> None:
    # Encoded in 4 ms, which is hardly noticeable, the image has a third of its size. Unencoded it is best on a cable.
    assert worth_having(costs((5, 0, 20, 500), (9, 0, 20, 150), ON_DEVICE), 0.2) == [0, 1, 2]


def test_an_arm_that_is_slow_to_encode_takes_no_other_arms_place() -> None:
    assert worth_having(costs((500, 0, 20, 100), (20, 0, 20, 100), ON_DEVICE), 0.2) == [1, 2]


def test_what_no_link_makes_up_for_does_not_keep_an_arm() -> None:
    assert worth_having(costs((5, 0, 20, 0.9), (5, 0, 20, 1.0), ON_DEVICE), 0.2) == [0, 2]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 20), st.floats(0, 50), st.floats(0.1, 5000)), min_size=1, max_size=30
    ),
    st.sampled_from([0.05, 0.2, 1.0]),
)
def test_the_best_that_is_kept_is_nearly_the_best_of_all(
    arms: list[tuple[float, float, float, float]], speed: float
) -> None:
    table = costs(*arms, ON_DEVICE)
    kept = worth_having(table, speed)
    totals = table.totals(speed)
    assert kept == sorted(set(kept))
    assert kept[-1] == len(arms)
    lack = np.min(totals[kept], axis=0) - np.min(totals, axis=0)
    assert lack.max() <= NOTICEABLE * table.robot_s[-1] + 1e-12
