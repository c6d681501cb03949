# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Generated mobile uplinks that resemble three recorded ones.

The recordings were made while driving and come from the mahimahi project: LTE (120 s), UMTS and EV-DO (600 s each), as
rates in Mbit/s per 100 ms. The rows above 0 are joined. Their rates are a Gaussian process that is mapped to the
quantiles of the recorded rates. The process is the sum of two first-order autoregressions, one fast and one slow, and
white noise. An outage may begin after each row. Its log odds rise as the two autoregressions fall, because outages
cluster where the rate is low. Its length is drawn from the quantiles of the recorded lengths. The process pauses during
an outage, because the recorded rates continue where they stopped.

The quantiles are those of the recordings. The other six parameters of each link were fitted with the method of
simulated moments. The Nelder-Mead algorithm minimised the squared differences between the moments of the recording and
those of links with the same length and fixed seeds. The moments are:

- the autocorrelation of log(rate + 0.06) at 0.1, 0.3, 1, 3 and 10 s (weight 0.3 for 10 s of the LTE recording),
- the autocorrelation of the outages, as 0 or 1 per row, at 0.1, 0.3, 1 and 3 s,
- 0.15 times the logarithm of six quantiles of the time between outages (10, 25, 50, 75, 90 and 99 %),
- four times the share of the rows with a rate of 0.

The model does not include EV-DO's short outages 5 s apart, or the bursts above 10 Mbit/s at the start of the LTE
recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.processes import wander

#: Probabilities of the quantiles of the rates and of the outages' lengths.
_RATE_SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.998)
_OUTAGE_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
#: Standard normal scores of the quantiles of the rates. The lowest and the highest rate have the scores -3.2 and 3.2.
_SCORES = (-3.2, *(NormalDist().inv_cdf(share) for share in _RATE_SHARES), 3.2)
#: Rate of one packet of 1,500 bytes per 100 ms, in Mbit/s; every rate is a multiple of it.
_PACKET_MBPS = 0.12


@dataclass(frozen=True, slots=True)
class MobileLink:
    """
    A mobile uplink with one row per 100 ms. The rate of the first row is above 0.

    :param mbps: quantiles of the rates above 0 in Mbit/s: the lowest, those of 1, 5, 10, 20, ... 80, 90, 95, 99 and
        99.8 %, and the highest.
    :param outage_rows: quantiles of an outage's length in rows: the shortest, those of 25, 50, 75, 90, 95 and 99 %, and
        the longest.
    :param fast: rows after which the correlation of the fast autoregression is 1/e, and its share of the variance.
    :param slow: the same for the slow autoregression; white noise has the remaining variance.
    :param outage_log_odds: log odds that an outage begins after a row where the sum of the autoregressions is 0.
    :param outage_slope: increase of the log odds for each unit by which that sum falls.
    """

    mbps: tuple[float, ...]
    outage_rows: tuple[int, ...]
    fast: tuple[float, float]
    slow: tuple[float, float]
    outage_log_odds: float
    outage_slope: float

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Draw the rates of `frames` rows in Mbit/s; they are 0 during outages."""
        shocks, chances = rng.standard_normal((3, frames)), rng.random((2, frames))
        (fast_rows, fast), (slow_rows, slow) = self.fast, self.slow
        level = np.sqrt(fast) * wander(shocks[0], fast_rows) + np.sqrt(slow) * wander(shocks[1], slow_rows)
        score = level + np.sqrt(1.0 - fast - slow) * shocks[2]
        packets = np.round(np.interp(score, _SCORES, self.mbps) / _PACKET_MBPS)
        rates = _PACKET_MBPS * np.maximum(1.0, packets)
        begins = chances[0] < 1.0 / (1.0 + np.exp(self.outage_slope * level - self.outage_log_odds))
        lengths = np.exp(np.interp(chances[1], _OUTAGE_SHARES, np.log(self.outage_rows)))
        down = np.where(begins, np.round(lengths), 0.0).astype(np.int64)
        path = np.zeros(frames + int(down.sum()))
        path[np.arange(frames) + np.cumsum(down) - down] = rates
        return path[:frames]


LTE = MobileLink(
    mbps=(0.12, 0.12, 0.36, 0.48, 0.72, 1.08, 1.32, 1.56, 1.92, 2.28, 2.88, 4.32, 6.12, 14.12, 16.88, 19.08),
    outage_rows=(1, 1, 1, 2, 10, 12, 39, 39),
    fast=(0.875, 0.41),
    slow=(20.1, 0.367),
    outage_log_odds=-3.94,
    outage_slope=1.60,
)
UMTS = MobileLink(
    mbps=(0.12, 0.12, 0.24, 0.36, 0.48, 0.72, 0.96, 1.08, 1.2, 1.32, 1.44, 1.44, 1.44, 1.68, 2.48, 3.36),
    outage_rows=(1, 2, 3, 7, 14, 21, 48, 58),
    fast=(5.14, 0.136),
    slow=(59.1, 0.741),
    outage_log_odds=-6.98,
    outage_slope=3.21,
)
EVDO = MobileLink(
    mbps=(0.12, 0.12, 0.24, 0.48, 0.72, 0.84, 0.96, 0.96, 1.08, 1.08, 1.2, 1.32, 1.44, 1.8, 2.4, 5.28),
    outage_rows=(1, 1, 1, 2, 5, 6, 28, 47),
    fast=(5.89, 0.231),
    slow=(196.6, 0.528),
    outage_log_odds=-3.74,
    outage_slope=1.32,
)
#: All mobile links by name.
MOBILE = MappingProxyType({"lte": LTE, "umts": UMTS, "evdo": EVDO})
