# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The best arm for each frame of a run whose arms have memory, by dynamic programming over frames and references.

A choice changes the cost of later frames: it renews a reference, lets others grow old, and may fill the link for
several images, so the arm that is best for one frame is not always best for the run. The state before a frame is the
age of each reference; a frame that waits for the link stays on the robot.

The plan is the optimum over all sequences of arms under these rules, which hold for the simulated robot:

- The robot finishes every frame itself before the next image (:func:`best_plan` refuses any other robot). So the time
  is no part of the state, and every image is a frame.
- The robot begins each frame that it sends itself as well, at once. In the simulator this never makes a frame later.
- No samples and no probes are sent. They change no reference, and only take time on the link.
- A frame is only sent if its answer comes before the robot may give it up, by the lowest limit for its bytes.

States that cannot be better than another one are dropped: those that cost at least as much, and whose references are
all at least as old. That is right if an older reference never makes a frame cheaper. Where a calibration has it
otherwise, costs are lowered until it holds. The optimum with the lowered costs is a lower bound of the optimum, and
what its sequence of arms really costs is an upper bound. If nothing was lowered, both are equal, and the plan is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, FloatArray, IntArray, Observation
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR
from neurosurgeon_ros.robot.streams.stream import LONGEST_PAUSE_S
from neurosurgeon_ros.robot.uplink.outstanding import GIVE_UP_FACTOR, SHORTEST_S, UNKNOWN_RATE
from neurosurgeon_ros.robot.uplink.uplink import request_lifespan_s
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.arms.known_table import arm_table
from neurosurgeon_ros.simulation.environment import Environment

#: Age of a reference that the edge does not hold, in images.
_NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """
    The best arms of a run.

    :param arms: arm of each frame, shape (T,).
    :param cost_s: seconds that all frames cost with these arms: delays and penalties.
    :param least_s: lower bound of the seconds that any arms cost; equal to `cost_s` if the plan is exact.
    """

    arms: IntArray
    cost_s: float
    least_s: float


class PlannedArms:
    """
    The policy that follows the best plan of an environment.

    :raises ValueError: see :func:`best_plan`.
    """

    def __init__(self, environment: Environment) -> None:
        self._plan = best_plan(environment)

    def select(self, context: Context) -> Choice:
        """Choose the plan's arm. The robot begins the frame itself at once."""
        return Choice(arm=int(self._plan.arms[context.frame - 1]), overdue_s=0.0)

    def observe(self, observation: Observation, context: Context) -> None:
        """Ignore the observation."""


def best_plan(environment: Environment) -> Plan:
    """
    Return the best arms of a run, see the module.

    :raises ValueError: if the robot may need longer for a frame than from one image to the next.
    """
    return _Planner(environment).plan()


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """
    What sending a frame with one arm leads to, for m sizes of it. Shape (m,) each.

    :param cost_s: cost of this frame and of the frames that then have to stay on the robot; infinity if it is not sent.
    :param next: index of the first frame that may be sent after it.
    """

    cost_s: FloatArray
    next: IntArray

    def lowered(self) -> _Step:
        """Return the step with costs that do not fall, and frames that do not become earlier, from size to size."""
        cost_s, following = (np.minimum.accumulate(of[::-1])[::-1] for of in (self.cost_s, self.next))
        return _Step(cost_s, following)


