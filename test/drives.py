# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The adaptive policy with a robot, link and edge of known delays, which change as a test says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Context, FloatArray, Kind, Observation
from neurosurgeon_ros.robot.selector import enforce
from neurosurgeon_ros.robot.uplink.outstanding import GIVE_UP_FACTOR, SHORTEST_S, UNKNOWN_RATE

#: Five arms of a network like YOLOv3-tiny, the last one on the device: MACs, bytes, and the robot's seconds.
MACS = np.array([2.8e9, 2.0e9, 1.2e9, 0.5e9, 0.0])
BYTES = np.array([520e3, 350e3, 90e3, 45e3, 0.0])
ROBOT_S = np.array([0.004, 0.05, 0.11, 0.17, 0.25])
ON_DEVICE, CHEAPEST = 4, 3
PERIOD_S, DEADLINE_S = 0.1, 0.375
ROUND_TRIP_S, EDGE_MACS_PER_S = 0.004, 100e9
#: Times that differ by less than this many seconds count as equal.
_SAME_S = 1e-6


class Drive:
    """
    Runs frames at 10 Hz through the policy. A transfer that takes too long is given up, as the robot does.

    :param mbps: rate of the undisturbed link.
    :param seed: seed of the noise.

    :ivar refused: number of choices that the robot did not follow.
    :ivar longest_without_look_s: maximum seconds for which nothing was sent although the edge and the link were free.
    """

    def __init__(self, mbps: float, seed: int) -> None:
        self.policy = make_policy("adaptive_mu_lin_ucb", n_arms=len(MACS), seed=seed)
        self.frame, self.now_s = 0, 0.0
        self.longest_without_look_s = self._without_look_s = 0.0
        self.refused = 0
        self.set_right(mbps)
        self._rng = np.random.default_rng(seed)
        self._features = np.zeros((len(MACS), 7))
        self._features[:, 0], self._features[:, 6] = MACS, BYTES
        self._features[:-1, 3] = 13, 10, 7, 3
        self._waiting: list[tuple[float, Observation, Context]] = []
        self._now = self._context(busy=False)

    def set_right(self, mbps: float) -> None:
        """Reset link and edge to undisturbed, with nothing on the link."""
        self.mbps, self.slower, self.noise = mbps, 1.0, 0.05
        self.available, self.claimed_s = True, math.nan
        self._link_free_s = self._busy_until_s = self.now_s

    def total_s(self) -> FloatArray:
        """Return the delay of each arm on an idle link without noise, in seconds."""
        total: FloatArray = ROBOT_S + ROUND_TRIP_S + 8e-6 * BYTES / self.mbps + self.slower * MACS / EDGE_MACS_PER_S
        total[ON_DEVICE] = ROBOT_S[ON_DEVICE]
        return total

    def step(self) -> int:
        """Choose an arm for one frame, tell the policy the result, and return the arm."""
        self.frame += 1
        self.now_s += PERIOD_S
        self._report()
        busy = self._busy_until_s > self.now_s + _SAME_S
        self._now = self._context(busy)
        choice, reason = enforce(self.policy.select(self._now), self._now, str)
        self.refused += bool(reason)
        took_s = self._run(choice.arm)
        if self.available and not busy:
            if choice.sample_arm is not None:
                self._send(choice.sample_arm, Kind.SAMPLE, float(BYTES[choice.sample_arm]))
            if choice.probe_bytes:
                self._send(-1, Kind.PROBE, float(choice.probe_bytes))
        self.now_s += max(0.0, took_s - PERIOD_S)
        is_look = choice.arm != ON_DEVICE or choice.sample_arm is not None or choice.probe_bytes > 0
        could_look = self.available and not busy
        self._without_look_s = 0.0 if is_look or not could_look else self._without_look_s + max(took_s, PERIOD_S)
        self.longest_without_look_s = max(self.longest_without_look_s, self._without_look_s)
        return choice.arm

    def answer_test(self) -> None:
        """Make the edge answer a test of the circuit breaker."""
        self._send(-1, Kind.PROBE, float(BYTES[CHEAPEST]))
        self.now_s += PERIOD_S
        self._report()

    def _run(self, arm: int) -> float:
        if arm == ON_DEVICE:
            seen = Observation(ON_DEVICE, self.frame, Kind.FRAME, math.nan, robot_s=float(ROBOT_S[ON_DEVICE]))
            self.policy.observe(seen, self._now)
            return float(ROBOT_S[ON_DEVICE])
        offload_s, patience_s = self._send(arm, Kind.FRAME, float(BYTES[arm])), DEADLINE_S - float(ROBOT_S[arm])
        if offload_s <= patience_s:
            return float(ROBOT_S[arm]) + offload_s
        self.policy.observe(Observation(arm, self.frame, Kind.FRAME, patience_s, censored=True), self._now)
        return DEADLINE_S + float(ROBOT_S[ON_DEVICE] - ROBOT_S[arm])

    def _send(self, arm: int, kind: Kind, sent_bytes: float) -> float:
        """Put bytes on the link, and return the seconds until their answer."""
        ready_s = self.now_s + (float(ROBOT_S[arm]) if kind is Kind.FRAME else 0.0)
        patience_s = max(SHORTEST_S, GIVE_UP_FACTOR * 8.0 * sent_bytes / UNKNOWN_RATE)
        if not self.mbps:
            self._busy_until_s = ready_s + patience_s
            return math.inf
        wait_s, occupied_s = max(0.0, self._link_free_s - ready_s), 8e-6 * sent_bytes / self.mbps
        self._link_free_s = ready_s + wait_s + occupied_s
        transmit_s = (wait_s + occupied_s + ROUND_TRIP_S) * math.exp(self._rng.normal(0.0, self.noise))
        compute_s = 0.0
        if arm >= 0:
            compute_s = self.slower * float(MACS[arm]) / EDGE_MACS_PER_S * math.exp(self._rng.normal(0.0, self.noise))
        offload_s = transmit_s + compute_s
        seen = Observation(
            arm=arm,
            sequence=self.frame,
            kind=kind,
            offload_s=offload_s,
            transmit_s=transmit_s,
            queue_s=0.0,
            decode_s=0.0,
            compute_s=compute_s,
            sent_bytes=int(sent_bytes),
        )
        if arm >= 0 and math.isfinite(self.claimed_s):
            seen = replace(seen, compute_s=self.claimed_s, transmit_s=offload_s - self.claimed_s)
        self._busy_until_s = max(self._busy_until_s, ready_s + min(offload_s, patience_s))
        if offload_s <= patience_s:
            self._waiting.append((ready_s + offload_s, seen, self._now))
        return offload_s

    def _report(self) -> None:
        due = [answer for answer in self._waiting if answer[0] <= self.now_s + _SAME_S]
        self._waiting = [answer for answer in self._waiting if answer[0] > self.now_s + _SAME_S]
        for _, seen, context in sorted(due, key=lambda answer: answer[0]):
            self.policy.observe(seen, context)

    def _context(self, busy: bool) -> Context:
        allowed = np.full(len(MACS), bool(self.available) and not busy)
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
            now_s=self.now_s,
            period_s=PERIOD_S,
            deadline_s=DEADLINE_S,
            edge_available=bool(self.available),
            penalty_s=np.zeros(len(MACS)),
            link_busy=busy,
        )
