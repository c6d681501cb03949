# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exploration: probes and samples alongside the frames, and forced sampling on the critical path."""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.adaptive.belief import HOPE, SMALL_PROBE, DelayModel
from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.adaptive.keep_alive import KeepAlive
from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import FEATURES, Context, FloatArray, Kind, Observation
from neurosurgeon_ros.learning.phases import interval, phase

_PSI = FEATURES.index("psi")
#: Like :data:`.belief.HOPE`, for a sample on the critical path.
_FORCED_HOPE = 1.25
#: Share of a frame's delay that an arm must be able to save before it is sampled.
_WORTH = 0.05
#: Bytes of the first probe, and the bounds for later probes.
_FIRST_PROBE, _LEAST_PROBE, _LARGEST_PROBE = 32_000, 4_000, 64_000
#: Smallest probe as a share of the bytes of the best optimistic arm, and a number of bytes that is always sufficient.
#: Links and queues pass the first bytes at once, so smaller probes make the link look faster than it is.
_TELLING_SHARE, _TELLING_PROBE = 0.4, 12_000
#: One in this many probes is small, and so is the second probe.
_SMALL_EVERY = 8
#: Factor on the expected link delay for a link that has become faster since the last look.
_LINK_HOPE = 0.05
#: Probes for a heavier arm: optimism in standard deviations, how many times as heavy the arm is, and the largest probe
#: in bytes.
_HEAVY_HOPE, _HEAVIER, _HEAVIEST_PROBE = 3.0, 4.0, 256_000
#: Minimum and maximum seconds between two looks at a link, and at an edge, that is believed to be too slow for every
#: frame.
_LINK_LOOKS_S, _EDGE_LOOKS_S = (0.3, 1.0), (0.6, 2.0)
#: Bytes of the first look at the link, and growth factor for the next look after a fast answer. A slow link may have
#: passed a small probe in a burst.
_LEAST_LOOK, _LOOKS_GROW = 1_000, 8
#: Seconds of link time that samples and probes may use at first, and that they can save up at most.
_FIRST_ALLOWANCE_S, _LARGEST_ALLOWANCE_S = 0.1, 1.0
#: T_0 of the forced-sampling schedule, frames (paper section 3.5).
_FIRST_PHASE = 200


