# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The circuit breaker alone, and in a robot whose edge accepts requests and does not answer."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import pytest
from robots import LONG_S, SHORT_S, Chooser, Edge, Robot, make_robot

from neurosurgeon_ros.learning.interface import Choice, Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Reply, Status
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.uplink.breaker import (
    JITTER,
    LATE_FRAMES,
    LONGEST_BACK_OFF_S,
    PROBE_BYTES,
    PROBE_PERIOD_S,
    SHORTEST_BACK_OFF_S,
    SILENT_FRAMES,
    Circuit,
    CircuitBreaker,
)
from neurosurgeon_ros.robot.uplink.link import NO_EDGE

TEST = Key("robot", 7, 1, Kind.SAMPLE)


def opened(seed: int = 0) -> CircuitBreaker:
    breaker = CircuitBreaker(seed)
    for _ in range(SILENT_FRAMES):
        breaker.frame_failed(0.0)
    assert breaker.state is Circuit.OPEN
    return breaker


def back_off_s(breaker: CircuitBreaker, begin_s: float) -> float:
    """Return when the next test is due, to a hundredth of a second."""
    return next(step / 100 for step in range(1000) if breaker.is_test_due(begin_s + step / 100))


def test_it_opens_after_frames_without_any_answer() -> None:
    breaker = CircuitBreaker()
    for _ in range(SILENT_FRAMES - 1):
        breaker.frame_failed(0.0)
    assert (breaker.state, breaker.obstacle) == (Circuit.CLOSED, None)
    breaker.frame_failed(0.0)
    assert breaker.state is Circuit.OPEN and breaker.obstacle is not None and "open" in breaker.obstacle.text
    assert breaker.opened == 1


def test_frames_that_the_robot_finished_first_count_until_there_is_an_answer() -> None:
    breaker = CircuitBreaker()
    for _ in range(LATE_FRAMES):
        for _ in range(SILENT_FRAMES - 1):
            breaker.frame_unanswered(0.0)
        breaker.answered(in_time=False)
    assert breaker.state is Circuit.CLOSED
    for _ in range(SILENT_FRAMES):
        breaker.frame_unanswered(0.0)
    assert breaker.state is Circuit.OPEN


def test_late_answers_give_an_edge_more_time() -> None:
    breaker = CircuitBreaker()
    for _ in range(LATE_FRAMES - 1):
        breaker.frame_failed(0.0)
        breaker.answered(in_time=False)
    assert breaker.state is Circuit.CLOSED
    breaker.frame_failed(0.0)
    assert breaker.state is Circuit.OPEN


def test_an_answer_in_time_forgives_everything() -> None:
    breaker = CircuitBreaker()
    for _ in range(5):
        for _ in range(SILENT_FRAMES - 1):
            breaker.frame_failed(0.0)
        breaker.answered(in_time=True)
    assert (breaker.state, breaker.opened) == (Circuit.CLOSED, 0)


def test_back_off_doubles_to_its_longest_and_begins_anew_after_success() -> None:
    breaker = opened()
    now_s, waited_s = 0.0, []
    for _ in range(6):
        waited_s.append(back_off_s(breaker, now_s))
        now_s += waited_s[-1]
        breaker.test_sent(TEST)
        assert breaker.state is Circuit.HALF_OPEN and not breaker.is_test_due(now_s + 100.0)
        breaker.test_failed(now_s)
    expected = [min(LONGEST_BACK_OFF_S, SHORTEST_BACK_OFF_S * 2**n) for n in range(6)]
    assert waited_s == pytest.approx(expected, rel=JITTER, abs=0.02)
    assert breaker.opened == 1, "a test that fails does not open it again"
    breaker.test_sent(TEST)
    breaker.answered(in_time=True)
    assert (breaker.state, breaker.test) == (Circuit.CLOSED, None)
    for _ in range(SILENT_FRAMES):
        breaker.frame_failed(now_s)
    assert back_off_s(breaker, now_s) == pytest.approx(SHORTEST_BACK_OFF_S, rel=JITTER, abs=0.02)


