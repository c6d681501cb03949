# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Exp4 with one expert per arm, and fixed share.

Auer, Cesa-Bianchi, Freund and Schapire, "The Nonstochastic Multiarmed Bandit Problem", SIAM Journal on Computing 32(1),
2002, section 7, in the form for losses (Bubeck and Cesa-Bianchi, "Regret Analysis of Stochastic and Nonstochastic
Multi-armed Bandit Problems", 2012, section 4.2). Fixed share: Herbster and Warmuth, "Tracking the Best Expert", Machine
Learning 32, 1998.
"""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.checks import in_range
from neurosurgeon_ros.learning.interface import (
    Choice,
    Context,
    FloatArray,
    IntArray,
    Kind,
    Observation,
    is_offloading_delay,
)

#: Number of frames whose answers are awaited. An answer that arrives later than this teaches nothing.
_AWAITED = 1000


class Exp4:
    """
    One expert for each arm, followed at random and weighted by the delays of its advice.

    An expert advises its arm, or the device while its arm is not allowed. Frame t takes an arm with the probability

        p_t(a) = (1 - gamma) (weight of the experts who advise a) + gamma / (number of allowed arms).

    The loss of an arm is its delay, including the robot's costs, divided by `worst` times the device's delay, and at
    most 1. A missed deadline has loss 1. When the answer arrives, the weights of the experts who advised the arm are
    multiplied by

        exp(-eta (loss(a) - loss(device)) / p_t(a)),

    which uses the importance-weighted loss. The device's loss is subtracted because it is known on every frame.
    Subtracting it from all experts does not change their relative weights, and reduces the variance of the estimate. On
    each frame a share of the weight is spread evenly, so that no expert is too far behind after a change. Features are
    not used: one arm teaches nothing about another.

    :param n_arms: number of arms.
    :param seed: seed of the choices.
    :param eta: learning rate, > 0.
    :param gamma: share of the frames on which any allowed arm is taken, in (0, 1].
    :param share: share of the weight that is spread evenly on each frame, in (0, 1).
    :param worst: delay, as a multiple of the device's delay, above which all delays count the same, > 1.
    :raises ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        n_arms: int,
        seed: int = 0,
        eta: float = 0.2,
        gamma: float = 0.02,
        share: float = 1e-4,
        worst: float = 2.0,
    ) -> None:
        self._eta = in_range("eta", eta, 0.0, math.inf, open_low=True)
        self._gamma = in_range("gamma", gamma, 0.0, 1.0, open_low=True)
        self._share = in_range("share", share, 0.0, 1.0, open_low=True, open_high=True)
        self._worst = in_range("worst", worst, 1.0, math.inf, open_low=True)
        self._n_arms = n_arms
        self._rng = np.random.default_rng(seed)
        self._log_weights: FloatArray = np.zeros(n_arms)
        self._awaited: dict[int, tuple[int, float]] = {}  # by frame: arm, and its probability p_t(a)

    @property
    def weights(self) -> FloatArray:
        """Return the weights of the experts, shape (n,); their sum is 1."""
        weights = np.exp(self._log_weights - np.max(self._log_weights))
        normalised: FloatArray = weights / weights.sum()
        return normalised

    def chances(self, context: Context) -> FloatArray:
        """Return the probability p_t(a) of each arm, shape (n,)."""
        chances: FloatArray = (1.0 - self._gamma) * np.bincount(advice(context), self.weights, minlength=self._n_arms)
        chances += self._gamma * context.allowed / np.count_nonzero(context.allowed)
        return chances

    def select(self, context: Context) -> Choice:
        """Choose an arm at random."""
        chances = self.chances(context)
        arm = int(self._rng.choice(self._n_arms, p=chances / chances.sum()))
        self._log_weights = np.log((1.0 - self._share) * self.weights + self._share / self._n_arms)
        if arm == context.on_device:
            return Choice(arm=arm, predicted_offload_s=0.0)
        self._awaited[context.frame] = arm, float(chances[arm])
        if len(self._awaited) > _AWAITED:
            del self._awaited[next(iter(self._awaited))]
        return Choice(arm=arm)

    def observe(self, observation: Observation, context: Context) -> None:
        """Update the weights with the delay of a frame from the edge, or its missed deadline; once per frame."""
        arm, chance = self._awaited.get(context.frame, (context.on_device, 1.0))
        if observation.arm != arm:
            return
        if is_offloading_delay(observation, context):
            loss = self._relative_loss(context, arm, observation.offload_s)
        elif observation.kind is Kind.FRAME and observation.censored and arm != context.on_device:
            loss = self._relative_loss(context, arm, math.inf)
        else:
            return
        del self._awaited[context.frame]
        self._log_weights[advice(context) == arm] -= self._eta * loss / chance

    def _relative_loss(self, context: Context, arm: int, offload_s: float) -> float:
        """Return the loss of a frame minus the device's loss, in [-1, 1]."""
        device_s = float(context.cost_s[context.on_device])
        delay_s = float(context.cost_s[arm]) + offload_s
        times = delay_s / device_s if device_s > 0.0 else math.inf
        return (min(times, self._worst) - 1.0) / self._worst


def advice(context: Context) -> IntArray:
    """Return the arm that each expert advises, shape (n,)."""
    advised: IntArray = np.where(context.allowed, np.arange(len(context.allowed)), context.on_device)
    return advised
