# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which arms are worth having: those that are the best somewhere, by more than nobody would notice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray

#: Rates of links in bits per second that are looked at, from a bad radio to shared memory.
RATES = np.geomspace(2e5, 2e10, 51)

#: How fast edges are that are looked at, as multiples of this machine's speed; an infinitely fast one as well. The
#: slowest is as slow as the robot.
FASTEST_EDGE = 100.0

#: An arm has to save more than this share of the on-device delay somewhere.
NOTICEABLE = 0.05

#: Where the link is no limit, it has to save more than this share of the best delay.
NOTICEABLE_UNLIMITED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """
    What n arms cost, the last of them `on_device`; shape (n,) each.

    :param robot_s: seconds on the robot, what the codec's loss counts for included.
    :param decode_s: seconds of decoding at the edge.
    :param back_s: seconds of the back-end on this machine; 0 for `on_device`.
    :param sent_bytes: bytes that travel; 0 for `on_device`.
    """

    robot_s: FloatArray
    decode_s: FloatArray
    back_s: FloatArray
    sent_bytes: FloatArray

    def totals(self, speed: float) -> FloatArray:
        """
        Return the total delay of each arm for every rate and every edge; shape (n, scenarios).

        :param speed: the robot's, as a fraction of this machine's.
        """
        slowness = np.append(np.geomspace(1.0 / speed, 1.0 / FASTEST_EDGE, 9), 0.0)
        link_s = 8.0 * self.sent_bytes[:, None] / RATES
        edge_s = self.back_s[:, None] * slowness
        total_s = (self.robot_s + self.decode_s)[:, None, None] + link_s[:, :, None] + edge_s[:, None, :]
        flat: FloatArray = total_s.reshape(len(self.robot_s), -1)
        return flat


def worth_having(costs: Costs, speed: float) -> list[int]:
    """
    Choose few arms of which one is always as good as the best of all, or nearly.

    On every link and every edge no slower than the robot the best chosen arm takes at most :data:`NOTICEABLE` of the
    on-device delay longer than the best of all. A policy then has fewer arms to tell apart, and none that differ by
    less than the noise. Where the link is no limit, that is measured by the best delay there: nobody would pack what a
    cable carries.

    :returns: indices in order, `on_device` among them.
    """
    total_s = costs.totals(speed)
    last = len(total_s) - 1
    limit_s = np.min(total_s, axis=0) + NOTICEABLE * costs.robot_s[last]
    unlimited_s = costs.robot_s + costs.decode_s + costs.back_s
    chosen = [last]
    best_s = total_s[last]
    while np.any(best_s > limit_s):
        lack_s = np.maximum(np.minimum(total_s, best_s) - limit_s, 0.0).sum(axis=1)
        chosen.append(int(np.argmin(lack_s)))
        best_s = np.minimum(best_s, total_s[chosen[-1]])
    for arm in chosen[1:]:
        others = [other for other in chosen if other != arm]
        if np.all(np.min(total_s[others], axis=0) <= limit_s):
            chosen = others
    if np.min(unlimited_s[chosen]) > (1.0 + NOTICEABLE_UNLIMITED) * np.min(unlimited_s):
        chosen.append(int(np.argmin(unlimited_s)))
    return sorted(chosen)
