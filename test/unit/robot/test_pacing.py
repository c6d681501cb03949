# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot that its edge has promised a rate: what is beyond it is finished on the robot, and teaches no policy."""

from __future__ import annotations

from dataclasses import replace

from robots import Edge, make_robot

from neurosurgeon_ros.protocol.requests import Kind, Reply, Status
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.uplink.breaker import SILENT_FRAMES, Circuit


def promising(rate: float) -> Edge:
    """Return an edge that promises each robot a rate, in requests per second."""

    def deliver(edge: Edge, reply: Reply) -> None:
        edge.deliver(replace(reply, feedback=replace(reply.feedback, rate=rate)))

    return Edge(deliver)


def refusing(rate: float) -> Edge:
    """Return an edge that refuses every request for load."""

    def refuse(edge: Edge, reply: Reply) -> None:
        feedback = replace(reply.feedback, status=Status.OVERLOADED, error="the edge is overloaded", rate=rate)
        edge.deliver(Reply(feedback, reply.header))

    return Edge(refuse)


def test_a_frame_beyond_the_promised_rate_is_finished_on_the_robot_and_is_no_choice_of_the_policy() -> None:
    with promising(1e-3) as edge:
        robot = make_robot(edge)
        for _ in range(5):
            robot.feed()
        outcomes = [decision.outcome for decision in robot.sink.decisions]
        assert outcomes == [Outcome.EDGE] * 2 + [Outcome.ON_DEVICE] * 3
        assert all("frames a second of this robot" in one.reason for one in robot.sink.decisions[2:])
        assert len(edge.requests) == len(robot.policy.contexts) == 2
        offloaded = [one for one in robot.policy.observations if one.sequence > 2 and one.offload_s == one.offload_s]
        assert offloaded == []


def test_without_contention_every_frame_goes_to_the_edge() -> None:
    with Edge() as edge:
        robot = make_robot(edge)
        for _ in range(20):
            robot.feed()
        assert {decision.outcome for decision in robot.sink.decisions} == {Outcome.EDGE}
        assert [request.key.kind for request in edge.requests] == [Kind.FRAME] * 20


def test_refusals_of_an_edge_that_gives_turns_do_not_open_the_circuit() -> None:
    with refusing(1e6) as edge:
        robot = make_robot(edge)
        for _ in range(2 * SILENT_FRAMES):
            robot.feed()
        assert robot.processor.uplink.breaker.state is Circuit.CLOSED
        assert {decision.outcome for decision in robot.sink.decisions} == {Outcome.FALLBACK}


def test_refusals_of_an_edge_that_promises_nothing_open_the_circuit() -> None:
    with refusing(0.0) as edge:
        robot = make_robot(edge)
        for _ in range(SILENT_FRAMES + 1):
            robot.feed()
        assert robot.processor.uplink.breaker.state is not Circuit.CLOSED
