# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One policy in one environment, by the robot's own rules instead of those of the judged experiments.

The robot's code keeps the transfers and the circuit breaker: at most one transfer fills the link, one that takes too
long is given up and its answer teaches nothing, an edge that is silent gets tests and probes instead of frames, and an
arm that is hopeless is not sent. Samples go out once the frame is finished, if the link is free then. A writer keeps
its last few messages, as DDS does: on a link that is down a new message displaces the oldest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation, Policy
from neurosurgeon_ros.runtime.breaker import PROBE_BYTES, TEST_PATIENCE_S, Circuit, CircuitBreaker
from neurosurgeon_ros.runtime.protocol import Key
from neurosurgeon_ros.runtime.strategy import HOPELESS_DEADLINES
from neurosurgeon_ros.runtime.transfers import SHORTEST_S, Transfer, Transfers
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.simulate import Run, Simulation

#: Messages that the robot's writer keeps until they have arrived, see qos.PARTIAL_INFERENCE.
_DEPTH = 4


def simulate_robot(policy: Policy, environment: Environment) -> Run:
    """
    Run a policy through all frames of an environment as a robot would.

    :param policy: see :func:`neurosurgeon_ros.simulation.simulate.simulate`.
    :param environment: the truth; neither is changed but for what the policy learns.
    """
    return _RobotSimulation(policy, environment).run()


@dataclass(slots=True, eq=False)
class _Message:
    """
    What the writer holds.

    :param frame: index of its frame, from 0.
    :param noise: column of its transmission's noise.
    :param link_bytes: bytes that it counts as on the link.
    :param compute_s: at the edge, without noise.
    :param left_s: when its last byte leaves the link.
    """

    key: Key
    frame: int
    noise: int
    ready_s: float
    sent_bytes: int
    link_bytes: float
    compute_s: float
    robot_s: float
    left_s: float = 0.0
    done_s: float = 0.0


