# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Generated links are similar to recorded ones. The recordings themselves are not in the repository."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.mobile import MOBILE

RATE_SHARES, OUTAGE_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99), (0.5, 0.75, 0.9, 0.95)
#: Lags in rows: 0.1, 1 and 10 s.
LAGS = (1, 10, 100)


@dataclass(frozen=True)
class Recording:
    """
    Statistics of a recorded link.

    :param rows: number of rows of 100 ms.
    :param mean_mbps: mean rate in Mbit/s.
    :param mbps: quantiles of the rates in Mbit/s, including outages, at RATE_SHARES.
    :param correlation: autocorrelation of log(rate + 0.06) at LAGS.
    :param outage_rows: quantiles of the outages' lengths in rows, at OUTAGE_SHARES.
    :param outages: number of outages per 100 s.
    :param down: share of the rows with rate 0.
    """

    rows: int
    mean_mbps: float
    mbps: tuple[float, ...]
    correlation: tuple[float, ...]
    outage_rows: tuple[float, ...]
    outages: float
    down: float


RECORDED = {
    "lte": Recording(
        1201, 1.91, (0.0, 0.6, 1.32, 2.4, 4.08, 13.32), (0.70, 0.25, -0.02), (1.0, 2.0, 10.0, 11.8), 35.8, 0.138
    ),
    "umts": Recording(
        6000, 0.88, (0.0, 0.48, 0.96, 1.44, 1.44, 1.68), (0.88, 0.65, 0.26), (3.0, 7.0, 14.0, 21.0), 20.2, 0.130
    ),
    "evdo": Recording(
        6000, 0.88, (0.12, 0.72, 0.96, 1.2, 1.32, 1.8), (0.72, 0.36, 0.20), (1.0, 2.0, 5.0, 6.0), 34.2, 0.090
    ),
}


def drawn(name: str, links: int = 30) -> list[FloatArray]:
    """Draw links of the recording's length, because an autocorrelation that is estimated from few rows is too low."""
    return [MOBILE[name].sample(RECORDED[name].rows, np.random.default_rng(seed)) for seed in range(links)]


def correlation(mbps: FloatArray, lag: int) -> float:
    logs = np.log(mbps + 0.06)
    logs = logs - logs.mean()
    return float((logs[:-lag] * logs[lag:]).mean() / logs.var())


def outage_rows(mbps: FloatArray) -> list[int]:
    return [len(list(rows)) for is_down, rows in itertools.groupby(mbps == 0.0) if is_down]


@pytest.mark.parametrize("name", MOBILE)
def test_rates_are_distributed_as_recorded(name: str) -> None:
    mbps = np.concatenate(drawn(name))
    assert mbps.mean() == pytest.approx(RECORDED[name].mean_mbps, rel=0.1)
    np.testing.assert_allclose(np.quantile(mbps, RATE_SHARES), RECORDED[name].mbps, rtol=0.1, atol=0.125)


@pytest.mark.parametrize("name", MOBILE)
def test_rates_are_correlated_as_recorded(name: str) -> None:
    mean = np.mean([[correlation(mbps, lag) for lag in LAGS] for mbps in drawn(name)], axis=0)
    np.testing.assert_allclose(mean, RECORDED[name].correlation, atol=0.08)


@pytest.mark.parametrize("name", MOBILE)
def test_outages_are_as_long_and_as_many_as_recorded(name: str) -> None:
    links, recorded = drawn(name), RECORDED[name]
    rows = [length for mbps in links for length in outage_rows(mbps)]
    np.testing.assert_allclose(np.quantile(rows, OUTAGE_SHARES), recorded.outage_rows, rtol=0.1, atol=0.5)
    assert 1000 * len(rows) / (len(links) * recorded.rows) == pytest.approx(recorded.outages, rel=0.15)
    assert np.mean(np.concatenate(links) == 0.0) == pytest.approx(recorded.down, abs=0.02)


@pytest.mark.parametrize("name", MOBILE)
def test_a_seed_makes_the_same_link_again_and_another_seed_another(name: str) -> None:
    first, again, other = (MOBILE[name].sample(500, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (500,)
    assert first[0] > 0.0, "so that no link is down for ever"
    assert MOBILE[name].sample(1, np.random.default_rng(0)).shape == (1,)
