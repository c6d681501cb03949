# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Simulate one policy in one environment by the robot's own rules instead of those of the judged experiments.

The robot's own code manages the requests and the circuit breaker. At most one request fills the link. A request that
takes too long is given up, and its answer is not learnt from. A silent edge gets tests and probes instead of frames. A
hopeless arm is not sent. Samples are sent when the frame is finished, if the link is free then. A writer keeps its last
few messages, as in DDS: on a link that is down, a new message displaces the oldest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation, Policy
from neurosurgeon_ros.protocol.requests import Key
from neurosurgeon_ros.robot.selector import enforce
from neurosurgeon_ros.robot.uplink.breaker import PROBE_BYTES, TEST_TIMEOUT_S, Circuit, CircuitBreaker
from neurosurgeon_ros.robot.uplink.outstanding import SHORTEST_S, OutstandingRequest, OutstandingRequests
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.simulate import Run, Simulation

#: Number of messages that the robot's writer keeps until they have arrived; see qos.PARTIAL_INFERENCE.
_DEPTH = 4


def simulate_robot(policy: Policy, environment: Environment) -> Run:
    """
    Run a policy through all frames of an environment by the robot's own rules.

    :param policy: see :func:`neurosurgeon_ros.simulation.simulate.simulate`.
    :param environment: the truth. Neither argument is changed, except for what the policy learns.
    """
    return _RobotSimulation(policy, environment).run()


@dataclass(slots=True, eq=False)
class _Message:
    """
    A message that the writer holds.

    :param frame: index of its frame, from 0.
    :param noise: column of the noise of its transmission.
    :param link_bytes: bytes that it counts for on the link.
    :param compute_s: seconds at the edge, without noise.
    :param left_s: time at which its last byte leaves the link.
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
    """The robot's requests, circuit breaker and writer, on the simulation's clock and link."""

    def __init__(self, policy: Policy, environment: Environment) -> None:
        super().__init__(policy, environment)
        self._requests = OutstandingRequests()
        self._breaker = CircuitBreaker(environment.seed)
        self._test_arm: int | None = None
        self._held: list[_Message] = []
        self._only_robot = np.zeros(len(environment.robot_s), dtype=bool)
        self._only_robot[environment.on_device] = True

    def _context(self, k: int, now_s: float) -> Context:
        breaker, requests = self._breaker, self._requests
        link_free = not requests.fills_link(now_s)
        if breaker.test is not None and requests.find(breaker.test) is None:
            breaker.test_failed(now_s)
        self._test_arm = None
        if link_free and breaker.is_test_due(now_s):
            self._test_arm = int(np.argmin(np.where(self._only_robot, np.inf, self._sent_bytes)))
        closed = breaker.state is Circuit.CLOSED
        return replace(
            super()._context(k, now_s),
            allowed=self._allowed if closed and link_free else self._only_robot,
            edge_available=closed,
            link_busy=bool(requests.under_way(now_s)),
        )

    def _choose(self, context: Context) -> Choice:
        choice, _ = enforce(self._policy.select(context), context, str)
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
        arm, free = choice.sample_arm, not self._requests.fills_link(end_s)
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
        if not size or not (closed or testing) or self._requests.fills_link(at_s):
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
            TEST_TIMEOUT_S if testing else SHORTEST_S,
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

    def _hold(self, arm: int, give_up_s: float, message: _Message) -> float:
        """Pass a message to the writer; return the time at which its answer arrives."""
        now_s = message.ready_s
        self._requests.add(
            OutstandingRequest(message.key, arm, self._now, now_s, message.sent_bytes, give_up_s=give_up_s)
        )
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
        """Put a message on the link, behind the earlier messages."""
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
        self._requests.under_way(message.done_s)
        request = self._requests.find(message.key)
        if request is None or request.context is None:  # it was given up
            return
        environment, k = self._environment, message.frame
        transmit_s = message.left_s - message.ready_s + environment.round_trip_s
        transmit_s *= float(self._noise[k, message.noise])
        compute_s = message.compute_s * float(self._noise[k, message.noise + 1])
        queue_s = float(environment.queue_s[k]) if message.compute_s else 0.0
        self._requests.answered(request, transmit_s)
        observation = Observation(
            arm=request.arm,
            sequence=k + 1,
            kind=message.key.kind if request.arm >= 0 else Kind.PROBE,
            offload_s=transmit_s + queue_s + compute_s,
            transmit_s=transmit_s,
            queue_s=queue_s,
            decode_s=0.0,
            compute_s=compute_s,
            overlapped=request.overlapped,
            sent_bytes=message.sent_bytes,
            robot_s=message.robot_s,
        )
        self._breaker.judge(
            message.key,
            is_refused=False,
            transmit_s=transmit_s,
            offload_s=observation.offload_s,
            deadline_s=environment.deadline_s,
            now_s=message.done_s,
        )
        self._policy.observe(observation, request.context)

    def _key(self, sequence: int, kind: Kind) -> Key:
        return Key("simulated", self._environment.seed, sequence, kind)
