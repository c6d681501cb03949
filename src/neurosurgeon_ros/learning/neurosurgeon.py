# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Neurosurgeon (Kang et al., ASPLOS 2017), the baseline of the paper: an offline profile and one look at the link.

What happens between layers, and every change of link and load, passes it by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Kind, Observation

_PSI = FEATURES.index("psi")
#: Bytes of the probe that measures the link, and the frames after which it is taken for lost.
_PROBE_BYTES, _LOST_AFTER = 64_000, 50


class Neurosurgeon:
    """
    The lowest delay by a profile per layer type and the link's rate at the start; nothing is learnt after.

    :param n_arms: number of arms.
    :param seed: unused, nothing is drawn at random.
    :param edge_profile: seconds at the edge per unit of each of FEATURES but psi; empty: fitted to the robot's own
        front-end delays, over `edge_speedup`.
    :param edge_speedup: how many times the edge is as fast as the robot, > 0; where there is no `edge_profile`.
    :param mbps: the link's rate in Mbit/s; 0: measured once, by a probe beside the first frame.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        edge_profile: Sequence[float] = (),
        edge_speedup: float = 1.0,
        mbps: float = 0.0,
    ) -> None:
        del n_arms, seed
        if len(edge_profile) not in (0, _PSI):
            raise ValueError(
                f"policy option edge_profile has {len(edge_profile)} numbers, but must have {_PSI} or none"
            )
        checked = [in_range("edge_profile", value, 0.0, math.inf) for value in edge_profile]
        self._profile: FloatArray | None = np.array(checked) if checked else None
        self._speedup = in_range("edge_speedup", edge_speedup, 0.0, math.inf, open_low=True)
        self._bytes_per_s = in_range("mbps", mbps, 0.0, math.inf) * 1e6 / 8.0
        self._probed_at = -_LOST_AFTER

    def select(self, context: Context) -> Choice:
        """Choose by the profile; frames stay on the robot until the link's rate is known."""
        if self._profile is None:
            left_s = context.robot_s[context.on_device] - context.robot_s
            self._profile = layer_profile(context.features, np.maximum(left_s, 0.0)) / self._speedup
        if not self._bytes_per_s:
            due = context.edge_available and not context.link_busy and context.frame - self._probed_at >= _LOST_AFTER
            self._probed_at = context.frame if due else self._probed_at
            return Choice(arm=context.on_device, probe_bytes=_PROBE_BYTES if due else 0, predicted_offload_s=0.0)
        offload_s = context.features[:, _PSI] / self._bytes_per_s + context.features[:, :_PSI] @ self._profile
        arm = int(np.argmin(np.where(context.allowed, context.cost_s + offload_s, np.inf)))
        return Choice(arm=arm, predicted_offload_s=float(offload_s[arm]))

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the link's rate from the first probe."""
        del context
        if observation.kind is Kind.PROBE and not self._bytes_per_s and observation.transmit_s > 0.0:
            self._bytes_per_s = observation.sent_bytes / observation.transmit_s


def layer_profile(features: FloatArray, delay_s: FloatArray) -> FloatArray:
    """
    Fit seconds per unit of each feature but psi to delays of back-ends, none below 0.

    :param features: contextual features, shape (n, 7).
    :param delay_s: delays, shape (n,), at least 0.
    :returns: shape (6,).
    """
    x = features[:, :_PSI]
    largest = np.maximum(x.max(axis=0), 1.0)
    from scipy.optimize import nnls  # a quarter of a second, which only this policy should cost a start

    fitted, _ = nnls(x / largest, delay_s)
    profile: FloatArray = fitted / largest
    return profile
