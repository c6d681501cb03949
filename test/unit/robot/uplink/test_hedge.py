# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Hedged execution: the robot begins to finish a frame whose answer is overdue, and the first result counts, once."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from robots import LONG_S, SHORT_S, Chooser, Edge, Robot, equal, make_robot, picture, small_table, whole

from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.learning.interface import Choice
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Status
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.uplink.breaker import SILENT_FRAMES, Circuit
from neurosurgeon_ros.robot.uplink.hedge import EdgeAnsweredFirst, Hedge

#: Speed of a robot on which the small network takes a few tenths of a second.
SLOW = 5e-3


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as edge:
        yield edge
    assert edge.problems == []


def hasty(edge: Edge, arm: int = 0, *, overdue_s: float = 0.0, speed: float = 1.0) -> Robot:
    """Return a robot for which every answer is overdue."""
    return make_robot(edge, Chooser(lambda context: Choice(arm, overdue_s=overdue_s)), throttle=Throttle(speed))


def in_the_race(robot: Robot, then: Callable[[Edge, Reply], None]) -> None:
    """Let the edge handle its answer only once the robot is also working on the frame."""
    racing, handled, requests = threading.Event(), threading.Event(), robot.processor.uplink.requests
    is_answered = requests.is_answered

    def spied(*arguments: object) -> bool:
        racing.set()
        assert handled.wait(LONG_S)
        return is_answered(*arguments)  # type: ignore[arg-type]

    def handle(edge: Edge, reply: Reply) -> None:
        assert racing.wait(LONG_S)
        then(edge, reply)
        handled.set()

    requests.is_answered = spied  # type: ignore[method-assign]
    robot.edge.handle = handle


def refuse(edge: Edge, reply: Reply) -> None:
    edge.deliver(Reply(Feedback(reply.feedback.key, Status.FAILED, "the back-end failed"), reply.header))


@pytest.mark.parametrize("arm", range(len(small_table().arms) - 1))
def test_an_answer_that_comes_while_the_robot_works_ends_its_work(edge: Edge, arm: int) -> None:
    robot = hasty(edge, arm, speed=SLOW)
    in_the_race(robot, Edge.deliver)
    result, (decision,) = robot.feed(), robot.sink.decisions
    assert (result.outcome, decision.reason) == (Outcome.EDGE, "")
    assert math.isnan(decision.delays.finish), "nothing was finished here"
    assert decision.delays.offload <= decision.delays.total
    (seen,) = robot.policy.observations
    assert not seen.censored and seen.offload_s == decision.delays.offload
    assert robot.processor.uplink.breaker.state is Circuit.CLOSED


def test_the_robot_is_first_where_the_answer_takes_longer(edge: Edge) -> None:
    held: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    edge.handle = lambda _, reply: held.put(reply)
    robot = hasty(edge)
    result, (decision,) = robot.feed(), robot.sink.decisions
    assert (result.outcome, result.arm) == (Outcome.FALLBACK, "input/uint8")
    assert equal(result.detections, whole(picture(1)))
    assert "robot was done first" in decision.reason
    assert decision.delays.total < LONG_S, "the deadline was not waited for"
    assert decision.delays.finish > 0.0
    (bound,) = robot.policy.observations
    assert bound.censored and bound.offload_s >= decision.delays.finish

    edge.deliver(held.get(timeout=LONG_S))
    edge.handle = Edge.deliver
    robot.policy.policy = Chooser(lambda context: Choice(0))
    assert robot.feed().outcome is Outcome.EDGE
    late = next(seen for seen in robot.policy.observations[1:] if seen.sequence == 1)
    assert not late.censored and late.offload_s > bound.offload_s
    assert [result.sequence for result in robot.sink.results] == [1, 2], "a late answer is not published"


def test_a_refusal_in_the_race_leaves_the_frame_to_the_robot(edge: Edge) -> None:
    robot = hasty(edge, speed=SLOW)
    in_the_race(robot, refuse)
    result, (decision,) = robot.feed(), robot.sink.decisions
    assert (result.outcome, decision.reason) == (Outcome.FALLBACK, "the back-end failed")
    assert equal(result.detections, whole(picture(1)))
    assert robot.policy.observations == []


def test_an_edge_that_goes_in_the_race_leaves_the_frame_to_the_robot(edge: Edge) -> None:
    robot = hasty(edge, speed=SLOW)
    in_the_race(robot, lambda edge, reply: edge.vanish())
    assert robot.feed().outcome is Outcome.FALLBACK
    assert robot.sink.decisions[0].reason == "no edge is there"
    assert robot.policy.observations == []


@pytest.mark.parametrize(("now_s", "first"), [(0.0, True), (0.9, True), (1.0, False), (2.0, False)])
def test_an_answer_after_the_deadline_ends_no_race(now_s: float, first: bool) -> None:
    waits: list[float] = []
    requests: Any = SimpleNamespace(is_answered=lambda request, until_s: (waits.append(until_s), True)[1])
    request: Any = None
    hedge = Hedge(requests, request, 1.0, lambda: now_s)
    for step in (hedge.check, lambda: hedge.wait(1.5)):
        with pytest.raises(EdgeAnsweredFirst) if first else nullcontext():
            step()
    assert waits == ([0.0, 1.0] if first else []), "it is not waited for beyond the deadline"


def test_a_silent_edge_is_found_out_though_no_deadline_passes(edge: Edge) -> None:
    edge.handle = lambda edge, reply: None
    robot = hasty(edge)
    for _ in range(SILENT_FRAMES):
        assert robot.processor.uplink.breaker.state is Circuit.CLOSED
        robot.feed()
        robot.processor.uplink.requests.forget()
    assert robot.processor.uplink.breaker.state is Circuit.OPEN


def test_until_it_is_overdue_and_never_beyond_the_deadline_the_robot_waits(edge: Edge) -> None:
    edge.handle = lambda edge, reply: None
    robot = hasty(edge, overdue_s=LONG_S)
    robot.feed(deadline_s=SHORT_S)
    (decision,) = robot.sink.decisions
    assert "deadline" in decision.reason
    assert decision.delays.offload + decision.delays.preprocess >= 0.9 * SHORT_S


def test_behind_another_frame_an_answer_is_not_overdue(edge: Edge) -> None:
    edge.handle = lambda edge, reply: None
    robot = hasty(edge)
    processor = robot.processor
    processor.settings = replace(processor.settings, deadline_s=LONG_S, max_in_flight=2)
    flights = []
    for number in (1, 2):
        image = picture(number)
        arrival = Arrival(f"header {number}", time.monotonic(), lambda image=image: image)
        flights.append(processor.begin(arrival, image, Counts(number, number), time.monotonic()))
    first, second = flights
    assert first.request is not None and second.request is not None
    assert first.overdue_s == first.request.sent_s
    assert second.overdue_s == second.frame.due_s
