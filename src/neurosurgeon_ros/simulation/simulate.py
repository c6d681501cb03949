# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Simulate one policy in one environment with the rules of the judged experiments.

There is one uplink, which sends first in, first out. A frame arrives every period, or when the previous frame is done
if that is later. Samples and probes occupy the link for the time that their bytes take, behind the frame that they were
chosen with. If the tensors of a later frame have to wait for them, the wait counts as delay of that frame. The policy
observes samples and probes when they are finished, with noise.

If there is a deadline, the robot begins to finish a frame itself at the deadline, or earlier if the answer is overdue.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, FloatArray, IntArray, Kind, Observation, Policy
from neurosurgeon_ros.simulation.environment import Environment

#: Columns of noise: transmission and compute, of the frame, its sample and its probe.
_NOISES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """
    The result of one policy in one environment over T frames. Times are in seconds.

    :param arms: the chosen arms, shape (T,).
    :param delay_s: expected total delay of each frame, shape (T,). It includes the waits in the slot and for the
        policy's own samples and probes.
    :param best_s: expected cost (delay plus penalty) of the best arm at each frame on an idle link, counted from the
        frame's acceptance. Shape (T,).
    :param offload_s: expected offloading delay of each frame; 0 for `on_device`. Shape (T,).
    :param predicted_s: offloading delay that the policy predicted; NaN if it could not predict it. Shape (T,).
    :param forced: whether sampling was forced on each frame, shape (T,).
    :param sample_bytes: bytes sent as samples.
    :param probe_bytes: bytes sent as probes.
    :param starts_s: time at which each frame was accepted, since the start of the run, shape (T,).
    :param waited_s: time that each frame waited in the slot, shape (T,); 0 in the judged experiments.
    :param penalty_s: penalty for the lost fidelity of each frame's result, shape (T,); 0 if the robot finished the
        frame.
    :param dropped: number of images that newer images replaced in the slot.
    """

    arms: IntArray
    delay_s: FloatArray
    best_s: FloatArray
    offload_s: FloatArray
    predicted_s: FloatArray
    forced: IntArray
    sample_bytes: int
    probe_bytes: int
    starts_s: FloatArray
    waited_s: FloatArray
    penalty_s: FloatArray
    dropped: int

    @property
    def cost_s(self) -> FloatArray:
        """Return the cost of each frame, shape (T,): its delay, counted from its acceptance, plus its penalty."""
        cost_s: FloatArray = self.delay_s - self.waited_s + self.penalty_s
        return cost_s

    def ratio(self, first: int = 0, last: int | None = None) -> float:
        """Return the sum of the costs divided by the sum of `best_s`, for the frames with index first to last - 1."""
        return float(self.cost_s[first:last].sum() / self.best_s[first:last].sum())


def simulate(policy: Policy, environment: Environment) -> Run:
    """
    Run a policy through all frames of an environment.

    :param policy: a fresh policy. If it has a method ``reveal`` (Oracle), it gets the costs of all arms before each
        choice.
    :param environment: the truth; it is not changed.
    :raises ValueError: if the arms have codecs, which only the robot's own rules support.
    """
    if environment.coding is not None:
        raise ValueError("arms with codecs were given to rules that know none; use simulate_robot")
    return Simulation(policy, environment).run()


