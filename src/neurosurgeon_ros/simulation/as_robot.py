# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Simulate one policy in one environment with the robot's own rules instead of those of the judged experiments.

A camera sends an image each period, whether the robot is busy or not. An image that arrives while the robot is busy
waits in the latest-frame slot, where a newer image replaces it. A *frame* is an image that the robot accepts. Its delay
and its deadline count from the arrival of the image.

The robot's own code implements the slot, the derived deadline, the arm statistics, the context, the rules that apply to
every policy, the outstanding requests and the circuit breaker. At most one request fills the link. The robot gives up a
request that takes too long, and does not learn from its answer. It sends tests and probes instead of frames to a silent
edge. It does not send a frame with a hopeless arm. It sends samples when the frame is finished, if the link is then
free. If an answer is overdue, the robot begins to finish the frame itself, and the first result counts.

An arm whose codec has memory sends fewer bytes while its reference is alive, by the rules of :class:`.Stream`. Its
samples have the bytes of a key and change no stream. Keys take as long to encode and decode as other frames.

The simulation does not include refused requests, other robots at the edge, lost packets, the time to encode samples, or
several frames in flight.
"""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.learning.interface import BoolArray, Choice, Context, FloatArray, Kind, Observation, Policy
from neurosurgeon_ros.protocol.requests import Key
from neurosurgeon_ros.robot.arm_statistics import ArmStatistics
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.slot import LatestSlot
from neurosurgeon_ros.robot.uplink.breaker import PROBE_BYTES, TEST_TIMEOUT_S, Circuit, CircuitBreaker
from neurosurgeon_ros.robot.uplink.outstanding import SHORTEST_S, OutstandingRequest, OutstandingRequests
from neurosurgeon_ros.robot.uplink.uplink import request_lifespan_s
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.arms.known_table import arm_table
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.simulate import Run, Simulation
from neurosurgeon_ros.simulation.streams.state import SimulatedStreams, held
from neurosurgeon_ros.simulation.writer import Message, Writer

#: Tolerance for the arrival of an image, in periods, because times are sums of floating-point numbers.
_ROUNDING = 1e-9


def simulate_robot(policy: Policy, environment: Environment) -> Run:
    """
    Run a policy through all frames of an environment with the robot's own rules.

    :param policy: see :func:`neurosurgeon_ros.simulation.simulate.simulate`.
    :param environment: the truth; it is not changed.
    """
    return _RobotSimulation(policy, environment).run()


class _RobotSimulation(Simulation):
    """Runs the robot's slot, requests, circuit breaker and writer on the simulated clock and link."""

    def __init__(self, policy: Policy, environment: Environment) -> None:
        super().__init__(policy, environment)
        self._coding = environment.coding or Coding.none(len(environment.robot_s))
        table = self._coding.known or arm_table(environment)
        self._encode_s = environment.encode_s()
        self._arm_penalty_s = self._coding.penalty_s
        self._statistics = ArmStatistics(table, 1.0)
        self._selector = ArmSelector(table, policy, "", self._statistics)
        given_s = environment.deadline_s
        lifespan_s = request_lifespan_s(table, given_s if math.isfinite(given_s) else 0.0)
        self._requests = OutstandingRequests(lifespan_s)
        self._breaker = CircuitBreaker(environment.seed)
        self._writer = Writer(environment, self._uplink, lifespan_s=lifespan_s)
        self._slot: LatestSlot[int] = LatestSlot()
        self._next_image = 0
        self._content = 1.0
        self._arrived_s, self._deadline_s = 0.0, environment.deadline_s
        self._test_arm: int | None = None
        self._streams: SimulatedStreams | None = None
        self._keys_due: BoolArray | None = None
        self._frame_bytes, self._key_bytes = environment.table.sent_bytes, np.zeros(len(table.arms))
        if (streams := self._coding.streams) is not None:
            self._key_bytes = streams.key_bytes
            is_outstanding = lambda key: self._requests.find(key) is not None  # noqa: E731
            self._streams = SimulatedStreams(streams, table.arms, is_outstanding=is_outstanding)

    # The camera and the context.

    def _accept(self, k: int, free_s: float) -> float:
        """Take the latest image from the slot, or wait for the next one. Return the time of acceptance."""
        period_s = self._environment.period_s
        free_s += self._environment.after_s if k else 0.0
        while self._next_image * period_s <= free_s + _ROUNDING * period_s:
            self._dropped += self._slot.put(self._next_image)
            self._next_image += 1
        image = self._slot.take_now()
        if image is None:
            image = self._next_image
            self._next_image += 1
        self._arrived_s, self._content = image * period_s, self._coding.content_of(image)
        now_s = max(free_s, self._arrived_s)
        self._waited_s = now_s - self._arrived_s
        self._statistics.record_arrival(self._arrived_s, image)
        given_s = self._environment.deadline_s
        self._deadline_s = given_s if math.isfinite(given_s) else self._statistics.deadline_s
        return now_s

    def _costs(self, k: int, now_s: float) -> FloatArray:
        """Return the expected cost of each arm, counted from the frame's acceptance, on an idle link; shape (n,)."""
        environment, robot_s = self._environment, self._stages_s[k]
        ready_s = now_s + robot_s
        self._frame_bytes = self._content * self._state_bytes(now_s)
        occupied_s = self._uplink.end_s(k, ready_s, self._frame_bytes * environment.transmission_factor) - ready_s
        edge_s = environment.slowdown[k] * environment.compute_s + environment.queue_s[k] + self._coding.decode_s
        total_s = robot_s + occupied_s + edge_s + environment.round_trip_s
        left_s = self._deadline_s - self._waited_s
        finished_s = np.maximum(robot_s, left_s) + self._rest_s(k)
        cost_s: FloatArray = np.where(total_s > left_s, finished_s, total_s + self._arm_penalty_s)
        cost_s[environment.on_device] = robot_s[environment.on_device]
        return cost_s

    def _state_bytes(self, now_s: float) -> FloatArray:
        """Return the usual bytes of a frame with each arm, with the streams as they are now; shape (n,)."""
        usual = self._environment.table.sent_bytes
        if self._streams is None:
            return usual
        self._requests.under_way(now_s)
        self._streams.follow(now_s)
        self._keys_due = self._streams.keys_due(now_s)
        return self._streams.frame_bytes(usual, self._keys_due, self._arrived_s)

    def _rest_s(self, k: int) -> FloatArray:
        """Return the seconds that the robot needs to finish a frame of each arm itself, shape (n,)."""
        stages_s = self._stages_s[k]
        return np.asarray(stages_s[-1] - stages_s + self._encode_s[k])

    def _context(self, k: int, now_s: float) -> Context:
        breaker, requests, selector = self._breaker, self._requests, self._selector
        link_free = not requests.fills_link(now_s)
        if breaker.test is not None and requests.find(breaker.test) is None:
            breaker.test_failed(now_s)
        self._test_arm = selector.test_arm(False) if link_free and breaker.is_test_due(now_s) else None
        return selector.context(
            frame=k + 1,
            key_frame=bool(self._environment.key_frames[k]),
            deadline_s=self._deadline_s,
            waited_s=self._waited_s,
            fidelity_price_s=self._coding.fidelity_price_s,
            now_s=now_s,
            edge_available=breaker.state is Circuit.CLOSED,
            link_free=link_free,
            link_busy=bool(requests.under_way(now_s)),
            keys_due=self._keys_due,
        )

    def _choose(self, context: Context) -> Choice:
        return self._selector.choose(context)[0]

    # The frame.

    def _frame(self, k: int, choice: Choice, now_s: float) -> float:
        """Simulate a frame, and return the seconds from its acceptance to its result."""
        environment, arm = self._environment, choice.arm
        robot_s, self._penalty_s = float(self._stages_s[k, arm]), 0.0
        if arm == environment.on_device:
            self._later(now_s + robot_s, Observation(arm, k + 1, Kind.FRAME, math.nan, robot_s=robot_s))
            return robot_s
        ready_s = now_s + robot_s
        message = self._tensors(k, arm, Kind.FRAME, ready_s, noise=0)
        is_key = self._keys_due is not None and bool(self._keys_due[arm])
        self._statistics.record_encoding(arm, float(self._encode_s[k, arm]), message.sent_bytes, is_key=is_key)
        request = self._publish(message, arm)
        if self._streams is not None and self._key_bytes[arm]:
            self._streams.sent(arm, request, is_key=is_key, arrived_s=self._arrived_s, now_s=now_s)

        due_s = self._arrived_s + self._deadline_s
        begun_s = max(ready_s, min(due_s, ready_s + choice.overdue_s))
        finished_s = begun_s + float(self._rest_s(k)[arm])
        is_hedged = begun_s < due_s
        # An answer that arrives by the deadline interrupts the robot's own work. A later one does not, but it still
        # counts if it arrives before that work is done.
        if message.done_s <= (finished_s if is_hedged else begun_s):
            message.robot_s, self._penalty_s = robot_s, float(self._arm_penalty_s[arm])
            self._breaker.answered(in_time=True)
            return (message.done_s if message.done_s <= due_s else finished_s) - now_s
        missed_s = finished_s if is_hedged else begun_s
        if missed_s < due_s:
            self._breaker.frame_unanswered(missed_s)
        else:
            self._breaker.frame_failed(missed_s)
        bound = Observation(arm, k + 1, Kind.FRAME, missed_s - ready_s, censored=True, sent_bytes=message.sent_bytes)
        self._later(missed_s, bound)
        return finished_s - now_s

    # Requests alongside the frame.

    def _send_beside(self, k: int, choice: Choice, now_s: float, delay_s: float) -> tuple[int, int]:
        """Send the sample or test, and the probe, in the robot's order. Return the bytes of sample and probe."""
        on_device, end_s = choice.arm == self._environment.on_device, now_s + delay_s
        probe_bytes = self._send_probe(k, choice, now_s) if on_device else 0
        self._report(end_s)
        sample_bytes = self._send_sample(k, choice, end_s)
        if not on_device:
            probe_bytes = self._send_probe(k, choice, end_s)
        return sample_bytes, probe_bytes

    def _send_sample(self, k: int, choice: Choice, at_s: float) -> int:
        arm = choice.sample_arm if self._test_arm is None else self._test_arm
        if arm is None or self._requests.fills_link(at_s):
            return 0
        message = self._tensors(k, arm, Kind.SAMPLE, at_s, noise=2)
        if self._test_arm is not None:
            self._publish(message, -1, give_up_s=TEST_TIMEOUT_S)
            self._breaker.test_sent(message.key)
            return 0
        if self._breaker.state is not Circuit.CLOSED:
            return 0
        self._publish(message, arm)
        return message.sent_bytes

    def _send_probe(self, k: int, choice: Choice, at_s: float) -> int:
        testing = self._breaker.is_probe_due(at_s)
        size = PROBE_BYTES if testing else choice.probe_bytes
        closed = self._breaker.state is Circuit.CLOSED
        if not size or not (closed or testing) or self._requests.fills_link(at_s):
            return 0
        message = Message(self._key(k + 1, Kind.PROBE), k, 4, at_s, size, float(size))
        self._publish(message, -1)
        if testing:
            self._breaker.probe_sent(message.key, at_s)
        return size

    def _tensors(self, k: int, arm: int, kind: Kind, ready_s: float, *, noise: int) -> Message:
        """Make the message with an arm's tensors."""
        environment, key_bytes = self._environment, self._key_bytes[arm]
        sent_bytes = self._content * key_bytes if kind is Kind.SAMPLE and key_bytes else self._frame_bytes[arm]
        return Message(
            key=self._key(k + 1, kind),
            frame=k,
            noise=noise,
            ready_s=ready_s,
            sent_bytes=round(sent_bytes),
            link_bytes=float(sent_bytes * environment.transmission_factor[arm]),
            compute_s=float(environment.compute_s[arm] * environment.slowdown[k]),
            decode_s=float(self._coding.decode_s[arm]),
        )

    def _key(self, sequence: int, kind: Kind) -> Key:
        return Key("simulated", self._environment.seed, sequence, kind)

    def _publish(self, message: Message, arm: int, *, give_up_s: float = SHORTEST_S) -> OutstandingRequest:
        """Publish a message. This determines when its answer arrives."""
        request = OutstandingRequest(
            message.key, arm, self._now, message.ready_s, message.sent_bytes, give_up_s=give_up_s
        )
        self._requests.add(request)
        self._writer.put(message)
        return request

    # Answers.

    def _report(self, now_s: float) -> None:
        super()._report(now_s)
        for message in self._writer.take_answered(now_s):
            self._answer(message)

    def _answer(self, message: Message) -> None:
        self._requests.under_way(message.done_s)
        request = self._requests.find(message.key)
        if request is None or request.context is None:  # the robot gave it up
            return
        request.feedback = held(request)
        noise, k, round_trip_s = self._noise, message.frame, self._environment.round_trip_s
        transmit_s = float((message.left_s - message.ready_s + round_trip_s) * noise[k, message.noise])
        decode_s, compute_s = (
            float(seconds * noise[k, message.noise + 1]) for seconds in (message.decode_s, message.compute_s)
        )
        self._requests.answered(request, transmit_s)
        observation = Observation(
            arm=request.arm,
            sequence=k + 1,
            kind=message.key.kind if request.arm >= 0 else Kind.PROBE,
            offload_s=transmit_s + message.queue_s + decode_s + compute_s,
            transmit_s=transmit_s,
            queue_s=message.queue_s,
            decode_s=decode_s,
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
            deadline_s=self._deadline_s,
            now_s=message.done_s,
        )
        self._policy.observe(observation, request.context)