class Exploration:
    """
    Decides what to measure in addition to the frames.

    - While frames stay on the robot, *probes* of some kilobytes measure the link, if any link could change the choice.
    - Tensors of earlier partition points go to the edge as *samples* alongside the frame, if their delay might be
      better than that of the chosen arm. Samples and probes use at most `budget` of the link's time.
    - Every belief is tested again. While frames stay on the robot, a probe of 1 kB looks at the link within one second,
      and a sample looks at the edge within two seconds, regardless of the beliefs and of the remaining budget.
    - If a sample does not fit the budget, or its point is not reached by the front-end, forced sampling puts it on the
      critical path, first on non-key frames. It takes the arm with the most to gain for its expected cost. It excludes
      arms that are so heavy that a probe must measure the link first.

    :param budget: share of the link's time for samples and probes, in [0, 1].
    :param mu: exponent of the forced-sampling interval, in (0, 1).
    :param probes: whether to probe the link.
    :param samples: whether to send samples alongside the frames; otherwise there is only forced sampling.
    :param informed: whether forced sampling takes the arm with the most to gain for its cost, if there is one;
        otherwise it excludes `on_device` at every interval, as in the paper.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self, model: DelayModel, *, budget: float, mu: float, probes: bool, samples: bool, informed: bool
    ) -> None:
        self._model = model
        self._budget = in_range("budget", budget, 0.0, 1.0)
        self._mu = in_range("mu", mu, 0.0, 1.0, open_low=True, open_high=True)
        self._probes, self._samples, self._informed = probes, samples, informed
        self._allowance_s = _FIRST_ALLOWANCE_S if self._budget else 0.0
        self._link_looks, self._edge_looks = KeepAlive(*_LINK_LOOKS_S), KeepAlive(*_EDGE_LOOKS_S)
        self._probed, self._forced_at = 0, 0
        self._now_s: float | None = None

    def advance(self, now_s: float) -> None:
        """Advance the clock, and add the link time earned since then to the allowance for samples and probes."""
        if self._now_s is not None:
            earned_s = self._budget * max(0.0, now_s - self._now_s)
            self._allowance_s = min(_LARGEST_ALLOWANCE_S, self._allowance_s + earned_s)
        self._now_s = now_s

    def sample(self, context: Context, expected: Expectation, arm: int) -> int | None:
        """
        Return the arm to send as a sample alongside a frame; None for no sample.

        :param arm: arm of the frame.
        """
        sample = self._promising(context, expected, arm)
        if sample is None and arm == context.on_device:
            sample = self._look_at_edge(context, expected)
        return sample

    def force(self, context: Context, expected: Expectation, value: FloatArray, arm: int) -> int | None:
        """
        Return the arm to sample on the critical path; None for no sample.

        :param value: value that the choice minimised, shape (n,).
        :param arm: the chosen arm.
        """
        forced = self._forced(context, expected, value, arm)
        if forced is not None:
            self._forced_at = context.frame
        return forced

    def probe(self, context: Context, expected: Expectation, arm: int) -> int:
        """
        Return the bytes of a probe to send alongside a frame; 0 for no probe.

        :param arm: arm of the frame.
        """
        if not (self._probes and self._budget and context.edge_available and not context.link_busy):
            return 0
        if arm != context.on_device:
            return self._probe_for_more(context, expected, arm)
        edge_sd = np.hypot(expected.edge_sd, self._model.edge.doubt)
        ideal_s = expected.robot_s + np.exp(-HOPE * edge_sd) * expected.edge_s
        ideal_s[~context.allowed] = np.inf
        ideal_s[arm] = np.inf
        if np.min(ideal_s) >= expected.robot_s[arm]:
            return 0
        return self._probe_of_hope(context, expected, ideal_s, arm) or self._look_at_link(context)

    def offloaded(self, now_s: float) -> None:
        """Record that a frame goes to the edge; the frame itself looks at link and edge."""
        self._link_looks.used(now_s)
        self._edge_looks.used(now_s)

    def observe(self, observation: Observation) -> None:
        """Compare the delay of a probe or a sample with its expectation, before the model learns it."""
        if observation.kind is Kind.PROBE:
            self._link_looks.answered(observation.transmit_s, self._model.probe_s(observation.sent_bytes))
        elif observation.kind is Kind.SAMPLE:
            self._edge_looks.answered(observation.compute_s, self._model.compute_s(observation.arm))

    # The link.

    def _probe_of_hope(self, context: Context, expected: Expectation, ideal_s: FloatArray, arm: int) -> int:
        """
        Return the bytes of a probe that could show a link on which another arm is better; 0 for no probe.

        :param ideal_s: total delay of each arm over a link that takes no time, shape (n,).
        """
        hope = min(_LINK_HOPE, math.exp(-3.0 * self._model.link.level_sd))
        hopeful_s = ideal_s + hope * expected.link_s
        best = int(hopeful_s.argmin())
        if hopeful_s[best] >= expected.robot_s[arm]:
            return 0
        telling = _TELLING_SHARE * float(context.features[best, _PSI])
        affordable = self._allowance_s * self._model.rate
        size = int(min(affordable, _LARGEST_PROBE)) if self._probed else _FIRST_PROBE
        if self._probed == 1 or self._probed % _SMALL_EVERY == _SMALL_EVERY - 1:
            size = SMALL_PROBE
        elif size < min(max(telling, _LEAST_PROBE), _TELLING_PROBE):
            return 0
        self._probed += 1
        self._allowance_s -= size / self._model.rate
        return size

    def _look_at_link(self, context: Context) -> int:
        """Return the bytes of a probe to send regardless of the belief about the link; 0 for no probe."""
        looks = self._link_looks
        if not looks.is_due(context.now_s, self._model.link.idle_s):
            return 0
        looks.sent(context.now_s)
        return int(min(_LEAST_LOOK * _LOOKS_GROW**looks.fast, _LARGEST_PROBE))

    def _probe_for_more(self, context: Context, expected: Expectation, arm: int) -> int:
        """
        Return the bytes of a probe to send while frames go to the edge; 0 for no probe.

        Small tensors reveal little about the delay of large tensors, because the round trip hides their bytes. If an
        arm with many more bytes may be better, a large probe in the link's idle time measures the link. The few bytes
        of a stream reveal so little that the probe counts with the time that it takes at worst.
        """
        total_s = float(expected.total_s[arm])
        idle_s = min(self._allowance_s, context.period_s - total_s)
        if expected.samples_s is not None:
            idle_s *= math.exp(-_HEAVY_HOPE * float(expected.link_sd.max()))
        if idle_s * self._model.rate < _LARGEST_PROBE:
            return 0
        hopeful_s = expected.robot_s + np.exp(-_HEAVY_HOPE * expected.link_sd) * expected.link_s + expected.edge_s
        sent_bytes = context.features[:, _PSI]
        heavier = context.allowed & (sent_bytes > _HEAVIER * sent_bytes[arm]) & (hopeful_s < total_s)
        if not heavier.any():
            return 0
        size = int(min(idle_s * self._model.rate, np.max(sent_bytes[heavier]), _HEAVIEST_PROBE))
        self._allowance_s -= size / self._model.rate
        return size

    # The edge.

    def _promising(self, context: Context, expected: Expectation, arm: int) -> int | None:
        """Return the arm with the most gain per link time, among those that the front-end computes anyway; or None."""
        if not self._samples or context.link_busy:
            return None
        total_s = float(expected.total_s[arm])
        idle_s = self._allowance_s
        if arm != context.on_device:
            idle_s = min(idle_s, context.period_s - total_s)
        computed = context.allowed & (context.point < context.point[arm])
        can = computed & (expected.sample_s <= idle_s)
        if not can.any():
            return None
        gain_s = total_s - self._hopeful(expected, HOPE)
        can &= gain_s > _WORTH * total_s
        if not can.any():
            return None
        best = int(np.argmax(np.where(can, gain_s / np.maximum(expected.sample_s, 1e-6), -np.inf)))
        self._allowance_s -= float(expected.sample_s[best])
        return best

    def _look_at_edge(self, context: Context, expected: Expectation) -> int | None:
        """Return the arm with the least link time to sample regardless of the belief about the edge; or None."""
        if not (self._samples and self._budget) or context.link_busy:
            return None
        idle_edge_s = expected.robot_s + expected.link_s
        can = context.allowed & (idle_edge_s < (1.0 - _WORTH) * expected.robot_s[context.on_device])
        can[context.on_device] = False
        if not can.any() or not self._edge_looks.is_due(context.now_s, self._model.edge.idle_s):
            return None
        self._edge_looks.sent(context.now_s)
        return int(np.argmin(np.where(can, expected.sample_s, np.inf)))

    # The critical path.

    def _forced(self, context: Context, expected: Expectation, value: FloatArray, arm: int) -> int | None:
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
            can &= (context.point >= context.point[arm]) | (expected.sample_s > _LARGEST_ALLOWANCE_S)
        if self._probes and arm != context.on_device:
            can &= context.features[:, _PSI] <= _HEAVIER * context.features[arm, _PSI]
        if not can.any() or (waited < 2 * every and context.key_frame):
            return None
        now_s = total_s if expected.key_s is None else total_s + expected.key_s
        cost_s = np.maximum(now_s - total_s[arm], 1e-3 * total_s[arm])
        return int(np.argmax(np.where(can, gain_s / cost_s, -np.inf)))

    def _hopeful(self, expected: Expectation, deviations: float) -> FloatArray:
        """
        Return the optimistic total delays, including doubt from old or few observations; shape (n,).

        If the policy probes, doubt about the link is left out, because probes resolve it.
        """
        link_sd = expected.link_sd if self._probes else np.hypot(expected.link_sd, self._model.link.doubt)
        edge_sd = np.hypot(expected.edge_sd, self._model.edge.doubt)
        offload_s = expected.link_s * np.exp(-deviations * link_sd) + expected.edge_s * np.exp(-deviations * edge_sd)
        hopeful_s: FloatArray = expected.robot_s + offload_s
        return hopeful_s
