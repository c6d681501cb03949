# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The choice of an arm from expected delays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from neurosurgeon_ros.learning.adaptive.belief import HOPE, DelayModel
from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import HOPELESS_DEADLINES, BoolArray, Context, FloatArray, IntArray

#: Nodes (standard deviations) and weights of Gauss-Hermite quadrature for a standard normal variable.
_NODES = (-2.8570, -1.3556, 0.0, 1.3556, 2.8570)
_WEIGHTS = (0.011257, 0.222076, 0.533333, 0.222076, 0.011257)
#: The link is unknown while the standard deviation of its log rate is above this value.
_BLIND_SD = 0.6
#: An edge that has never answered is assumed to be faster than nominal by this many standard deviations.
_UNSEEN_EDGE = 1.0
#: Minimum expected gain of a trial as a share of the on-device delay, and maximum expected time on the link in
#: deadlines. Both are tuned with the experiment `links`.
_TRIAL_GAIN, _TRIAL_DEADLINES = 0.02, 3.0
#: Weight of the additional time of a frame that the robot has to finish, because it adds to the slowest frames.
_SLOWEST = 0.5
#: Expected number of successive frames with an arm before any was seen, and weight of the newest such number.
_USUAL_STAY, _NEWEST_STAY = 10.0, 0.2


class ChoiceRule:
    """
    Applies the paper's index to a model of delays.

    - It chooses the allowed arm with the lowest sum of robot delay and optimistic offloading delay. The optimistic
      delay is ``alpha sqrt(1 - L_t)`` standard deviations of its logarithm below its expectation (paper section 3.4).
    - The first frame of a stream is a key, which has more bytes than the frames after it. These bytes are divided by
      the number of frames for which an arm usually stays chosen.
    - While the link is unknown, it chooses the arm with the lowest expected ratio to the best arm over all rates that
      the link may have, because a wrong guess costs most if the best delay is short.
    - It does not choose an arm whose answer is expected after the deadline, because the robot would finish the frame
      anyway.
    - If a frame would stay on the robot although the edge may well be faster, a *trial* sends it to the edge, and the
      robot works on it at the same time.

    :param alpha: width of the confidence bound, in standard deviations, at least 0.
    :param weight_key: L of key frames, in [0, 1).
    :param weight_other: L of other frames, in [0, 1).
    :raises ValueError: if an option is out of range.
    """

    def __init__(self, model: DelayModel, *, alpha: float, weight_key: float, weight_other: float) -> None:
        self._model = model
        self._alpha = in_range("alpha", alpha, 0.0, math.inf)
        self._weight_key = in_range("weight_key", weight_key, 0.0, 1.0, open_high=True)
        self._weight_other = in_range("weight_other", weight_other, 0.0, 1.0, open_high=True)
        self._stay = _Stay()

    @property
    def is_blind(self) -> bool:
        """Return whether the link is unknown."""
        return self._model.link.level_sd > _BLIND_SD

    def value(self, context: Context, expected: Expectation, *, blind: bool) -> FloatArray:
        """
        Return the value to minimise, shape (n,): the optimistic delay, or the expected ratio to the best arm if blind.

        ``context.key_frame`` is evaluated only if it changes the chosen arm.

        :param blind: value of :attr:`is_blind` for this frame.
        """
        if blind:
            return np.where(context.allowed, self._expected_ratio(context, expected), np.inf)
        other, key = (
            np.where(context.allowed, self._optimistic_s(expected, weight), np.inf)
            for weight in (self._weight_other, self._weight_key)
        )
        same = int(other.argmin()) == int(key.argmin())
        value = other if same or not context.key_frame else key
        return np.where(_too_late(context, expected), np.inf, value)

    @property
    def key_share(self) -> float:
        """Return the share of a key's additional bytes that counts as the present frame's, in (0, 1]."""
        return 1.0 / self._stay.frames

    def chosen(self, arm: int) -> None:
        """Record the arm that a frame uses."""
        self._stay.chosen(arm)

    def trial(self, context: Context, expected: Expectation) -> int | None:
        """
        Return the arm to try on a frame that would otherwise stay on the robot; None for no trial.

        The robot works on the frame at the same time and the first result counts, so a late answer costs little. A
        trial needs a minimum expected gain, to be worth its time on the link. An arm that is expected to occupy the
        link for several deadlines is not tried.
        """
        own_s = float(expected.robot_s[context.on_device])
        spread = np.hypot(expected.link_sd, self._model.link.noise_sd)
        soonest_s = expected.robot_s + expected.edge_s + expected.link_s * np.exp(_NODES[0] * spread)
        tried = context.allowed & (soonest_s < own_s) & (expected.link_s < _TRIAL_DEADLINES * context.deadline_s)
        tried[context.on_device] = False
        arms = np.flatnonzero(tried)
        if not len(arms):
            return None
        gain_s = self.gain_s(context, expected, arms)
        best = int(np.argmax(gain_s))
        return int(arms[best]) if gain_s[best] > _TRIAL_GAIN * own_s else None

    def gain_s(self, context: Context, expected: Expectation, arms: IntArray) -> FloatArray:
        """
        Return the seconds that arms are expected to gain on `on_device` if the robot works on the frame at once.

        The robot's own result counts unless the answer arrives earlier, and before the deadline. It may take longer
        than `on_device`: for the encoding, and for rows of padding that only the whole network skips. Half of this
        additional time is subtracted from the gain, because it adds to the slowest frames.

        :param arms: indices of m arms.
        :returns: shape (m,); negative for an arm that is more likely to delay the frame.
        """
        own_s = float(expected.robot_s[context.on_device])
        finished_s = own_s * np.maximum(1.0, finish_share(context)[arms])
        spread = np.hypot(expected.link_sd[arms], self._model.link.noise_sd)
        link_s = expected.link_s[arms] * np.exp(np.outer(_NODES, spread))
        total_s = expected.robot_s[arms] + expected.edge_s[arms] + link_s
        penalty_s = np.broadcast_to(context.penalty_s, expected.robot_s.shape)[arms]
        total_s[total_s - penalty_s > context.deadline_s - context.waited_s] = np.inf
        gain_s: FloatArray = own_s - np.asarray(_WEIGHTS) @ np.minimum(total_s, finished_s)
        gain_s -= _SLOWEST * (finished_s - own_s)
        return gain_s

    def _optimistic_s(self, expected: Expectation, weight: float) -> FloatArray:
        breadth = self._alpha * math.sqrt(1.0 - weight)
        edge_breadth = breadth if self._model.edge.count else _UNSEEN_EDGE
        return expected.robot_s + expected.optimistic_s(breadth, edge_breadth)

    def _expected_ratio(self, context: Context, expected: Expectation) -> FloatArray:
        edge_breadth = _UNSEEN_EDGE
        if self._model.edge.count:
            edge_breadth = self._alpha * math.sqrt(1.0 - self._weight_other)
        known_s = expected.robot_s + expected.edge_s * np.exp(-edge_breadth * expected.edge_sd)
        value = np.zeros(len(known_s))
        for node, share in zip(_NODES, _WEIGHTS, strict=True):
            total_s = known_s + self._model.link_at(node * self._model.link.level_sd, context)
            value += share * total_s / max(float(np.min(total_s[context.allowed])), 1e-9)
        return value