class _RobotSimulation(Simulation):
    """The robot's transfers, breaker and writer over the simulation's clock and link."""

    def __init__(self, policy: Policy, environment: Environment) -> None:
        super().__init__(policy, environment)
        self._transfers = Transfers()
        self._breaker = CircuitBreaker(environment.seed)
        self._test_arm: int | None = None
        self._held: list[_Message] = []
        self._only_robot = np.zeros(len(environment.robot_s), dtype=bool)
        self._only_robot[environment.on_device] = True

    def _context(self, k: int, now_s: float) -> Context:
        breaker, transfers = self._breaker, self._transfers
        link_free = not transfers.fills_link(now_s)
        if breaker.test is not None and transfers.find(breaker.test) is None:
            breaker.test_failed(now_s)
        self._test_arm = None
        if link_free and breaker.is_test_due(now_s):
            self._test_arm = int(np.argmin(np.where(self._only_robot, np.inf, self._sent_bytes)))
        closed = breaker.state is Circuit.CLOSED
        return replace(
            super()._context(k, now_s),
            allowed=self._allowed if closed and link_free else self._only_robot,
            edge_available=closed,
            link_busy=bool(transfers.outstanding(now_s)),
        )

    def _choose(self, context: Context) -> Choice:
        choice = self._policy.select(context)
        optimistic_s = float(context.robot_s[choice.arm]) + choice.optimistic_offload_s
        hopeless = optimistic_s > HOPELESS_DEADLINES * context.deadline_s
        if choice.arm != context.on_device and (hopeless or not context.allowed[choice.arm]):
            return replace(choice, arm=context.on_device, predicted_offload_s=math.nan)
        return choice

    def _frame(self, k: int, choice: Choice, now_s: float) -> float:
        delay_s = super()._frame(k, choice, now_s)
        if choice.arm == self._environment.on_device:
            return delay_s
        answer_s = self._held[-1].done_s - now_s
        if delay_s == answer_s:
            self._breaker.answered(in_time=True)
        elif delay_s >= self._environment.deadline_s:
            self._breaker.frame_failed(now_s + delay_s)
        else:
            self._breaker.frame_unanswered(now_s + delay_s)
        return delay_s

    def _send_beside(self, k: int, choice: Choice, now_s: float, delay_s: float) -> tuple[int, int]:
        end_s = now_s + delay_s
        probe_bytes = self._send_probe(k, choice, now_s if choice.arm == self._environment.on_device else end_s)
        self._report(end_s)
        arm, free = choice.sample_arm, not self._transfers.fills_link(end_s)
        if self._test_arm is not None and free:
            self._send(k, self._test_arm, Kind.SAMPLE, end_s, noise=2)
            self._breaker.test_sent(self._key(k + 1, Kind.SAMPLE))
        elif arm is not None and free and self._breaker.state is Circuit.CLOSED:
            self._send(k, arm, Kind.SAMPLE, end_s, noise=2)
            return int(self._environment.table.sent_bytes[arm]), probe_bytes
        return 0, probe_bytes

    def _send_probe(self, k: int, choice: Choice, at_s: float) -> int:
        testing = self._breaker.is_probe_due(at_s)
        size = PROBE_BYTES if testing else choice.probe_bytes
        closed = self._breaker.state is Circuit.CLOSED
        if not size or not (closed or testing) or self._transfers.fills_link(at_s):
            return 0
        self._probe(k, size, at_s)
        if testing:
            self._breaker.probe_sent(self._key(k + 1, Kind.PROBE), at_s)
        return size

    def _send(self, k: int, arm: int, kind: Kind, ready_s: float, *, noise: int, robot_s: float = math.nan) -> float:
        environment = self._environment
        testing = kind is Kind.SAMPLE and arm == self._test_arm
        return self._hold(
            -1 if testing else arm,
            TEST_PATIENCE_S if testing else SHORTEST_S,
            _Message(
                key=self._key(k + 1, kind),
                frame=k,
                noise=noise,
                ready_s=ready_s,
                sent_bytes=int(environment.table.sent_bytes[arm]),
                link_bytes=float(self._sent_bytes[arm]),
                compute_s=float(environment.compute_s[arm] * environment.slowdown[k]),
                robot_s=robot_s,
            ),
        )

    def _probe(self, k: int, sent_bytes: int, now_s: float) -> None:
        message = _Message(self._key(k + 1, Kind.PROBE), k, 4, now_s, sent_bytes, float(sent_bytes), 0.0, math.nan)
        self._hold(-1, SHORTEST_S, message)

    def _hold(self, arm: int, patience_s: float, message: _Message) -> float:
        """Give a message to the writer; returns when its answer is there."""
        now_s = message.ready_s
        self._transfers.send(message.key, arm=arm, sent_bytes=message.sent_bytes, now_s=now_s, patience_s=patience_s)
        waiting = [held for held in self._held if held.left_s > now_s]
        if len(waiting) >= _DEPTH:
            self._held.remove(waiting[0])
            self._link_free_s = now_s
            for held in waiting[1:]:
                self._put(held, now_s)
        self._held.append(message)
        self._put(message, now_s)
        return message.done_s

    def _put(self, message: _Message, now_s: float) -> None:
        """Put a message on the link behind those before it."""
        environment, k = self._environment, message.frame
        start_s = max(now_s, self._link_free_s)
        self._link_free_s = message.left_s = float(self._uplink.end_s(k, start_s, message.link_bytes))
        queue_s = float(environment.queue_s[k]) if message.compute_s else 0.0
        message.done_s = message.left_s + environment.round_trip_s + queue_s + message.compute_s

    def _report(self, now_s: float) -> None:
        super()._report(now_s)
        done = sorted((held for held in self._held if held.done_s <= now_s), key=lambda held: held.done_s)
        for message in done:
            self._held.remove(message)
            self._answer(message)

    def _answer(self, message: _Message) -> None:
        self._transfers.outstanding(message.done_s)
        transfer = self._transfers.find(message.key)
        if transfer is None:  # it was given up
            return
        environment, k = self._environment, message.frame
        transmit_s = message.left_s - message.ready_s + environment.round_trip_s
        transmit_s *= float(self._noise[k, message.noise])
        compute_s = message.compute_s * float(self._noise[k, message.noise + 1])
        queue_s = float(environment.queue_s[k]) if message.compute_s else 0.0
        self._transfers.answer(message.key, transmit_s)
        observation = Observation(
            arm=transfer.arm,
            sequence=k + 1,
            kind=message.key.kind if transfer.arm >= 0 else Kind.PROBE,
            offload_s=transmit_s + queue_s + compute_s,
            transmit_s=transmit_s,
            queue_s=queue_s,
            decode_s=0.0,
            compute_s=compute_s,
            overlapped=transfer.overlapped,
            sent_bytes=message.sent_bytes,
            robot_s=message.robot_s,
        )
        self._judge(transfer, observation, message.done_s)
        self._policy.observe(observation)

    def _judge(self, transfer: Transfer, observation: Observation, now_s: float) -> None:
        breaker, key = self._breaker, transfer.key
        if key.kind is Kind.PROBE:
            breaker.probe_answered(key, observation.transmit_s, now_s)
        elif key != breaker.test:
            breaker.answered(in_time=False)
        elif observation.offload_s > self._environment.deadline_s:
            breaker.test_failed(now_s)
        else:
            breaker.answered(in_time=True)

    def _key(self, sequence: int, kind: Kind) -> Key:
        return Key("simulated", self._environment.seed, sequence, kind)