class Simulation:
    """Runs one policy on a simulated clock and link."""

    def __init__(self, policy: Policy, environment: Environment) -> None:
        self._policy, self._environment = policy, environment
        frames = environment.frames
        self._uplink = environment.uplink()
        self._sent_bytes = environment.table.sent_bytes * environment.transmission_factor
        self._stages_s = environment.stages_s()
        self._noise = environment.noise.sample((frames, _NOISES), np.random.default_rng(environment.seed))
        self._link_free_s = 0.0
        self._under_way: list[tuple[float, int, Observation, Context]] = []
        self._sent = 0
        n_arms = len(environment.robot_s)
        self._decode_s, self._allowed, self._points = np.zeros(n_arms), np.ones(n_arms, dtype=bool), np.arange(n_arms)
        self._waited_s, self._penalty_s, self._dropped = 0.0, 0.0, 0
        self._now: Context

    def run(self) -> Run:
        """Run the policy through all frames."""
        environment, policy = self._environment, self._policy
        frames = environment.frames
        reveal = getattr(policy, "reveal", None)
        arms, forced = np.zeros(frames, dtype=np.int64), np.zeros(frames, dtype=np.int64)
        starts_s, delay_s, best_s = np.zeros(frames), np.zeros(frames), np.zeros(frames)
        waited_s, penalty_s = np.zeros(frames), np.zeros(frames)
        predicted_s = np.full(frames, np.nan)
        sample_bytes = probe_bytes = 0
        now_s = 0.0
        for k in range(frames):
            now_s = self._accept(k, now_s)
            self._report(now_s)
            total_s = self._costs(k, now_s)
            starts_s[k], best_s[k], waited_s[k] = now_s, total_s.min(), self._waited_s
            if reveal is not None:
                reveal(total_s)
            self._now = self._context(k, now_s)
            choice = self._choose(self._now)
            arms[k], forced[k], predicted_s[k] = choice.arm, choice.forced, choice.predicted_offload_s
            busy_s = self._frame(k, choice, now_s)
            delay_s[k], penalty_s[k] = self._waited_s + busy_s, self._penalty_s
            sent = self._send_beside(k, choice, now_s, busy_s)
            sample_bytes, probe_bytes = sample_bytes + sent[0], probe_bytes + sent[1]
            now_s += busy_s
        offload_s = delay_s - waited_s - self._stages_s[np.arange(frames), arms]
        offload_s[arms == environment.on_device] = 0.0
        return Run(
            arms=arms,
            delay_s=delay_s,
            best_s=best_s,
            offload_s=offload_s,
            predicted_s=predicted_s,
            forced=forced,
            sample_bytes=sample_bytes,
            probe_bytes=probe_bytes,
            starts_s=starts_s,
            waited_s=waited_s,
            penalty_s=penalty_s,
            dropped=self._dropped,
        )

    def _accept(self, k: int, free_s: float) -> float:
        """Return the time at which frame k starts if the previous frame was done at `free_s`."""
        return max(free_s, k * self._environment.period_s)

    def _costs(self, k: int, now_s: float) -> FloatArray:
        """Return the expected cost of each arm at frame k on an idle link in seconds, shape (n,)."""
        return self._environment.frame_total_s(self._uplink, k, now_s, self._stages_s[k])

    def _choose(self, context: Context) -> Choice:
        return self._policy.select(context)

    def _send_beside(self, k: int, choice: Choice, now_s: float, delay_s: float) -> tuple[int, int]:
        """Send the sample and the probe that were chosen with a frame. Return the bytes of each."""
        del delay_s
        sample_bytes = 0 if choice.sample_arm is None else self._sample(k, choice, now_s)
        if choice.probe_bytes:
            self._probe(k, choice.probe_bytes, now_s)
        return sample_bytes, choice.probe_bytes

    def _context(self, k: int, now_s: float) -> Context:
        environment = self._environment
        return Context(
            frame=k + 1,
            robot_s=environment.robot_s,
            features=environment.table.features,
            decode_s=self._decode_s,
            point=self._points,
            allowed=self._allowed,
            on_device=environment.on_device,
            key_frame=bool(environment.key_frames[k]),
            now_s=now_s,
            period_s=environment.period_s,
            deadline_s=environment.deadline_s,
            link_busy=self._link_free_s > now_s,
        )

    def _frame(self, k: int, choice: Choice, now_s: float) -> float:
        """Simulate a frame, and return its expected delay in seconds. Only the observation has noise."""
        environment, arm = self._environment, choice.arm
        robot_s = float(self._stages_s[k, arm])
        if arm == environment.on_device:
            self._later(now_s + robot_s, Observation(arm, k + 1, Kind.FRAME, float("nan"), robot_s=robot_s))
            return robot_s
        delay_s = self._send(k, arm, Kind.FRAME, now_s + robot_s, noise=0, robot_s=robot_s) - now_s
        deadline_s = environment.deadline_s
        begun_s = min(deadline_s, robot_s + choice.overdue_s) if math.isfinite(deadline_s) else math.inf
        finished_s = begun_s + float(self._stages_s[k, environment.on_device]) - robot_s
        if delay_s <= min(deadline_s, finished_s):
            return delay_s
        bound_s = deadline_s if begun_s == deadline_s else finished_s
        missed = Observation(arm, k + 1, Kind.FRAME, bound_s - robot_s, censored=True, robot_s=robot_s)
        self._later(now_s + bound_s, missed)
        return finished_s

    def _sample(self, k: int, choice: Choice, now_s: float) -> int:
        """Send a sample behind the frame's own tensors when the robot's stages are done. Return its bytes."""
        arm = choice.sample_arm
        environment = self._environment
        if arm is None or arm == environment.on_device or environment.robot_s[arm] > environment.robot_s[choice.arm]:
            raise ValueError(f"arm {arm} cannot be sampled beside arm {choice.arm}: its tensors are not computed there")
        self._send(k, arm, Kind.SAMPLE, now_s + float(self._stages_s[k, choice.arm]), noise=2)
        return int(environment.table.sent_bytes[arm])

    def _send(
        self, k: int, arm: int, kind: Kind, ready_s: float, *, noise: int, robot_s: float = float("nan")
    ) -> float:
        """Put an arm's tensors on the link when they are ready. Return the time at which the answer arrives."""
        environment = self._environment
        wait_s = max(0.0, self._link_free_s - ready_s)
        start_s = ready_s + wait_s
        occupied_s = float(self._uplink.end_s(k, start_s, self._sent_bytes[arm])) - start_s
        transmit_s = wait_s + occupied_s + environment.round_trip_s
        compute_s = float(environment.compute_s[arm] * environment.slowdown[k])
        queue_s = float(environment.queue_s[k])
        self._link_free_s = start_s + occupied_s
        done_s = ready_s + transmit_s + queue_s + compute_s
        seen_transmit_s = transmit_s * self._noise[k, noise]
        seen_compute_s = compute_s * self._noise[k, noise + 1]
        self._later(
            done_s,
            Observation(
                arm=arm,
                sequence=k + 1,
                kind=kind,
                offload_s=float(seen_transmit_s + queue_s + seen_compute_s),
                transmit_s=float(seen_transmit_s),
                queue_s=queue_s,
                decode_s=0.0,
                compute_s=float(seen_compute_s),
                overlapped=wait_s > 0.0,
                sent_bytes=int(environment.table.sent_bytes[arm]),
                robot_s=robot_s,
            ),
        )
        return done_s

    def _probe(self, k: int, sent_bytes: int, now_s: float) -> None:
        environment = self._environment
        start_s = max(now_s, self._link_free_s)
        occupied_s = float(self._uplink.end_s(k, start_s, sent_bytes)) - start_s
        self._link_free_s = start_s + occupied_s
        transmit_s = start_s - now_s + occupied_s + environment.round_trip_s
        seen_s = float(transmit_s * self._noise[k, 4])
        self._later(
            now_s + transmit_s,
            Observation(
                arm=-1,
                sequence=k + 1,
                kind=Kind.PROBE,
                offload_s=seen_s,
                transmit_s=seen_s,
                queue_s=0.0,
                decode_s=0.0,
                compute_s=0.0,
                overlapped=start_s > now_s,
                sent_bytes=sent_bytes,
            ),
        )

    def _later(self, when_s: float, observation: Observation) -> None:
        self._sent += 1
        heapq.heappush(self._under_way, (when_s, self._sent, observation, self._now))

    def _report(self, now_s: float) -> None:
        while self._under_way and self._under_way[0][0] <= now_s + 1e-12:
            _, _, observation, context = heapq.heappop(self._under_way)
            self._policy.observe(observation, context)
