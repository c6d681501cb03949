# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Expected delays of each arm on the robot, on the link and at the edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """
    Expected delays of n arms in seconds, shape (n,) each. The offloading delay of `on_device` is 0.

    :param robot_s: seconds on the robot, including the context's penalty.
    :param link_s: transmission delay, including the round trip; the whole offloading delay if link and edge are not
        separated.
    :param edge_s: seconds of queueing, decoding and back-end at the edge.
    :param link_sd: standard deviation of the logarithm of `link_s`.
    :param edge_sd: standard deviation of the logarithm of `edge_s`.
    :param key_s: additional seconds on the link for this frame alone, because it is a stream's key; None if it would be
        a key with no arm.
    :param samples_s: transmission delay of a sample; None if that is `link_s`, because no codec has memory.

    :ivar total_s: delay from the start on the robot to the answer.
    """

    robot_s: FloatArray
    link_s: FloatArray
    edge_s: FloatArray
    link_sd: FloatArray
    edge_sd: FloatArray
    key_s: FloatArray | None = None
    samples_s: FloatArray | None = None
    total_s: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total_s", self.robot_s + self.link_s + self.edge_s)

    @property
    def sample_s(self) -> FloatArray:
        """Return the transmission delay of a sample of each arm, shape (n,)."""
        return self.link_s if self.samples_s is None else self.samples_s

    def optimistic_s(self, link_deviations: float, edge_deviations: float) -> FloatArray:
        """Return the offloading delay at the given numbers of standard deviations below its expectation, shape (n,)."""
        low: FloatArray = self.link_s * np.exp(-link_deviations * self.link_sd)
        low += self.edge_s * np.exp(-edge_deviations * self.edge_sd)
        return low

    def optimistic_s_of(self, arm: int, deviations: float) -> float:
        """Return the offloading delay of one arm at a number of standard deviations below its expectation."""
        link_s = float(self.link_s[arm]) * math.exp(-deviations * float(self.link_sd[arm]))
        return link_s + float(self.edge_s[arm]) * math.exp(-deviations * float(self.edge_sd[arm]))
