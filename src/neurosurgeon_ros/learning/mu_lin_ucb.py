# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
muLinUCB as described in the paper.

Zhang, Chen and Xu, "Autodidactic Neurosurgeon: Collaborative Deep Inference for Mobile Edge Intelligence via Online
Learning", The Web Conference 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.checks import in_range, whole
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Observation, is_offloading_delay
from neurosurgeon_ros.learning.phases import interval, phase
from neurosurgeon_ros.learning.ridge import Ridge

#: Seconds in one unit of delay; see :class:`MuLinUcb`.
DELAY_UNIT_S = 0.15


class MuLinUcb:
    """
    LinUCB with frame weights and forced sampling.

    All partition points share one theta: E[offloading delay of p] = theta' x_p. Frame t gets the arm with the lowest

        robot_s(p) + penalty_s(p) + theta' x_p - alpha sqrt((1 - L_t) x_p' A^-1 x_p),

    where L_t is `weight_key` on key frames and `weight_other` on other frames. On every ``ceil(T^mu)``-th frame, p = P
    is excluded. If the horizon T is unknown, it is replaced by phases of doubling length T_0, 2 T_0, 4 T_0, ...

    Delays are counted in units of `delay_unit_s`. The paper's constants C_theta and C_noise are numbers without a unit.
    In seconds (``delay_unit_s=1.0``, the literal form), they give an alpha of about 7 s. This is many times any real
    delay, and the policy spends several hundred frames on exploration. The default gives an alpha of about 1 s. With
    it, the policy finds the best arm of a real robot within 150 frames, and still explores enough for the regret to
    stay sublinear. With a much smaller alpha, the policy settles on a bad arm permanently.

    :param n_arms: number of arms.
    :param seed: unused; the algorithm is deterministic.
    :param beta: regularisation, > 0.
    :param delta: probability that the confidence bound fails, in (0, 1).
    :param c_theta: bound on the norm of theta, in delay units.
    :param c_noise: scale of the noise of a delay, in delay units.
    :param mu: exponent of the forced-sampling interval, in (0, 1).
    :param horizon: number of frames T if known, else 0.
    :param first_phase: T_0, length of the first phase if the horizon is unknown.
    :param weight_key: L of key frames, in [0, 1).
    :param weight_other: L of other frames, in [0, 1).
    :param scale_features: whether each feature is divided by its largest value over the arms; false is the literal
        form, which is singular in double precision for some networks.
    :param delay_unit_s: seconds in one unit of delay, > 0.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        beta: float = 1.0,
        delta: float = 0.1,
        c_theta: float = 1.0,
        c_noise: float = 0.05,
        mu: float = 0.25,
        horizon: int = 0,
        first_phase: int = 200,
        weight_key: float = 0.8,
        weight_other: float = 0.2,
        scale_features: bool = True,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        del n_arms, seed
        self._delta = in_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
        self._c_theta = in_range("c_theta", c_theta, 0.0, math.inf)
        self._c_noise = in_range("c_noise", c_noise, 0.0, math.inf)
        self._mu = in_range("mu", mu, 0.0, 1.0, open_low=True, open_high=True)
        self._horizon = whole("horizon", horizon, 0)
        self._first_phase = whole("first_phase", first_phase, 1)
        self._weight_key = in_range("weight_key", weight_key, 0.0, 1.0, open_high=True)
        self._weight_other = in_range("weight_other", weight_other, 0.0, 1.0, open_high=True)
        self._scale_features = bool(scale_features)
        self._unit_s = in_range("delay_unit_s", delay_unit_s, 0.0, math.inf, open_low=True)
        self.ridge = Ridge(len(FEATURES), in_range("beta", beta, 0.0, math.inf, open_low=True))
        self._scale: FloatArray | None = None
        self._largest_norm = 0.0  # C_x

    def alpha(self, phase_length: int) -> float:
        """
        Return the width of the confidence bound in delay units, for a horizon of `phase_length` frames.

        It is (C_theta + C_noise sqrt(d ln((1 + T C_x^2) / delta))) / (1 - L_key), where C_x is the largest squared norm
        of a feature vector.
        """
        spread = math.log((1.0 + phase_length * self._largest_norm**2) / self._delta)
        return (self._c_theta + self._c_noise * math.sqrt(len(FEATURES) * spread)) / (1.0 - self._weight_key)

    def select(self, context: Context) -> Choice:
        """Choose the arm with the lowest optimistic delay; p = P is excluded if sampling is forced."""
        x = self._features(context)
        length, number = phase(context.frame, horizon=self._horizon, first_phase=self._first_phase)
        weight = self._weight_key if context.key_frame else self._weight_other
        forced = self._is_forced(length, number)

        predicted_s = self._unit_s * self.ridge.predict(x)
        bonus_s = self._unit_s * self.alpha(length) * math.sqrt(1.0 - weight) * self.ridge.width(x)
        index = np.where(context.allowed, context.cost_s + predicted_s - bonus_s, np.inf)
        if forced and np.any(np.isfinite(np.delete(index, context.on_device))):
            index[context.on_device] = np.inf
        else:
            forced = False
        arm = int(np.argmin(index))
        if arm == context.on_device:
            return Choice(arm=arm, predicted_offload_s=0.0)

        return Choice(
            arm=arm,
            forced=forced,
            predicted_offload_s=float(predicted_s[arm]) if self.ridge.count else float("nan"),
            optimistic_offload_s=max(0.0, float(predicted_s[arm] - bonus_s[arm])),
        )

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge; ignore p = P, bounds, samples and probes."""
        if is_offloading_delay(observation, context):
            x = self._features(context)[observation.arm]
            self.ridge.update(x, observation.offload_s / self._unit_s)

    def state(self) -> dict[str, Any]:
        """Return the learnt state as JSON-compatible values."""
        return {"ridge": self.ridge.state(), "scale": None if self._scale is None else self._scale.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Restore a learnt state.

        :raises ValueError: if the state does not fit.
        """
        self.ridge.restore(state["ridge"])
        if state["scale"] is not None:
            self._scale = np.array(state["scale"], dtype=np.float64)

    def _is_forced(self, phase_length: int, number: int) -> bool:
        """Return whether the frame with this number within its phase must not stay on the device."""
        return number % interval(phase_length, self._mu) == 0

    def _features(self, context: Context) -> FloatArray:
        """Scale the features with the scale of the first frame; a new scale would mix units in A."""
        if self._scale is None:
            largest = np.max(context.features, axis=0)
            self._scale = np.where(largest > 0.0, largest, 1.0) if self._scale_features else np.ones(len(FEATURES))
        x: FloatArray = context.features / self._scale
        if self._largest_norm == 0.0:
            self._largest_norm = float(np.max(np.einsum("ij,ij->i", x, x)))
        return x
