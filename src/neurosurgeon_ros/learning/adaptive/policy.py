# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The default policy: muLinUCB with separate delay models, change tracking and exploration alongside frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.adaptive.belief import HOPE, DelayModel, Parts
from neurosurgeon_ros.learning.adaptive.choice import ChoiceRule, without_hopeless
from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.adaptive.exploration import Exploration
from neurosurgeon_ros.learning.adaptive.hedging import HedgeRule
from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.learning.interface import Choice, Context, Observation


class AdaptiveMuLinUcb:
    """
    Applies the paper's index to a delay model that tracks changes, and explores alongside the frames.

    It has four parts, each in its own file: the beliefs about link, edge and robot (:class:`.belief.DelayModel`), the
    choice of an arm (:class:`.choice.ChoiceRule`), additional measurements (:class:`.exploration.Exploration`), and the
    time at which the robot begins to finish a frame itself (:class:`.hedging.HedgeRule`).

    No history keeps frames on the robot for good. With frames at 10 Hz, and an edge that is available:

    - The first probe or sample leaves within one second, if the link might be too slow, or within two seconds, if the
      edge might be, whatever was learnt before. An outstanding request is waited for first.
    - Once link and edge are good again, frames take at most a fifth longer than with the best arm. This holds within 15
      frames after an outage of up to 3 s, and within 30 frames after any history.

    :param n_arms: number of arms.
    :param seed: unused; the algorithm is deterministic.
    :param alpha: see :class:`.choice.ChoiceRule`, also for the weights.
    :param budget: see :class:`.exploration.Exploration`, also for `mu`, `probes`, `samples` and `informed`.
    :param hedge: whether the robot begins to finish a frame itself when the answer is overdue; otherwise it begins at
        the deadline.
    :param features_in_seconds: see :class:`.belief.Parts`, also for the following five switches.
    :param nominal: initial orders of magnitude.
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
        parts = Parts(features_in_seconds, separate, track, detect, censored, track_robot)
        self.model = DelayModel(n_arms, nominal or Nominal(), parts)
        self._rule = ChoiceRule(self.model, alpha=alpha, weight_key=weight_key, weight_other=weight_other)
        self._exploration = Exploration(
            self.model, budget=budget, mu=mu, probes=probes, samples=samples, informed=informed
        )
        self._hedging = HedgeRule(self.model) if hedge else None

    def select(self, context: Context) -> Choice:
        """Choose an arm, and a sample or a probe to send alongside the frame."""
        rule, exploration = self._rule, self._exploration
        exploration.advance(context.now_s)
        expected = self.model.expect(context, key_share=rule.key_share)
        blind = rule.is_blind
        sendable = context
        if blind or expected.key_s is not None:
            sendable = without_hopeless(context, expected)
        value = rule.value(sendable, expected, blind=blind)
        arm = int(value.argmin())
        hedging = None if math.isinf(context.deadline_s) or blind else self._hedging
        if arm != context.on_device and hedging is not None and hedging.may_delay(context, expected, arm):
            arms = np.flatnonzero(np.isfinite(value))
            value[arms[rule.gain_s(context, expected, arms) < 0.0]] = np.inf
            arm = int(value.argmin())

        trial, sample, forced = None, None, None
        if context.edge_available and not blind:
            if arm == context.on_device and hedging is not None:
                trial = rule.trial(sendable, expected)
            if trial is None:
                sample = exploration.sample(context, expected, arm)
            if trial is None and sample is None:
                forced = exploration.force(sendable, expected, value, arm)
        arm = next((other for other in (trial, forced) if other is not None), arm)
        probe_bytes = 0 if sample is not None else exploration.probe(context, expected, arm)

        rule.chosen(arm)
        is_offloaded = arm != context.on_device
        key_s = 0.0 if expected.key_s is None else float(expected.key_s[arm])
        if is_offloaded:
            exploration.offloaded(context.now_s)
        return Choice(
            arm=arm,
            sample_arm=sample,
            probe_bytes=probe_bytes,
            forced=forced is not None,
            predicted_offload_s=key_s + float(expected.link_s[arm] + expected.edge_s[arm]) if is_offloaded else 0.0,
            optimistic_offload_s=key_s + expected.optimistic_s_of(arm, HOPE) if is_offloaded else 0.0,
            predicted_robot_s=float((expected.robot_s - context.penalty_s)[arm]),
            overdue_s=self._overdue_s(context, expected, arm, is_trial=trial is not None),
        )

    def _overdue_s(self, context: Context, expected: Expectation, arm: int, *, is_trial: bool) -> float:
        if arm == context.on_device or self._hedging is None:
            return math.inf
        return 0.0 if is_trial else self._hedging.overdue_s(context, expected, arm)

    def observe(self, observation: Observation, context: Context) -> None:
        """Learn from a frame, a sample or a probe."""
        self._exploration.observe(observation)
        if self._hedging is not None:
            self._hedging.observe(observation, context)
        self.model.learn(observation, context)

    def state(self) -> dict[str, Any]:
        """Return the learnt state as JSON-compatible values."""
        return self.model.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Restore a learnt state.

        :raises ValueError: if the state does not fit.
        """
        self.model.restore(state)
