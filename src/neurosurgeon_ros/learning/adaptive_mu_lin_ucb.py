# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The default policy: muLinUCB with delays modelled apart, change tracked, and exploration off the critical path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.delay_model import SMALL_PROBE, DelayModel, Expectation, Nominal, Parts
from neurosurgeon_ros.learning.interface import FEATURES, BoolArray, Choice, Context, FloatArray, Kind, Observation
from neurosurgeon_ros.learning.keep_alive import KeepAlive
from neurosurgeon_ros.learning.phases import interval, phase

#: Nodes and weights of Gauss and Hermite's quadrature for a standard normal variable.
_NODES = (-2.8570, -1.3556, 0.0, 1.3556, 2.8570)
_WEIGHTS = (0.011257, 0.222076, 0.533333, 0.222076, 0.011257)
#: Above this standard deviation of the logarithm of its rate, nothing is known of the link.
_BLIND_SD = 0.6
#: Standard deviations by which an edge that never answered is taken to be faster than nominal.
_UNSEEN_EDGE = 1.0
_PSI = FEATURES.index("psi")
#: Standard deviations of an optimistic look, and the share of a frame's delay that it must promise to be worth one.
_HOPE, _WORTH = 2.0, 0.05
#: Standard deviations by which a sample on the critical path must look better.
_FORCED_HOPE = 1.0
#: Bytes of the first probe, and the bounds of later ones.
_FIRST_PROBE, _LEAST_PROBE, _LARGEST_PROBE = 32_000, 4_000, 64_000
#: Share of the bytes of what is hoped for that a probe has at least, and bytes that are enough in any case: what links
#: and queues let through at once makes fewer look faster.
_TELLING_SHARE, _TELLING_PROBE = 0.4, 12_000
#: Every so many probes is a small one, the second among them.
_SMALL_EVERY = 8
#: Deviations of the link's delay that are hoped for, and how many times as heavy an arm is, that a probe is sent for.
_PROBED_HOPE, _HEAVIER = 3.0, 4.0
#: Largest probe for such an arm, bytes.
_HEAVIEST_PROBE = 256_000
#: How much faster than expected the link may have become while nobody looked.
_LINK_HOPE = 0.05
#: Seconds between two looks at a link, and at an edge, that is believed too slow for every frame: at least, at most.
_LINK_LOOKS_S, _EDGE_LOOKS_S = (0.3, 1.0), (0.6, 2.0)
#: Bytes of the first such look at the link, how many times larger the next is after a fast answer: a small probe may
#: have passed in a burst that a slow link lets through, and a larger one tells.
_LEAST_LOOK, _LOOKS_GROW = 1_000, 8
#: Seconds of the link that samples and probes may take at first, and save up at most.
_FIRST_ALLOWANCE_S, _LARGEST_ALLOWANCE_S = 0.1, 1.0
#: Standard deviations above expectation from which an answer is overdue; and the share of the robot's own delay above
#: which an expected answer is hardly sooner than the robot would be.
_OVERDUE, _HARDLY_SOONER = 2.0, 0.8
#: T_0 of the forced-sampling schedule.
_FIRST_PHASE = 200