def test_the_jitter_is_the_seeds() -> None:
    assert back_off_s(opened(3), 0.0) == back_off_s(opened(3), 0.0)
    assert len({back_off_s(opened(seed), 0.0) for seed in range(20)}) > 5


PROBES = [Key("robot", 7, number, Kind.PROBE) for number in range(4)]


def test_probes_go_out_while_the_circuit_is_open_and_not_otherwise() -> None:
    breaker = CircuitBreaker()
    assert not breaker.is_probe_due(100.0)
    breaker = opened()
    assert breaker.is_probe_due(100.0)
    breaker.probe_sent(PROBES[0], 100.0)
    assert not breaker.is_probe_due(100.0 + 0.9 * PROBE_PERIOD_S)
    assert breaker.is_probe_due(100.0 + PROBE_PERIOD_S)


def after_long_silence() -> CircuitBreaker:
    """Return a breaker whose tests have failed for some time. The next test is due in about 8 s."""
    breaker = opened()
    for _ in range(6):
        breaker.test_sent(TEST)
        breaker.test_failed(100.0)
    assert not breaker.is_test_due(101.0)
    return breaker


def test_a_probe_that_is_answered_after_one_that_was_lost_makes_a_test_due() -> None:
    breaker = after_long_silence()
    breaker.probe_sent(PROBES[0], 100.0)
    breaker.probe_sent(PROBES[1], 100.5)
    breaker.probe_answered(PROBES[0], 0.51, 100.51)
    assert not breaker.is_test_due(100.6), "an answer to a probe that was given up says nothing"
    breaker.probe_answered(PROBES[1], 0.01, 100.52)
    assert breaker.is_test_due(100.6)


def test_a_probe_much_sooner_than_the_one_before_makes_a_test_due() -> None:
    breaker = after_long_silence()
    for probe, took_s, due in ((PROBES[0], 0.40, False), (PROBES[1], 0.30, False), (PROBES[2], 0.02, True)):
        breaker.probe_sent(probe, 100.0)
        breaker.probe_answered(probe, took_s, 100.5)
        assert breaker.is_test_due(100.5) == due


def test_probes_of_a_link_that_is_well_leave_a_silent_edge_its_back_off() -> None:
    breaker = after_long_silence()
    for probe in PROBES:
        breaker.probe_sent(probe, 100.0)
        breaker.probe_answered(probe, 0.01, 100.01)
    assert not breaker.is_test_due(101.0)


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as edge:
        yield edge
    assert edge.problems == []


