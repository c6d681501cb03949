# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""LinUCB (Li et al., WWW 2010) over partition points: muLinUCB without frame weights and forced sampling."""

from __future__ import annotations

from neurosurgeon_ros.learning.mu_lin_ucb import DELAY_UNIT_S, MuLinUcb


class LinUcb(MuLinUcb):
    """
    Treats all frames alike and forces no samples; once p = P looks best, it stops learning (paper section 3.3).

    :param n_arms: number of arms.
    :param seed: unused; the algorithm is deterministic.
    :param beta: see :class:`MuLinUcb`, also for all other options.
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
        horizon: int = 0,
        scale_features: bool = True,
        delay_unit_s: float = DELAY_UNIT_S,
    ) -> None:
        super().__init__(
            n_arms=n_arms,
            seed=seed,
            beta=beta,
            delta=delta,
            c_theta=c_theta,
            c_noise=c_noise,
            horizon=horizon,
            weight_key=0.0,
            weight_other=0.0,
            scale_features=scale_features,
            delay_unit_s=delay_unit_s,
        )

    def _is_forced(self, phase_length: int, number: int) -> bool:
        del phase_length, number
        return False