class _Stay:
    """The number of successive frames for which an arm usually stays chosen."""

    def __init__(self) -> None:
        self._usual, self._run, self._arm = _USUAL_STAY, 0, -1

    @property
    def frames(self) -> float:
        """Return the expected number, at least 1."""
        return max(self._usual, float(self._run))

    def chosen(self, arm: int) -> None:
        """Record the arm of a frame."""
        if arm != self._arm and self._run:
            self._usual += _NEWEST_STAY * (self._run - self._usual)
            self._run = 0
        self._arm = arm
        self._run += 1


def _too_late(context: Context, expected: Expectation) -> BoolArray:
    """Return the arms whose answers are expected after the deadline, shape (n,)."""
    late: BoolArray = expected.total_s - context.penalty_s > context.deadline_s - context.waited_s
    late[context.on_device] = False
    return late


def without_hopeless(context: Context, expected: Expectation) -> Context:
    """
    Return the context without the arms with which the robot would send no frame.

    Over a known link, such arms are too slow to be chosen anyway. But an old belief about a link becomes unknown again
    while it is still slow, and a stream's key may be hopeless although the frames after it are not.
    """
    soonest_s = context.robot_s + expected.optimistic_s(HOPE, HOPE)
    if expected.key_s is not None:
        soonest_s += expected.key_s
    allowed = context.allowed & (soonest_s <= HOPELESS_DEADLINES * context.deadline_s)
    allowed[context.on_device] = True
    return replace(context, allowed=allowed)


def finish_share(context: Context) -> FloatArray:
    """Return the seconds for a frame of each arm without the edge's answer, in on-device delays, shape (n,)."""
    share: FloatArray = (context.robot_s + context.finish_s) / context.robot_s[context.on_device]
    return share
