# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The adaptive policy after an edge was there but silent, and then away: it comes back within 10 s of frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Context, Kind, Observation

#: Five arms of a network like YOLOv3-tiny, the last one on the device: MACs, bytes, and the robot's seconds.
MACS = np.array([2.8e9, 2.0e9, 1.2e9, 0.5e9, 0.0])
BYTES = np.array([520e3, 350e3, 90e3, 45e3, 0.0])
ROBOT_S = np.array([0.004, 0.05, 0.11, 0.17, 0.25])
ON_DEVICE, CHEAPEST = 4, 3
PERIOD_S, DEADLINE_S = 0.1, 0.375
ROUND_TRIP_S, EDGE_MACS_PER_S = 0.004, 100e9


class Drive:
    """Frames at 10 Hz through the policy, over a link and an edge of known delays."""

    def __init__(self, mbps: float, seed: int) -> None:
        self.policy = make_policy("adaptive_mu_lin_ucb", n_arms=len(MACS), seed=seed)
        self.frame = 0
        self._bytes_per_s = mbps * 1e6 / 8
        self._rng = np.random.default_rng(seed)
        self._features = np.zeros((len(MACS), 7))
        self._features[:, 0], self._features[:, 6] = MACS, BYTES
        self._features[:-1, 3] = 13, 10, 7, 3

    def _context(self, available: bool) -> Context:
        allowed = np.full(len(MACS), available)
        allowed[ON_DEVICE] = True
        return Context(
            frame=self.frame,
            robot_s=ROBOT_S,
            features=self._features,
            decode_s=np.zeros(len(MACS)),
            point=np.arange(len(MACS)),
            allowed=allowed,
            on_device=ON_DEVICE,
            key_frame=False,
            now_s=PERIOD_S * self.frame,
            period_s=PERIOD_S,
            deadline_s=DEADLINE_S,
            edge_available=available,
            penalty_s=np.zeros(len(MACS)),
        )

    def answer(self, arm: int, kind: Kind, sent_bytes: float) -> None:
        """Let something be answered."""
        transmit_s = (ROUND_TRIP_S + sent_bytes / self._bytes_per_s) * math.exp(self._rng.normal(0.0, 0.05))
        compute_s = 0.0 if arm < 0 else float(MACS[arm]) / EDGE_MACS_PER_S
        self.policy.observe(
            Observation(
                arm=arm,
                sequence=self.frame,
                kind=kind,
                offload_s=transmit_s + compute_s,
                transmit_s=transmit_s,
                queue_s=0.0,
                decode_s=0.0,
                compute_s=compute_s,
                sent_bytes=int(sent_bytes),
            )
        )

    def step(self, *, available: bool = True, silent: bool = False) -> int:
        """Choose an arm for one frame and tell what came of it."""
        self.frame += 1
        choice = self.policy.select(self._context(available))
        if choice.arm == ON_DEVICE:
            seen = Observation(ON_DEVICE, self.frame, Kind.FRAME, math.nan, robot_s=float(ROBOT_S[ON_DEVICE]))
            self.policy.observe(seen)
        elif silent:
            waited_s = DEADLINE_S - float(ROBOT_S[choice.arm])
            self.policy.observe(Observation(choice.arm, self.frame, Kind.FRAME, waited_s, censored=True))
        else:
            self.answer(choice.arm, Kind.FRAME, BYTES[choice.arm])
        if available and not silent:
            if choice.sample_arm is not None:
                self.answer(choice.sample_arm, Kind.SAMPLE, BYTES[choice.sample_arm])
            if choice.probe_bytes:
                self.answer(-1, Kind.PROBE, choice.probe_bytes)
        return choice.arm


@pytest.mark.parametrize("mbps", [16.0, 50.0])
@pytest.mark.parametrize("away_s", [2, 60, 600])
@pytest.mark.parametrize("tested", [True, False], ids=["a test is answered", "without a word"])
def test_the_edge_is_in_use_again_soon_after_an_outage(mbps: float, away_s: int, tested: bool) -> None:
    drive = Drive(mbps, seed=1)
    for _ in range(150):
        before = drive.step()
    assert before != ON_DEVICE
    missed = [drive.step(silent=True) for _ in range(20)]
    assert missed[0] != ON_DEVICE and missed[-1] == ON_DEVICE, "what is missed is learnt from"
    for _ in range(int(away_s / PERIOD_S)):
        assert drive.step(available=False) == ON_DEVICE
    if tested:
        drive.answer(-1, Kind.PROBE, BYTES[CHEAPEST])
    arms = [drive.step() for _ in range(30)]
    assert before in arms, "3 s of frames: the rest of 10 s are the breaker's"
    assert arms[-1] == before
