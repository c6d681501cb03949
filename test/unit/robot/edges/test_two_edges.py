# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with two edges: which one gets the frames, and what a frame costs that is sent to one that dies."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from robots import LONG_S, Chooser, Edge, Robot, equal, make_robot, picture, small_engine, small_table, whole
from stream_codec import NAME, register

from neurosurgeon_ros.calibration.arm_table import build_arm_table
from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Choice, Kind
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Status
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.edges.looks import FIRST_LOOKS
from neurosurgeon_ros.robot.uplink.link import NO_EDGE

#: Long enough for an answer, and short enough to wait for one that does not come.
DEADLINE_S = 0.5


@pytest.fixture
def edges() -> Iterator[tuple[Edge, Edge]]:
    with Edge(edge_id="a") as one, Edge(edge_id="b") as other:
        yield one, other
    assert one.problems == other.problems == []


def frames_of(edge: Edge) -> list[int]:
    """Return the numbers of the frames that an edge was sent."""
    return [request.key.sequence for request in edge.requests if request.key.kind is Kind.FRAME]


def looks_of(edge: Edge) -> list[Kind]:
    """Return the kinds of the other requests."""
    return [request.key.kind for request in edge.requests if request.key.kind is not Kind.FRAME]


def feed_until(
    robot: Robot, is_reached: Callable[[], bool], *, limit_s: float = LONG_S, deadline_s: float = DEADLINE_S
) -> float:
    """Feed frames until a state is reached. Return the seconds that this took."""
    begin_s = time.monotonic()
    while not is_reached():
        assert time.monotonic() < begin_s + limit_s, robot.sink.decisions[-1]
        robot.feed(deadline_s=deadline_s)
    return time.monotonic() - begin_s


def know(robot: Robot, other: Edge) -> None:
    """Feed frames until a robot knows what to expect of the edge that it does not use."""
    name = "" if other is robot.edge else other.edge_id
    feed_until(robot, lambda: name in robot.processor.edges.expected_s)


def knowing(one: Edge, other: Edge) -> Robot:
    """Return a robot that uses the first edge, and knows what to expect of the other one."""
    robot = make_robot(one, lossless())
    robot.add(other)
    know(robot, other)
    return robot


def assert_nothing_is_lost(robot: Robot) -> None:
    number = robot.counts.accepted
    assert robot.sink.events == [(what, n) for n in range(1, number + 1) for what in ("detections", "decision")]
    for result in robot.sink.results:
        assert equal(result.detections, whole(picture(result.sequence))), "as with the whole network"


def never_answers(_edge: Edge, _reply: Reply) -> None:
    pass


def later(delay_s: float) -> Callable[[Edge, Reply], None]:
    """Return what delivers answers after a delay."""

    def handle(edge: Edge, reply: Reply) -> None:
        threading.Timer(delay_s, Edge.deliver, (edge, reply)).start()

    return handle


def lossless() -> Chooser:
    """Return a policy that always chooses the first arm without loss."""
    arm = next(index for index, arm in enumerate(small_table().arms) if arm.name == "input/uint8")
    return Chooser(lambda _context: Choice(arm))


def test_with_one_edge_nothing_is_looked_at(edges: tuple[Edge, Edge]) -> None:
    robot = make_robot(edges[0], lossless())
    for _ in range(20):
        robot.feed()
    assert {decision.edge for decision in robot.sink.decisions} == {"a"}
    assert frames_of(edges[0]) == list(range(1, 21)) and looks_of(edges[0]) == []


