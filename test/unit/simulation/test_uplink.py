# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Uplinks whose rate changes and may be 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosurgeon_ros.simulation.uplink import Uplink, UplinkByFrame, UplinkByTime

#: Rates in Mbit/s: 8 Mbit/s is 1 MB/s.
DOWN_IN_THE_MIDDLE = np.array([8.0, 0.0, 0.0, 16.0])


def test_a_frame_has_one_rate_however_long_its_bytes_take() -> None:
    uplink = UplinkByFrame(np.array([8.0, 16.0]), 0.1)
    assert float(uplink.end_s(0, 5.0, 1e6)) == pytest.approx(6.0)
    assert float(uplink.end_s(1, 5.0, 1e6)) == pytest.approx(5.5)
    assert float(uplink.end_s(2, 5.0, 1e6)) == pytest.approx(6.0), "the rates repeat"


def test_a_frame_that_meets_a_rate_of_zero_waits_for_the_next_rate_above() -> None:
    uplink = UplinkByFrame(DOWN_IN_THE_MIDDLE, 0.1)
    assert float(uplink.end_s(1, 0.1, 1e6)) == pytest.approx(0.1 + 2 * 0.1 + 0.5)
    assert float(uplink.end_s(2, 0.2, 1e6)) == pytest.approx(0.2 + 0.1 + 0.5)


def test_the_wait_goes_on_over_the_end_of_the_rates() -> None:
    uplink = UplinkByFrame(np.array([8.0, 0.0]), 0.1)
    assert float(uplink.end_s(1, 0.1, 1e6)) == pytest.approx(0.1 + 0.1 + 1.0)


def test_bytes_drain_at_the_rate_as_it_changes() -> None:
    uplink = UplinkByTime(DOWN_IN_THE_MIDDLE, 0.1)
    starts_s = np.array([0.0, 0.0, 0.05, 0.15, 0.35, 9.0])
    sent_bytes = np.array([1e5, 2e5, 1e5, 1e5, 4e5, 4e5])
    expected_s = [0.1, 0.35, 0.325, 0.35, 0.55, 9.2]
    np.testing.assert_allclose(uplink.end_s(0, starts_s, sent_bytes), expected_s)


@pytest.mark.parametrize("uplink", [UplinkByFrame(DOWN_IN_THE_MIDDLE, 0.1), UplinkByTime(DOWN_IN_THE_MIDDLE, 0.1)])
def test_no_bytes_take_no_time_while_the_rate_is_above_zero(uplink: Uplink) -> None:
    assert float(uplink.end_s(0, 0.05, 0.0)) == pytest.approx(0.05)


def test_the_mean_rate_between_two_times_counts_outages() -> None:
    uplink = UplinkByTime(DOWN_IN_THE_MIDDLE, 0.1)
    assert uplink.mean_bytes_per_s(0.0, 0.1) == pytest.approx(1e6)
    assert uplink.mean_bytes_per_s(0.05, 0.15) == pytest.approx(0.5e6)
    assert uplink.mean_bytes_per_s(0.1, 0.3) == pytest.approx(0.0, abs=1e-6)
    assert uplink.mean_bytes_per_s(5.0, 6.0) == pytest.approx(2e6), "the last rate stays"


@given(
    mbps=st.lists(st.one_of(st.just(0.0), st.floats(0.01, 100.0)), min_size=1, max_size=20).filter(any),
    start_s=st.floats(0.0, 3.0),
    first=st.floats(0.0, 1e6),
    second=st.floats(0.0, 1e6),
)
def test_two_messages_one_after_the_other_take_what_one_of_their_size_takes(
    mbps: list[float], start_s: float, first: float, second: float
) -> None:
    uplink = UplinkByTime(np.array(mbps), 0.1)
    between_s = float(uplink.end_s(0, start_s, first))
    assert between_s >= start_s
    apart_s, together_s = uplink.end_s(0, between_s, second), uplink.end_s(0, start_s, first + second)
    np.testing.assert_allclose(apart_s, together_s, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mbps", [[], [0.0, 0.0], [1.0, -1.0], [np.inf], [np.nan]])
def test_rates_over_which_nothing_could_be_sent_are_refused(mbps: list[float]) -> None:
    rates = np.array(mbps, dtype=np.float64)
    for make in (lambda: UplinkByFrame(rates, 0.1), lambda: UplinkByTime(rates, 0.1)):
        with pytest.raises(ValueError, match="at least one must be above 0"):
            make()