class Clock:
    """A robot's clock that the test can advance."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def never(edge: Edge, reply: Reply) -> None:
    """Drop an answer."""


def refuse(edge: Edge, reply: Reply) -> None:
    """Refuse at once."""
    edge.deliver(Reply(Feedback(reply.feedback.key, Status.OVERLOADED, "too much to do"), reply.header))


def frozen_robot(edge: Edge) -> tuple[Robot, Clock]:
    """Return a robot whose circuit has just opened, because its edge answers nothing."""
    clock = Clock()
    robot = make_robot(
        edge, Chooser(lambda context: Choice(0 if context.allowed[0] else context.on_device)), clock=clock
    )
    edge.handle = never
    for _ in range(SILENT_FRAMES):
        assert robot.feed(deadline_s=SHORT_S).outcome is Outcome.FALLBACK
        robot.processor.uplink.requests.forget()
    assert robot.sink.decisions[-1].circuit is Circuit.OPEN
    return robot, clock


def test_a_frozen_edge_costs_a_few_deadlines_and_not_one_of_each_frame(edge: Edge) -> None:
    robot, clock = frozen_robot(edge)
    edge.requests.clear()
    for _ in range(20):
        clock.ahead_s += 1.0
        assert robot.feed().outcome is Outcome.ON_DEVICE, "a test is in no frame's way"
        assert not robot.policy.contexts[-1].edge_available
        assert "unanswered" in robot.sink.decisions[-1].reason
    kinds = [request.key.kind for request in edge.requests]
    assert set(kinds) == {Kind.SAMPLE, Kind.PROBE}
    assert 3 <= kinds.count(Kind.SAMPLE) <= 10
    assert {decision.circuit for decision in robot.sink.decisions[3:]} == {Circuit.OPEN, Circuit.HALF_OPEN}
    assert robot.processor.uplink.breaker.opened == 1


def test_a_test_that_is_answered_closes_the_circuit_and_tells_of_the_link(edge: Edge) -> None:
    robot, clock = frozen_robot(edge)
    answers: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    edge.handle = lambda _, reply: answers.put(reply) if reply.feedback.key.kind is Kind.SAMPLE else None
    clock.ahead_s += 1.0
    assert robot.feed().outcome is Outcome.ON_DEVICE
    assert robot.sink.decisions[-1].circuit is Circuit.HALF_OPEN
    answer = answers.get(timeout=LONG_S)
    assert answer.detections is None, "the frame has its detections from the robot"
    edge.deliver(answer)
    robot.policy.observations.clear()
    robot.policy.policy = Chooser(lambda context: Choice(context.on_device))
    robot.feed()
    assert robot.sink.decisions[-1].circuit is Circuit.CLOSED
    assert robot.policy.contexts[-1].edge_available
    seen = robot.policy.observations[0]
    assert (seen.kind, seen.arm) == (Kind.PROBE, -1)
    assert seen.sent_bytes > 0 and seen.transmit_s >= 0.0


def test_a_link_that_is_back_is_tested_at_once(edge: Edge) -> None:
    """Nothing is answered for half a minute, and the next test would be due in about 8 s. Then a probe is answered."""
    robot, clock = frozen_robot(edge)
    robot.policy.policy = Chooser(lambda context: Choice(context.on_device))
    seconds = 0
    while seconds < 30 or edge.requests[-1].key.kind is not Kind.SAMPLE:
        clock.ahead_s += 1.0
        seconds += 1
        robot.feed()
    while robot.sink.decisions[-1].circuit is not Circuit.OPEN:
        clock.ahead_s += 0.2
        robot.feed()
    edge.requests.clear()
    delivered: queue.SimpleQueue[Key] = queue.SimpleQueue()

    def deliver(edge: Edge, reply: Reply) -> None:
        edge.deliver(reply)
        delivered.put(reply.feedback.key)

    edge.handle = deliver
    for _ in range(6):
        before = len(edge.requests)
        clock.ahead_s += PROBE_PERIOD_S
        robot.feed()
        awaited = {request.key for request in edge.requests[before:]}
        while awaited:
            # The server may still answer requests of the half minute before.
            awaited.discard(delivered.get(timeout=LONG_S))
    robot.feed()
    kinds = [request.key.kind for request in edge.requests]
    assert kinds[0] is Kind.PROBE and kinds.count(Kind.SAMPLE) == 1
    assert edge.requests[0].tensors[0].data.nbytes == PROBE_BYTES
    assert robot.sink.decisions[-1].circuit is Circuit.CLOSED, "within 3 s of the robot's clock"


def test_an_edge_that_refuses_frame_after_frame_is_left_alone(edge: Edge) -> None:
    robot = make_robot(edge)
    edge.handle = refuse
    for _ in range(SILENT_FRAMES):
        assert robot.feed().outcome is Outcome.FALLBACK
    assert robot.sink.decisions[-1].circuit is Circuit.OPEN
    assert robot.feed().outcome is Outcome.ON_DEVICE


def test_an_edge_that_is_gone_leaves_no_debt_to_the_next(edge: Edge) -> None:
    robot, _ = frozen_robot(edge)
    edge.blocked = NO_EDGE
    robot.feed()
    assert robot.sink.decisions[-1].circuit is Circuit.CLOSED
    edge.blocked, edge.handle = None, Edge.deliver
    assert robot.feed(deadline_s=LONG_S).outcome is Outcome.EDGE