class AdaptiveMuLinUcb:
    """
    The paper's index over a model of delays that follows change, with exploration beside the frames.

    - Delays are those of :class:`DelayModel`: link, edge and robot learnt apart, noise proportional to the delay.
    - Among allowed arms, the one with the lowest ``robot + offloading delay`` is chosen, the latter taken
      ``alpha sqrt(1 - L_t)`` standard deviations (of its logarithm) below expectation, as in the paper's index.
    - While nothing is known of the link, the arm with the lowest expected ratio to the best arm is chosen, over all
      that the link may be: a guess that is wrong costs most where the best delay is short.
    - While frames stay on the robot, *probes* of some kilobytes measure the link, if any link could change the choice.
    - Tensors of earlier partition points go to the edge as *samples* beside the frame where their delay might be better
      than the choice's. Samples and probes take at most `budget` of the link's time.
    - No belief lasts untested: while frames stay on the robot, a probe of 1 kB looks at the link within a second, and a
      sample at the edge within two, whatever is believed of them and left of the budget.
    - The robot begins a frame itself once the edge's answer is later than it is expected to be with hardly an
      exception; and at once where it is not expected much sooner than the robot would be done.
    - A sample that does not fit the budget, or of a point that the front-end does not reach, is put on the critical
      path by forced sampling, on non-key frames first: the arm with the most to gain for what it is expected to cost,
      among those that are not so heavy that a probe has to tell first.

    :param n_arms: number of arms.
    :param seed: unused, the algorithm draws nothing at random.
    :param alpha: breadth of the confidence bound, in standard deviations.
    :param weight_key: L of key frames, in [0, 1).
    :param weight_other: L of other frames, in [0, 1).
    :param mu: exponent of the forced-sampling interval, in (0, 1).
    :param budget: share of the link's time for samples and probes, in [0, 1].
    :param probes: switch: probe the link.
    :param samples: switch: send samples off the critical path; else forced sampling must do it all.
    :param informed: switch: forced sampling takes the arm with the most to gain for its cost, when there is any; else
        it excludes `on_device` at every interval, as in the paper.
    :param hedge: switch: the robot begins a frame itself when the answer is overdue; else at the deadline.
    :param features_in_seconds: switch, as are the following five: see :class:`Parts`.
    :param nominal: orders of magnitude to begin with.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        alpha: float = 0.5,
        weight_key: float = 0.8,
        weight_other: float = 0.2,
        mu: float = 0.25,
        budget: float = 0.1,
        probes: bool = True,
        samples: bool = True,
        informed: bool = True,
        hedge: bool = True,
        features_in_seconds: bool = True,
        separate: bool = True,
        track: bool = True,
        detect: bool = True,
        censored: bool = True,
        track_robot: bool = True,
        nominal: Nominal | None = None,
    ) -> None:
        del seed
        self._alpha = in_range("alpha", alpha, 0.0, math.inf)
        self._weight_key = in_range("weight_key", weight_key, 0.0, 1.0, open_high=True)
        self._weight_other = in_range("weight_other", weight_other, 0.0, 1.0, open_high=True)
        self._mu = in_range("mu", mu, 0.0, 1.0, open_low=True, open_high=True)
        self._budget = in_range("budget", budget, 0.0, 1.0)
        self._probes, self._samples, self._informed, self._hedge = probes, samples, informed, hedge
        parts = Parts(features_in_seconds, separate, track, detect, censored, track_robot)
        self.model = DelayModel(n_arms, nominal or Nominal(), parts)
        self._allowance_s = _FIRST_ALLOWANCE_S if self._budget else 0.0
        self._link_looks, self._edge_looks = KeepAlive(*_LINK_LOOKS_S), KeepAlive(*_EDGE_LOOKS_S)
        self._probed, self._forced_at = 0, 0
        self._now_s: float | None = None

    def select(self, context: Context) -> Choice:
        """Choose an arm, and what goes to the edge beside it."""
        if self._now_s is not None:
            earned_s = self._budget * max(0.0, context.now_s - self._now_s)
            self._allowance_s = min(_LARGEST_ALLOWANCE_S, self._allowance_s + earned_s)
        self._now_s = context.now_s
        expected = self.model.expect(context)
        blind = self.model.link.level_sd > _BLIND_SD
        value = self._value(context, expected, blind)
        if not blind:
            value = np.where(_too_late(context, expected), np.inf, value)
        arm = int(np.argmin(value))

        sample, forced = None, None
        if context.edge_available and not blind:
            hopeful_s = self._hopeful(expected, _HOPE)
            sample = self._sample(context, expected, hopeful_s, arm)
            if sample is None and arm == context.on_device:
                sample = self._look_at_edge(context, expected)
            if sample is None:
                forced = self._force(context, expected, value, arm)
        if forced is not None:
            arm, self._forced_at = forced, context.frame
        probe_bytes = 0 if sample is not None else self._probe(context, expected, arm)

        self.model.sent(context, arm, Kind.FRAME, expected)
        if sample is not None:
            self.model.sent(context, sample, Kind.SAMPLE, expected)
        offloaded = arm != context.on_device
        if offloaded:
            self._link_looks.used(context.now_s)
            self._edge_looks.used(context.now_s)
        return Choice(
            arm=arm,
            sample_arm=sample,
            probe_bytes=probe_bytes,
            forced=forced is not None,
            predicted_offload_s=float(expected.link_s[arm] + expected.edge_s[arm]) if offloaded else 0.0,
            optimistic_offload_s=float(expected.optimistic_s(_HOPE, _HOPE)[arm]) if offloaded else 0.0,
            predicted_robot_s=float((expected.robot_s - context.penalty_s)[arm]),
            overdue_s=self._overdue_s(context, expected, arm) if offloaded and self._hedge else math.inf,
        )

    def observe(self, observation: Observation) -> None:
        """Learn from a frame, a sample or a probe."""
        if observation.kind is Kind.PROBE:
            self._link_looks.answered(observation.transmit_s, self.model.probe_s(observation.sent_bytes))
        elif observation.kind is Kind.SAMPLE:
            self._edge_looks.answered(observation.compute_s, self.model.compute_s(observation.arm))
        self.model.learn(observation)

    def state(self) -> dict[str, Any]:
        """Give what was learnt, as JSON takes it."""
        return self.model.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Go on from what was learnt before.

        :raises ValueError: if the state does not fit.
        """
        self.model.restore(state)

    def _value(self, context: Context, expected: Expectation, blind: bool) -> FloatArray:
        """
        Give what is minimised: the optimistic delay, or the expected ratio to the best while the link is unknown.

        Whether the frame is a key frame is asked for only if another arm were chosen then.
        """
        if blind:
            return np.where(context.allowed, self._expected_ratio(context, expected), np.inf)
        other, key = (
            np.where(context.allowed, self._optimistic_s(expected, weight), np.inf)
            for weight in (self._weight_other, self._weight_key)
        )
        same = int(np.argmin(other)) == int(np.argmin(key))
        return other if same or not context.key_frame else key

    def _optimistic_s(self, expected: Expectation, weight: float) -> FloatArray:
        breadth = self._alpha * math.sqrt(1.0 - weight)
        edge_breadth = breadth if self.model.edge.count else _UNSEEN_EDGE
        return expected.robot_s + expected.optimistic_s(breadth, edge_breadth)

    def _expected_ratio(self, context: Context, expected: Expectation) -> FloatArray:
        edge_breadth = _UNSEEN_EDGE
        if self.model.edge.count:
            edge_breadth = self._alpha * math.sqrt(1.0 - self._weight_other)
        known_s = expected.robot_s + expected.edge_s * np.exp(-edge_breadth * expected.edge_sd)
        value = np.zeros(len(known_s))
        for node, share in zip(_NODES, _WEIGHTS, strict=True):
            total_s = known_s + self.model.link_at(node * self.model.link.level_sd, context)
            value += share * total_s / max(float(np.min(total_s[context.allowed])), 1e-9)
        return value

    def _hopeful(self, expected: Expectation, deviations: float) -> FloatArray:
        """
        Give total delays at their optimistic end, doubts about old and few observations included; shape (n,).

        Probes are there to settle doubts about the link.
        """
        link_sd = expected.link_sd if self._probes else np.hypot(expected.link_sd, self.model.link.doubt)
        edge_sd = np.hypot(expected.edge_sd, self.model.edge.doubt)
        offload_s = expected.link_s * np.exp(-deviations * link_sd) + expected.edge_s * np.exp(-deviations * edge_sd)
        hopeful_s: FloatArray = expected.robot_s + offload_s
        return hopeful_s

    def _overdue_s(self, context: Context, expected: Expectation, arm: int) -> float:
        """Give the offloading delay of an arm from which its answer is overdue."""
        delay_s = expected.total_s - context.penalty_s
        if delay_s[arm] > _HARDLY_SOONER * delay_s[context.on_device]:
            return 0.0
        link_sd = math.hypot(float(expected.link_sd[arm]), self.model.link.noise_sd)
        edge_sd = math.hypot(float(expected.edge_sd[arm]), self.model.edge.noise_sd)
        link_s, edge_s = float(expected.link_s[arm]), float(expected.edge_s[arm])
        return link_s * math.exp(_OVERDUE * link_sd) + edge_s * math.exp(_OVERDUE * edge_sd)

    def _probe(self, context: Context, expected: Expectation, arm: int) -> int:
        """Give the size of a probe to send beside a frame; 0 for none."""
        if not (self._probes and self._budget and context.edge_available and not context.link_busy):
            return 0
        if arm != context.on_device:
            return self._probe_for_more(context, expected, arm)
        edge_sd = np.hypot(expected.edge_sd, self.model.edge.doubt)
        ideal_s = expected.robot_s + np.exp(-_HOPE * edge_sd) * expected.edge_s
        ideal_s[~context.allowed] = np.inf
        ideal_s[arm] = np.inf
        if np.min(ideal_s) >= expected.robot_s[arm]:
            return 0
        return self._probe_of_hope(context, expected, ideal_s, arm) or self._look_at_link(context)

    def _probe_of_hope(self, context: Context, expected: Expectation, ideal_s: FloatArray, arm: int) -> int:
        """
        Give the size of a probe that could show a link on which another arm is better; 0 for none.

        :param ideal_s: total delay of each arm over a link that takes no time, shape (n,).
        """
        hope = min(_LINK_HOPE, math.exp(-3.0 * self.model.link.level_sd))
        hopeful_s = ideal_s + hope * expected.link_s
        best = int(np.argmin(hopeful_s))
        if hopeful_s[best] >= expected.robot_s[arm]:
            return 0
        telling = _TELLING_SHARE * float(context.features[best, _PSI])
        affordable = self._allowance_s * self.model.rate
        size = int(min(affordable, _LARGEST_PROBE)) if self._probed else _FIRST_PROBE
        if self._probed == 1 or self._probed % _SMALL_EVERY == _SMALL_EVERY - 1:
            size = SMALL_PROBE
        elif size < min(max(telling, _LEAST_PROBE), _TELLING_PROBE):
            return 0
        self._probed += 1
        self._allowance_s -= size / self.model.rate
        return size

    def _look_at_link(self, context: Context) -> int:
        """Give the size of a probe to send whatever is believed of the link; 0 for none."""
        looks = self._link_looks
        if not looks.is_due(context.now_s, self.model.link.idle_s):
            return 0
        looks.sent(context.now_s)
        return int(min(_LEAST_LOOK * _LOOKS_GROW**looks.fast, _LARGEST_PROBE))

    def _look_at_edge(self, context: Context, expected: Expectation) -> int | None:
        """Give the arm to sample whatever is believed of the edge, the one that takes the link the least; or None."""
        if not (self._samples and self._budget) or context.link_busy:
            return None
        idle_edge_s = expected.robot_s + expected.link_s
        can = context.allowed & (idle_edge_s < (1.0 - _WORTH) * expected.robot_s[context.on_device])
        can[context.on_device] = False
        if not can.any() or not self._edge_looks.is_due(context.now_s, self.model.edge.idle_s):
            return None
        self._edge_looks.sent(context.now_s)
        return int(np.argmin(np.where(can, expected.link_s, np.inf)))

    def _probe_for_more(self, context: Context, expected: Expectation, arm: int) -> int:
        """
        Give the size of a probe to send when a frame is answered; 0 for none.

        Small tensors tell little of what large ones take: the round trip hides their bytes. Where an arm with many more
        of them may be better, a large probe in the link's idle time tells.
        """
        total_s = expected.total_s
        hopeful_s = expected.robot_s + np.exp(-_PROBED_HOPE * expected.link_sd) * expected.link_s + expected.edge_s
        sent_bytes = context.features[:, _PSI]
        heavier = context.allowed & (sent_bytes > _HEAVIER * sent_bytes[arm]) & (hopeful_s < total_s[arm])
        idle_s = min(self._allowance_s, context.period_s - float(total_s[arm]))
        if not heavier.any() or idle_s * self.model.rate < _LARGEST_PROBE:
            return 0
        size = int(min(idle_s * self.model.rate, np.max(sent_bytes[heavier]), _HEAVIEST_PROBE))
        self._allowance_s -= size / self.model.rate
        return size

    def _sample(self, context: Context, expected: Expectation, hopeful_s: FloatArray, arm: int) -> int | None:
        """Give the arm whose tensors, which the front-end computes anyway, promise most for the link's time."""
        if not self._samples or context.link_busy:
            return None
        total_s = float(expected.total_s[arm])
        gain_s = total_s - hopeful_s
        idle_s = self._allowance_s
        if arm != context.on_device:
            idle_s = min(idle_s, context.period_s - total_s)
        computed = context.allowed & (context.point < context.point[arm])
        can = computed & (gain_s > _WORTH * total_s) & (expected.link_s <= idle_s)
        if not can.any():
            return None
        best = int(np.argmax(np.where(can, gain_s / np.maximum(expected.link_s, 1e-6), -np.inf)))
        self._allowance_s -= float(expected.link_s[best])
        return best

    def _force(self, context: Context, expected: Expectation, value: FloatArray, arm: int) -> int | None:
        """Give an arm to be sampled on the critical path, or None."""
        length, number = phase(context.frame, horizon=0, first_phase=_FIRST_PHASE)
        every = interval(length, self._mu)
        if not self._informed:
            others = np.where(np.arange(len(value)) == context.on_device, np.inf, value)
            best = int(np.argmin(others))
            due = number % every == 0 and arm == context.on_device and np.isfinite(others[best])
            return best if due and not self._samples else None
        waited = context.frame - self._forced_at
        if waited < every:
            return None
        total_s = expected.total_s
        gain_s = total_s[arm] - self._hopeful(expected, _FORCED_HOPE)
        can = context.allowed & (gain_s > _WORTH * total_s[arm])
        can[[arm, context.on_device]] = False
        if self._samples:
            can &= (context.point >= context.point[arm]) | (expected.link_s > _LARGEST_ALLOWANCE_S)
        if self._probes and arm != context.on_device:
            can &= context.features[:, _PSI] <= _HEAVIER * context.features[arm, _PSI]
        if not can.any() or (waited < 2 * every and context.key_frame):
            return None
        cost_s = np.maximum(total_s - total_s[arm], 1e-3 * total_s[arm])
        return int(np.argmax(np.where(can, gain_s / cost_s, -np.inf)))


def _too_late(context: Context, expected: Expectation) -> BoolArray:
    """Say which arms' answers are expected after the deadline: the frame would be finished here all the same."""
    late: BoolArray = expected.total_s - context.penalty_s > context.deadline_s - context.waited_s
    late[context.on_device] = False
    return late