@dataclass(frozen=True, slots=True, eq=False)
class _States:
    """
    The states before one frame, of which none can be better than another one. There are m states and s streams.

    :param cost_s: cost of all frames so far. Shape (m,).
    :param newest: newest frame of each stream; -1: the edge does not hold its reference. Shape (m, s).
    :param frame: frame before which the previous state was, and its index there. Shape (m,) each.
    :param arm: arm of that frame. Shape (m,).
    """

    cost_s: FloatArray
    newest: IntArray
    frame: IntArray
    state: IntArray
    arm: IntArray

    @classmethod
    def joined(cls, parts: list[_States]) -> _States:
        """Return the states of all parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def of(self, chosen: IntArray) -> _States:
        """Return some of the states."""
        return _States(*(getattr(self, name)[chosen] for name in self.__slots__))


class _Planner:
    def __init__(self, environment: Environment) -> None:
        coding = environment.coding or Coding.none(len(environment.robot_s))
        self._environment, self._coding = environment, coding
        self._frames, self._on_device = environment.frames, environment.on_device
        self._streams = coding.streams
        self._arms = np.zeros(0, dtype=np.int64) if self._streams is None else self._streams.arms
        self._uplink = environment.uplink()
        self._stages_s, encode_s = environment.stages_s(), environment.encode_s()
        self._rest_s = self._stages_s[:, -1:] - self._stages_s + encode_s
        longest_s = float((self._stages_s + self._rest_s).max()) + environment.after_s
        if longest_s > environment.period_s:
            raise ValueError(
                f"a frame may take {longest_s:.3f} s on the robot, but the plan needs robots that take at most the "
                f"{environment.period_s:g} s from one image to the next; give a faster robot or a slower camera"
            )
        self._arrived_s = environment.period_s * np.arange(self._frames)
        self._content = np.array([coding.content_of(image) for image in range(self._frames)])
        derived_s = np.full(self._frames, DEADLINE_FACTOR * float(environment.robot_s[-1]))
        derived_s[1:] = np.maximum(derived_s[1:], environment.period_s)
        given_s = environment.deadline_s
        self._deadline_s = np.full(self._frames, given_s) if math.isfinite(given_s) else derived_s
        self._lifespan_s = request_lifespan_s(arm_table(environment), given_s if math.isfinite(given_s) else 0.0)
        own_s = self._stages_s[:, -1]
        self._own_s = np.concatenate([[0.0], np.cumsum(own_s)])
        self._oldest = self._oldest_alive()

    def plan(self) -> Plan:
        """Return the best arms."""
        frames, none = self._frames, np.full((1, len(self._arms)), _NONE)
        zero = np.zeros(1, dtype=np.int64)
        waiting: list[list[_States]] = [[] for _ in range(frames + 1)]
        waiting[0].append(_States(np.zeros(1), none, zero, zero, zero))
        kept: list[_States] = []
        for k in range(frames):
            states = self._without_worse(k, _States.joined(waiting[k]))
            kept.append(states)
            waiting[k] = []
            for following, reached in self._reached(k, states):
                waiting[following].append(reached)
        last = _States.joined(waiting[frames])
        best = int(np.argmin(last.cost_s))
        arms = np.full(frames, self._on_device)
        states, index = last, best
        while kept:
            frame, index, arm = int(states.frame[index]), int(states.state[index]), int(states.arm[index])
            arms[frame] = arm
            if not frame:
                break
            states = kept[frame]
        return Plan(arms, self._cost_s(arms), float(last.cost_s[best]))

    def _reached(self, k: int, states: _States) -> list[tuple[int, _States]]:
        """Return the states that frame k leads to, by the first frame that may be sent after it."""
        count = len(states.cost_s)
        arm, cost_s = self._best_without_memory(k)
        reached = [(k + 1, self._after(k, states, np.arange(count), np.full(count, arm), states.cost_s + cost_s))]
        for stream, arm in enumerate(map(int, self._arms)):
            step = self._stream_step(k, arm).lowered()
            size = np.where(states.newest[:, stream] == _NONE, len(step.cost_s) - 1, k - states.newest[:, stream] - 1)
            total_s, following = states.cost_s + step.cost_s[size], step.next[size]
            for to in np.unique(following[np.isfinite(total_s)]):
                chosen = np.flatnonzero((following == to) & np.isfinite(total_s))
                after = self._after(k, states, chosen, np.full(len(chosen), arm), total_s[chosen])
                after.newest[:, stream] = k
                reached.append((int(to), after))
        return reached

    def _after(self, k: int, states: _States, chosen: IntArray, arm: IntArray, cost_s: FloatArray) -> _States:
        return _States(cost_s, states.newest[chosen].copy(), np.full(len(chosen), k), chosen, arm)

    def _without_worse(self, k: int, states: _States) -> _States:
        """Return the states before frame k of which none costs at least as much as another with older references."""
        newest = np.where(states.newest < self._oldest[k], _NONE, states.newest)
        order = np.lexsort((*(-newest.T), states.cost_s))
        kept: list[int] = []
        for index in order:
            if not (newest[kept] >= newest[index]).all(axis=1).any():
                kept.append(int(index))
        chosen = np.array(kept)
        states.newest[:] = newest
        return states.of(chosen)

    def _best_without_memory(self, k: int) -> tuple[int, float]:
        """Return the best arm without memory for frame k that leaves the link free for the next one, and its cost."""
        best, cost_s = self._on_device, float(self._stages_s[k, -1])
        for arm in range(self._on_device):
            if arm not in self._arms:
                step = self._step(k, arm, self._environment.table.sent_bytes[arm : arm + 1])
                if step.next[0] == k + 1 and step.cost_s[0] < cost_s:
                    best, cost_s = arm, float(step.cost_s[0])
        return best, cost_s

    def _stream_step(self, k: int, arm: int) -> _Step:
        """Return what a frame leads to for references of one image ago, two, and so on, and at last for a key."""
        assert self._streams is not None
        images = np.arange(1, k - int(self._oldest[k]) + 1)
        later = self._streams.later(arm, self._environment.period_s * images) if len(images) else np.zeros(0)
        return self._step(k, arm, np.append(later, self._streams.key_bytes[arm]))

    def _step(self, k: int, arm: int, usual_bytes: FloatArray) -> _Step:
        """Return what sending frame k with an arm leads to, by the bytes of an image of usual content."""
        environment, arrived_s = self._environment, float(self._arrived_s[k])
        sent_bytes = self._content[k] * usual_bytes
        ready_s = arrived_s + float(self._stages_s[k, arm])
        left_s = self._uplink.end_s(k, ready_s, sent_bytes * environment.transmission_factor[arm])
        compute_s = float(environment.compute_s[arm] * environment.slowdown[k])
        edge_s = float(environment.queue_s[k] + self._coding.decode_s[arm]) + compute_s
        done_s = left_s + environment.round_trip_s + edge_s
        finished_s = ready_s + float(self._rest_s[k, arm])
        due_s = arrived_s + self._deadline_s[k]
        counts = done_s <= finished_s
        cost_s = np.where(counts & (done_s <= due_s), done_s, finished_s) - arrived_s
        cost_s = cost_s + np.where(counts, self._coding.penalty_s[arm], 0.0)
        following = np.maximum(np.searchsorted(self._arrived_s, done_s), k + 1)
        longest_s = np.maximum(SHORTEST_S, GIVE_UP_FACTOR * 8.0 * sent_bytes / UNKNOWN_RATE)
        is_sent = done_s - ready_s <= np.minimum(longest_s, self._lifespan_s)
        cost_s = cost_s + self._own_s[following] - self._own_s[k + 1]
        return _Step(np.where(is_sent, cost_s, np.inf), following)

    def _oldest_alive(self) -> IntArray:
        """Return the oldest frame whose reference may be alive at each frame, shape (T,)."""
        now_s = self._arrived_s
        oldest = np.array([np.flatnonzero(now_s[k] - now_s[: k + 1] <= LONGEST_PAUSE_S)[0] for k in range(len(now_s))])
        if self._streams is None:
            return oldest
        session = self._streams.session(now_s)
        return np.maximum(oldest, np.searchsorted(session, session))

    def _cost_s(self, arms: IntArray) -> float:
        """Return what a sequence of arms costs."""
        newest = dict.fromkeys(map(int, self._arms), _NONE)
        total_s, k = 0.0, 0
        while k < self._frames:
            arm = int(arms[k])
            if arm == self._on_device:
                total_s, k = total_s + float(self._stages_s[k, -1]), k + 1
                continue
            if arm in newest:
                step, reference = self._stream_step(k, arm), newest[arm]
                size = k - reference - 1 if reference >= self._oldest[k] else len(step.cost_s) - 1
                newest[arm] = k
            else:
                step, size = self._step(k, arm, self._environment.table.sent_bytes[arm : arm + 1]), 0
            total_s, k = total_s + float(step.cost_s[size]), int(step.next[size])
        return total_s