def test_a_new_edge_is_looked_at_beside_the_frames_and_gets_none(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = make_robot(one, lossless())
    robot.feed()
    robot.add(other)
    know(robot, other)
    assert len(looks_of(other)) >= FIRST_LOOKS and set(looks_of(other)) == {Kind.SAMPLE}
    assert frames_of(other) == [] and looks_of(one) == []
    assert {result.outcome for result in robot.sink.results} == {Outcome.EDGE}
    assert_nothing_is_lost(robot)


def test_a_dying_edge_costs_one_frame(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = knowing(one, other)
    one.handle = never_answers
    before = robot.counts.accepted
    for _ in range(10):
        robot.feed(deadline_s=DEADLINE_S)
    after = robot.sink.decisions[before:]
    assert [decision.outcome for decision in after] == [Outcome.FALLBACK] + [Outcome.EDGE] * 9
    assert [decision.edge for decision in after] == ["a"] + ["b"] * 9
    assert_nothing_is_lost(robot)


def test_an_edge_that_is_gone_costs_no_frame(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = knowing(one, other)
    one.vanish()
    before = robot.counts.accepted
    for _ in range(5):
        robot.feed()
    assert {(decision.outcome, decision.edge) for decision in robot.sink.decisions[before:]} == {(Outcome.EDGE, "b")}
    other.vanish()
    assert robot.feed().outcome is Outcome.ON_DEVICE
    assert robot.sink.decisions[-1].reason == NO_EDGE.text and robot.sink.decisions[-1].edge == ""
    one.blocked = None
    feed_until(robot, lambda: robot.sink.decisions[-1].edge == "a")
    assert_nothing_is_lost(robot)


def test_an_edge_that_fails_is_left_after_one_frame(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = knowing(one, other)

    def fail(edge: Edge, reply: Reply) -> None:
        Edge.deliver(edge, Reply(Feedback(reply.feedback.key, Status.FAILED, "no memory"), reply.header))

    one.handle = fail
    before = robot.counts.accepted
    for _ in range(5):
        robot.feed()
    outcomes = [decision.outcome for decision in robot.sink.decisions[before:]]
    assert outcomes == [Outcome.FALLBACK] + [Outcome.EDGE] * 4
    assert_nothing_is_lost(robot)


def test_the_robot_follows_the_faster_edge(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = make_robot(one, lossless())
    robot.add(other)
    one.handle = later(0.08)
    used: Callable[[str], Callable[[], bool]] = lambda edge: lambda: robot.sink.decisions[-1].edge == edge  # noqa: E731
    robot.feed()
    assert feed_until(robot, used("b"), deadline_s=LONG_S) < 3.0
    one.handle, other.handle = Edge.deliver, later(0.08)
    assert feed_until(robot, used("a"), deadline_s=LONG_S) < 6.0
    assert {result.outcome for result in robot.sink.results} == {Outcome.EDGE}
    assert robot.processor.edges.moves == 2
    assert_nothing_is_lost(robot)


def test_a_slow_edge_is_looked_at_by_probes_between_samples(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = make_robot(one, lossless())
    robot.add(other)
    other.handle = later(0.3)
    feed_until(robot, lambda: Kind.PROBE in looks_of(other))
    samples, probes = (
        [request.payload_bytes for request in other.requests if request.key.kind is kind]
        for kind in (Kind.SAMPLE, Kind.PROBE)
    )
    assert len(samples) >= FIRST_LOOKS and max(probes) <= min(samples)
    assert frames_of(other) == [] and robot.processor.edges.moves == 0


def test_the_default_policy_learns_each_edge_apart(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = make_robot(one, "adaptive_mu_lin_ucb")
    robot.add(other)
    for _ in range(60):
        robot.feed()
    first, second = (route.selector.policy for route in robot.processor.edges.routes)
    assert first is robot.policy and second is not first
    assert looks_of(other), "it is looked at"
    assert second.model.link.count > 0, "and learns"  # type: ignore[attr-defined]
    number = robot.counts.accepted
    assert robot.sink.events == [(what, n) for n in range(1, number + 1) for what in ("detections", "decision")]


def test_the_first_edge_that_ever_is_there_is_used_at_once_and_with_what_was_learnt(edges: tuple[Edge, Edge]) -> None:
    nobody, other = edges
    nobody.blocked = NO_EDGE
    robot = make_robot(nobody, lossless())
    assert robot.feed().outcome is Outcome.ON_DEVICE
    robot.add(other)
    assert robot.feed().outcome is Outcome.EDGE
    assert robot.sink.decisions[-1].edge == "b"
    assert robot.processor.policy is robot.policy, "the policy that may have been restored"
    assert looks_of(other) == []


def test_an_edge_that_is_removed_is_left(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = knowing(one, other)
    one.vanish()
    robot.feed()
    assert robot.sink.decisions[-1].edge == "b"
    robot.processor.edges.remove("b")
    one.blocked = None
    assert robot.feed().outcome is Outcome.EDGE
    assert robot.sink.decisions[-1].edge == "a" and len(robot.processor.edges.routes) == 1
    robot.processor.edges.remove("c")
    assert robot.feed().outcome is Outcome.EDGE


def test_another_policy_is_for_all_edges(edges: tuple[Edge, Edge]) -> None:
    one, other = edges
    robot = make_robot(one, "edge_only")
    robot.add(other)
    know(robot, other)
    table = small_table()
    robot.processor.replace(table, make_policy("adaptive_mu_lin_ucb", n_arms=len(table.arms)), "another")
    robot.feed()
    assert {route.selector.policy_name for route in robot.processor.edges.routes} == {"another"}
    assert "b" not in robot.processor.edges.expected_s, "what was expected was of another policy"
    statistics = {id(route.selector.statistics) for route in robot.processor.edges.routes}
    assert len(statistics) == 1, "there is one robot"


def test_streams_are_handed_over_by_a_key(edges: tuple[Edge, Edge], monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    table = build_arm_table(small_engine(), (NAME,), repeats=1, keep_all=True)
    one, other = edges
    robot = make_robot(one, Chooser(lambda _context: Choice(0)), table=table)
    robot.add(other)
    know(robot, other)
    for edge, left in itertools.islice(itertools.cycle(((other, one), (one, other))), 3):
        left.vanish()
        before = robot.counts.accepted
        for _ in range(3):
            assert robot.feed().outcome is Outcome.EDGE
        sent = [
            request for request in edge.requests if request.key.sequence > before and request.key.kind is Kind.FRAME
        ]
        assert [request.reference for request in sent] == [0, before + 1, before + 2]
        assert all(np.isfinite(decision.delays.total) for decision in robot.sink.decisions)
        left.blocked = None
        know(robot, left)
    assert robot.processor.streams.counts.broken == 0
