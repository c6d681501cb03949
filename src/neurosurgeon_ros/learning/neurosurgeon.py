# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Neurosurgeon (Kang et al., ASPLOS 2017), the paper's baseline: an offline profile and one measurement of the link.

It ignores effects between layers, and all changes of link and load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Kind, Observation

_PSI = FEATURES.index("psi")
#: Bytes of the probe that measures the link, and number of frames after which it is considered lost.
_PROBE_BYTES, _LOST_AFTER = 64_000, 50


class Neurosurgeon:
    """
    Chooses the lowest delay by a profile per layer type and the link's rate at the start; learns nothing afterwards.

    :param n_arms: number of arms.
    :param seed: unused; the algorithm is deterministic.
    :param edge_profile: seconds at the edge per unit of each of FEATURES except psi; if empty, it is fitted to the
        robot's own front-end delays and divided by `edge_speedup`.
    :param edge_speedup: speed of the edge relative to the robot, > 0; used only without an `edge_profile`.
    :param mbps: the link's rate in Mbit/s; 0: it is measured once, by a probe alongside the first frame.
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
        """Choose an arm by the profile; keep frames on the robot until the link's rate is known."""
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
    Fit non-negative seconds per unit of each feature except psi to the delays of back-ends.

    :param features: contextual features, shape (n, 7).
    :param delay_s: delays, shape (n,), at least 0.
    :returns: seconds per unit of each feature except psi, shape (6,).
    """
    x = features[:, :_PSI]
    largest = np.maximum(x.max(axis=0), 1.0)
    from scipy.optimize import nnls  # takes a quarter of a second, so only this policy imports it

    fitted, _ = nnls(x / largest, delay_s)
    profile: FloatArray = fitted / largest
    return profile
