# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pruning of arms: only arms that are noticeably the best for some link and edge are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.interface import BoolArray, FloatArray, IntArray

#: Link rates that are considered, in bits per second, from a bad radio to shared memory.
RATES = np.geomspace(2e5, 2e10, 51)

#: Fastest edge that is considered, as a multiple of this machine's speed; an infinitely fast one is considered as well.
#: The slowest edge is as slow as the robot.
FASTEST_EDGE = 100.0

#: For some link and edge, an arm has to save more than this share of the on-device delay.
NOTICEABLE = 0.05

#: If the link is no limit, an arm has to save more than this share of the best delay.
NOTICEABLE_UNLIMITED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """
    Costs of n arms, of which the last is `on_device`; shape (n,) each.

    :param robot_s: seconds on the robot, including the penalty for the codec's loss.
    :param decode_s: seconds of decoding at the edge.
    :param back_s: seconds of the back-end on this machine; 0 for `on_device`.
    :param sent_bytes: bytes that are sent; 0 for `on_device`.
    """

    robot_s: FloatArray
    decode_s: FloatArray
    back_s: FloatArray
    sent_bytes: FloatArray

    def of(self, arms: IntArray) -> Costs:
        """Return the costs of some arms; the last of them is `on_device`."""
        return Costs(self.robot_s[arms], self.decode_s[arms], self.back_s[arms], self.sent_bytes[arms])

    def totals(self, speed: float) -> FloatArray:
        """
        Return the total delay of each arm for every rate and every edge; shape (n, scenarios).

        :param speed: the robot's speed as a fraction of this machine's speed.
        """
        slowness = np.append(np.geomspace(1.0 / speed, 1.0 / FASTEST_EDGE, 9), 0.0)
        link_s = 8.0 * self.sent_bytes[:, None] / RATES
        edge_s = self.back_s[:, None] * slowness
        total_s = (self.robot_s + self.decode_s)[:, None, None] + link_s[:, :, None] + edge_s[:, None, :]
        flat: FloatArray = total_s.reshape(len(self.robot_s), -1)
        return flat


def worth_having(costs: Costs, speed: float) -> list[int]:
    """
    Choose a few arms, one of which is always as good as the best of all arms, or nearly as good.

    For every link, and every edge that is not slower than the robot, the best chosen arm takes longer than the best of
    all arms by at most :data:`NOTICEABLE` of the on-device delay. A policy then has fewer arms to distinguish, and no
    arms that differ by less than the noise. If the link is no limit, the difference is compared with the best delay
    there, because compression is not useful on a fast cable.

    :returns: indices in ascending order, including `on_device`.
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


def useful_arms(costs: Costs, *, camera: BoolArray, received: BoolArray, stream: BoolArray, speed: float) -> list[int]:
    """
    Choose the arms of an arm table with :func:`worth_having`.

    An arm that sends the camera's image does not displace any other arm, because its size is only known once the camera
    runs. An arm that sends what the camera sent as received always stays. An arm whose codec has memory does not
    displace an arm without memory, because it needs its few bytes only while the edge holds its reference; it stays if
    it is noticeably better than those.

    :param camera: whether the arm sends the camera's image. Shape (n,).
    :param received: whether it sends what the camera sent as received. Shape (n,).
    :param stream: whether its codec has memory. Shape (n,).
    :param speed: the robot's speed as a fraction of this machine's speed.
    :returns: indices in ascending order, including `on_device`.
    """
    last = len(camera) - 1
    worth = {*np.flatnonzero(received).tolist()}
    for group in (np.flatnonzero(~camera & ~stream), np.flatnonzero(camera & ~received & ~stream)):
        if len(group):
            among = np.union1d(group, [last])
            worth |= {*among[worth_having(costs.of(among), speed)].tolist()}
    if (stream & ~received).any():
        alone = [arm for arm in worth if not stream[arm]]
        among = np.union1d(np.flatnonzero(stream & ~received), [*alone, last])
        worth |= {arm for arm in among[worth_having(costs.of(among), speed)].tolist() if stream[arm]}
    return sorted(worth)


def fidelity_penalty_s(fidelity: FloatArray, fidelity_price_s: float) -> FloatArray:
    """
    Return the seconds that are added to the delay of each arm for the fidelity that it loses, shape (n,).

    :param fidelity: expected agreement with the whole network in fp32, in [0, 1]. Shape (n,).
    :param fidelity_price_s: penalty in seconds for each hundredth of agreement that an arm loses.
    """
    penalty_s: FloatArray = 100.0 * fidelity_price_s * (1.0 - fidelity)
    return penalty_s
