# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
SW-LinUCB: LinUCB over the frames of a sliding window.

Cheung, Simchi-Levi and Zhu, "Learning to Optimize under Non-Stationarity", AISTATS 2019, algorithm 1 (SW-UCB).
"""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.checks import in_range, whole
from neurosurgeon_ros.learning.interface import (
    FEATURES,
    BoolArray,
    Choice,
    Context,
    FloatArray,
    IntArray,
    Observation,
    is_offloading_delay,
)
from neurosurgeon_ros.learning.linear import ScaledFeatures, most_optimistic
from neurosurgeon_ros.learning.mu_lin_ucb import DELAY_UNIT_S

#: Frame number of an empty row.
_NEVER = -1


class SwLinUcb:
    """
    LinUCB with the last w frames, which all have the same weight.

    Frame t gets the arm with the lowest

        robot_s(p) + penalty_s(p) + theta' x_p - beta sqrt(x_p' V^-1 x_p),

    where V = lambda I + sum x_s x_s' and theta = V^-1 sum x_s y_s over the frames s from t - w to t - 1. A frame on the
    device counts as one with x = 0, and occupies a place in the window. After w frames on the device nothing is known
    about the edge, and it is tried again.

    :param n_arms: number of arms.
    :param seed: not used, because nothing is drawn at random.
    :param window: number w of frames that count, >= 1.
    :param beta: regularisation, lambda in the paper, > 0.
    :param delta: probability that the confidence bound fails, in (0, 1).
    :param c_theta: bound S on the norm of theta, in delay units.
    :param c_noise: scale R of the noise of a delay, in delay units.
    :param delay_unit_s: seconds in one unit of delay, > 0; see :class:`MuLinUcb`.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        window: int = 200,
        beta: float = 1.0,
        delta: float = 0.1,
        c_theta: float = 1.0,
        c_noise: float = 0.05,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        del n_arms, seed
        self._window = whole("window", window, 1)
        self._beta = in_range("beta", beta, 0.0, math.inf, open_low=True)
        self._delta = in_range("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
        self._c_theta = in_range("c_theta", c_theta, 0.0, math.inf)
        self._c_noise = in_range("c_noise", c_noise, 0.0, math.inf)
        self._unit_s = in_range("delay_unit_s", delay_unit_s, 0.0, math.inf, open_low=True)
        self._scaled = ScaledFeatures()
        # Frame s is stored in row s mod w, overwritten by frame s + w. A row of another frame is outside the window.
        self._frames: IntArray = np.full(self._window, _NEVER, dtype=np.int64)
        self._x: FloatArray = np.zeros((self._window, len(FEATURES)))
        self._y: FloatArray = np.zeros(self._window)

    def radius(self) -> float:
        """
        Return the width of the confidence bound in delay units.

        beta = R sqrt(d ln((1 + w L^2 / lambda) / delta)) + sqrt(lambda) S, with L the largest norm of a feature vector.
        """
        volume = math.log((1.0 + self._window * self._scaled.largest_squared_norm / self._beta) / self._delta)
        return self._c_noise * math.sqrt(len(FEATURES) * volume) + math.sqrt(self._beta) * self._c_theta

    def regression(self, frame: int) -> tuple[FloatArray, FloatArray]:
        """
        Return V and theta from the window before a frame.

        The sums are computed from scratch on each frame: adding and subtracting would accumulate rounding errors.

        :param frame: number t of the frame.
        """
        inside = self._inside(frame)
        x, y = self._x[inside], self._y[inside]
        v: FloatArray = self._beta * np.eye(len(FEATURES)) + x.T @ x
        theta: FloatArray = np.linalg.solve(v, x.T @ y)
        return v, theta

    def select(self, context: Context) -> Choice:
        """Choose the arm with the lowest optimistic delay."""
        x = self._scaled(context.features)
        v, theta = self.regression(context.frame)
        predicted_s = self._unit_s * (x @ theta)
        squared = np.einsum("ij,ij->i", x @ np.linalg.inv(v), x)
        bonus_s = self._unit_s * self.radius() * np.sqrt(np.maximum(squared, 0.0))
        return most_optimistic(context, predicted_s, bonus_s, known=bool(self._inside(context.frame).any()))

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn the delay of a frame that went to the edge, and store it in that frame's row of the window."""
        if not is_offloading_delay(observation, context):
            return
        row = context.frame % self._window
        if self._frames[row] > context.frame:  # too late: the window has moved past this frame
            return
        self._frames[row] = context.frame
        self._x[row] = self._scaled(context.features)[observation.arm]
        self._y[row] = observation.offload_s / self._unit_s

    def _inside(self, frame: int) -> BoolArray:
        """Return which rows are inside the window before a frame, shape (w,)."""
        inside: BoolArray = (self._frames >= max(0, frame - self._window)) & (self._frames < frame)
        return inside
