# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processing of one frame, and invariants 2, 4 and 5, with a real edge server in this process."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robots import (
    LONG_S,
    SHORT_S,
    Chooser,
    Edge,
    Robot,
    Spy,
    equal,
    make_robot,
    picture,
    small_engine,
    small_table,
    whole,
)

from neurosurgeon_ros.calibration.arm_table import build_arm_table
from neurosurgeon_ros.learning import POLICIES
from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import FrameResult, Outcome
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.uplink.link import NO_EDGE

Handle = Callable[[Edge, Reply], None]
held: queue.SimpleQueue[Reply] = queue.SimpleQueue()


def forget_held() -> None:
    """Discard the answers that an earlier test held."""
    while not held.empty():
        held.get()


def late(edge: Edge, reply: Reply) -> None:
    """Hold an answer until the test releases it."""
    held.put(reply)


def never(edge: Edge, reply: Reply) -> None:
    """Drop an answer."""


def error(edge: Edge, reply: Reply) -> None:
    """Answer with an error."""
    edge.deliver(Reply(Feedback(reply.feedback.key, Status.FAILED, "the back-end failed"), reply.header))


def twice(edge: Edge, reply: Reply) -> None:
    """Deliver each answer three times."""
    for _ in range(3):
        edge.deliver(reply)


def wrong_key(edge: Edge, reply: Reply) -> None:
    """Deliver an answer with a key that was not requested."""
    key = replace(reply.feedback.key, sequence=reply.feedback.key.sequence + 1000)
    edge.deliver(replace(reply, feedback=replace(reply.feedback, key=key)))


def vanish(edge: Edge, reply: Reply) -> None:
    """Disappear in the middle of a frame."""
    edge.vanish()


def feedback_only(edge: Edge, reply: Reply) -> None:
    """Drop the detections."""
    edge.deliver(replace(reply, detections=None))


def detections_only(edge: Edge, reply: Reply) -> None:
    """Drop the feedback."""
    if edge.inbox is not None and reply.detections is not None:
        edge.inbox.put_detections(reply.feedback.key, reply.detections)


#: What an edge can do with a frame, and the frame's outcome.
BEHAVIOURS: dict[Handle, Outcome] = {
    Edge.deliver: Outcome.EDGE,
    twice: Outcome.EDGE,
    detections_only: Outcome.EDGE,
    late: Outcome.FALLBACK,
    never: Outcome.FALLBACK,
    wrong_key: Outcome.FALLBACK,
    feedback_only: Outcome.FALLBACK,
    error: Outcome.FALLBACK,
    vanish: Outcome.FALLBACK,
}

#: Behaviours after which nothing more arrives, so that the wait ends with the deadline.
WAITS = (late, never, wrong_key, feedback_only)


@pytest.fixture
def edge() -> Iterator[Edge]:
    forget_held()
    with Edge() as edge:
        yield edge
    assert edge.problems == []


def step(robot: Robot, behaviour: Handle) -> Outcome:
    """Discard everything earlier, and feed one frame to an edge with this behaviour."""
    robot.processor.uplink.requests.forget()
    robot.edge.blocked = None
    robot.edge.handle = behaviour
    return robot.feed(deadline_s=SHORT_S if behaviour in WAITS else LONG_S).outcome


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_the_outcome_and_the_detections_of_each_behaviour(edge: Edge, behaviour: Handle) -> None:
    robot = make_robot(edge)
    assert step(robot, behaviour) is BEHAVIOURS[behaviour]
    assert equal(robot.sink.results[0].detections, whole(picture(1))), "wherever it ran, the frame's detections"
    (decision,) = robot.sink.decisions
    assert decision.arm == "input/uint8"
    assert decision.sent_bytes == 3072
    assert bool(decision.reason) == (decision.outcome is not Outcome.EDGE)
    assert math.isnan(decision.delays.finish) == (decision.outcome is Outcome.EDGE)
    assert decision.delays.total >= decision.delays.preprocess + decision.delays.front_end


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    behaviours=st.lists(st.sampled_from(list(BEHAVIOURS)), min_size=1, max_size=8),
    policy=st.sampled_from(POLICIES),
    release=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_invariant_2_one_accepted_frame_one_message_in_order(
    behaviours: list[Handle], policy: str, release: list[bool]
) -> None:
    forget_held()
    with Edge() as edge:
        robot = make_robot(edge, policy)
        for behaviour, let_go in zip(behaviours, release, strict=False):
            edge.blocked = None
            edge.handle = behaviour
            robot.feed(deadline_s=SHORT_S if behaviour in WAITS else LONG_S)
            if let_go:
                while not held.empty():
                    edge.deliver(held.get())
    number = len(behaviours)
    assert robot.sink.events == [(what, n) for n in range(1, number + 1) for what in ("detections", "decision")]
    for n, result in enumerate(robot.sink.results, start=1):
        assert result.header == f"header {n}"
        assert equal(result.detections, whole(picture(n)))
    assert [decision.outcome for decision in robot.sink.decisions] == [r.outcome for r in robot.sink.results]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    behaviours=st.lists(st.sampled_from(list(BEHAVIOURS)), min_size=1, max_size=8),
    policy=st.sampled_from(POLICIES),
)
def test_invariant_4_no_offloading_delay_is_learnt_from_the_device(behaviours: list[Handle], policy: str) -> None:
    forget_held()
    with Edge() as edge:
        robot = make_robot(edge, policy)
        for behaviour in behaviours:
            step(robot, behaviour)
    on_device = small_table().on_device
    sent = {(request.key.sequence, request.key.kind) for request in edge.requests}
    for seen in robot.policy.observations:
        assert math.isnan(seen.offload_s) == (seen.arm == on_device)
        if seen.arm != on_device:
            assert (seen.sequence, seen.kind) in sent
            assert seen.censored or seen.transmit_s >= 0.0


def test_a_missed_deadline_is_a_bound_and_the_late_answer_a_measurement(edge: Edge) -> None:
    robot = make_robot(edge)
    assert step(robot, late) is Outcome.FALLBACK
    (bound,) = robot.policy.observations
    assert bound.censored and bound.offload_s > 0.0
    decision = robot.sink.decisions[0]
    assert "deadline" in decision.reason
    assert decision.delays.offload > 0.0

    edge.deliver(held.get(timeout=LONG_S))
    edge.handle = Edge.deliver
    robot.feed()
    measured = next(seen for seen in robot.policy.observations[1:] if seen.sequence == 1)
    assert not measured.censored
    assert measured.offload_s > bound.offload_s
    assert len(robot.sink.results) == 2, "it is never published twice"


@pytest.mark.parametrize("behaviour", [error, vanish])
def test_only_a_missed_deadline_is_a_bound(edge: Edge, behaviour: Handle) -> None:
    robot = make_robot(edge)
    step(robot, behaviour)
    assert robot.policy.observations == []


def test_while_a_transfer_is_under_way_frames_are_finished_on_the_robot(edge: Edge) -> None:
    robot = make_robot(edge)
    step(robot, late)
    answer = held.get(timeout=LONG_S)
    edge.handle = Edge.deliver
    assert robot.feed().outcome is Outcome.ON_DEVICE
    context = robot.policy.contexts[-1]
    assert list(context.allowed.nonzero()[0]) == [context.on_device]
    assert context.edge_available and context.link_busy
    assert "under way" in robot.sink.decisions[-1].reason
    assert len(edge.requests) == 1
    edge.deliver(answer)
    assert robot.feed().outcome is Outcome.EDGE


def test_what_an_edge_that_is_gone_owed_holds_nothing_up(edge: Edge) -> None:
    robot = make_robot(edge)
    step(robot, never)
    edge.blocked = NO_EDGE
    assert robot.feed().outcome is Outcome.ON_DEVICE
    edge.blocked, edge.handle = None, Edge.deliver
    assert robot.feed().outcome is Outcome.EDGE


@pytest.mark.parametrize("policy", POLICIES)
def test_invariant_5_a_robot_without_an_edge_works_from_its_first_frame(policy: str) -> None:
    edge = Edge()
    edge.blocked = NO_EDGE
    robot = make_robot(edge, policy)
    for n in range(1, 12):
        result = robot.feed()
        assert result.outcome is Outcome.ON_DEVICE
        assert equal(result.detections, whole(picture(n)))
        assert not robot.policy.contexts[-1].edge_available
    assert edge.requests == []
    assert {decision.reason for decision in robot.sink.decisions} == {"no edge is there"}


@pytest.mark.parametrize(("deadlines", "sent"), [(2.9, True), (3.1, False)])
def test_an_arm_that_takes_over_three_deadlines_at_best_is_not_sent(edge: Edge, deadlines: float, sent: bool) -> None:
    def choose(context: Context) -> Choice:
        hopeless_s = deadlines * context.deadline_s - context.robot_s[0]
        return Choice(0, predicted_offload_s=9 * hopeless_s, optimistic_offload_s=hopeless_s)

    robot = make_robot(edge, Chooser(choose))
    assert robot.feed().outcome is (Outcome.EDGE if sent else Outcome.ON_DEVICE)
    assert bool(edge.requests) is sent
    assert ("deadlines" in robot.sink.decisions[0].reason) is not sent


def test_a_choice_that_is_not_allowed_is_not_followed(edge: Edge) -> None:
    robot = make_robot(edge, Chooser(lambda context: Choice(0, sample_arm=0, probe_bytes=10)))
    edge.blocked = NO_EDGE
    assert robot.feed().outcome is Outcome.ON_DEVICE
    assert edge.requests == []


def test_samples_and_probes_travel_beside_a_frame_once_it_is_answered(edge: Edge) -> None:
    order: list[str] = []
    robot = make_robot(edge, Chooser(lambda context: Choice(2, sample_arm=1, probe_bytes=100)))
    publish, detections = edge.publish, robot.sink.detections
    edge.publish = lambda request: (order.append(request.key.kind.name), publish(request))[1]  # type: ignore[method-assign]
    robot.sink.detections = lambda result: (order.append("answered"), detections(result))[1]  # type: ignore[method-assign]
    robot.feed()
    assert order == ["FRAME", "answered", "SAMPLE", "PROBE"]
    frame, sample, probe = edge.requests
    assert (frame.partition_point, sample.partition_point) == tuple(small_table().point[[2, 1]])
    assert probe.letterbox is None and probe.payload_bytes == 100
    decision = robot.sink.decisions[0]
    assert (decision.sample_arm, decision.probe_bytes) == ("pool1/fp32", 100)


def test_a_sample_is_of_the_arms_that_it_was_chosen_among(edge: Edge) -> None:
    robot = make_robot(edge, Chooser(lambda context: Choice(2, sample_arm=1)))
    processor = robot.processor
    processor.settings = replace(processor.settings, deadline_s=LONG_S, max_in_flight=2)

    def begin(number: int) -> Flight:
        image = picture(number)
        arrival = Arrival(f"header {number}", time.monotonic(), lambda: image)
        return processor.begin(arrival, image, Counts(number, number), time.monotonic())

    first = begin(1)
    others = build_arm_table(small_engine(), ("fp32",), repeats=1, keep_all=True)
    assert others.arms[1].name != small_table().arms[1].name
    processor.replace(others, Chooser(lambda context: Choice(context.on_device)), "another")
    second = begin(2)
    processor.finish(first)
    processor.finish(second)
    assert [decision.sample_arm for decision in robot.sink.decisions] == [small_table().arms[1].name, ""]


def test_nothing_travels_beside_a_frame_that_is_not_answered(edge: Edge) -> None:
    robot = make_robot(edge, Chooser(lambda context: Choice(2, sample_arm=1, probe_bytes=100)))
    step(robot, never)
    assert [request.key.kind for request in edge.requests] == [Kind.FRAME]
    assert (robot.sink.decisions[0].sample_arm, robot.sink.decisions[0].probe_bytes) == ("", 0)


@pytest.mark.parametrize("sample", [2, 3])
def test_a_sample_that_the_front_end_does_not_come_by_is_not_sent(edge: Edge, sample: int) -> None:
    robot = make_robot(edge, Chooser(lambda context: Choice(1, sample_arm=sample)))
    robot.feed()
    assert [request.key.kind for request in edge.requests] == [Kind.FRAME]
    assert robot.sink.decisions[0].sample_arm == ""


def test_a_sample_is_run_for_its_delays_and_gives_no_detections(edge: Edge) -> None:
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    edge.handle = lambda _, reply: replies.put(reply)
    on_device = small_table().on_device
    robot = make_robot(edge, Chooser(lambda context: Choice(on_device, sample_arm=1)))
    assert robot.feed().outcome is Outcome.ON_DEVICE
    reply = replies.get(timeout=LONG_S)
    assert reply.detections is None
    assert reply.feedback.compute_s > 0.0
    edge.deliver(reply)
    robot.feed()
    sample = next(seen for seen in robot.policy.observations if seen.arm != on_device)
    assert (sample.kind, sample.arm, sample.sequence) == (Kind.SAMPLE, 1, 1)


def test_a_sample_does_not_delay_a_frame_whose_padding_is_skipped(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole network keeps no tensors then, so the front-end runs for the sample once the detections are out."""
    on_device = small_table().on_device
    sent: list[Request] = []
    for skips in (False, True):
        robot = make_robot(edge, Chooser(lambda context: Choice(on_device, sample_arm=1)))
        local, out = robot.processor._local, robot.sink.results
        run_front = local.run_front
        ran: list[tuple[int, list[int], int]] = []

        def record(*args: Any, run_front: Any = run_front, ran: Any = ran, out: Any = out) -> Any:
            ran.append((args[1], list(args[2]), len(out)))
            return run_front(*args)

        monkeypatch.setattr(local, "run_front", record)
        if skips:
            monkeypatch.setattr(local, "padding_saving_s", lambda profile: 1e-6)
        robot.feed()
        point, whole = int(small_table().point[1]), int(small_table().point[on_device])
        assert ran == ([(whole, [], 0), (point, [], 1)] if skips else [(whole, [point], 0)])
        sent.append(edge.requests[-1])
    assert [one.payload_bytes for one in sent] == [sent[0].payload_bytes] * 2
    assert sent[0].payload_bytes > 0


class Broken:
    """A policy that fails where the test says, as often as it says."""

    def __init__(self, on: str) -> None:
        self.on = on

    def select(self, context: Context) -> Choice:
        if self.on == "select":
            raise RuntimeError("the policy failed")
        return Choice(0)

    def observe(self, observation: Observation, context: Context) -> None:
        if self.on == "observe":
            raise RuntimeError("the policy failed")


@pytest.mark.parametrize("where", ["select", "observe"])
def test_a_policy_that_fails_costs_no_message_and_no_decision(edge: Edge, where: str) -> None:
    robot = make_robot(edge, Broken(where))
    for number in (1, 2):
        with pytest.raises(RuntimeError):
            robot.feed()
        counts = Counts(number, number)
        robot.processor.rescue(ARRIVAL, picture(number), counts, "RuntimeError: the policy failed")
        robot.processor.rescue(ARRIVAL, picture(number), counts, "once more changes nothing")
    assert robot.sink.events == [(what, n) for n in (1, 2) for what in ("detections", "decision")]
    assert equal(robot.sink.results[1].detections, whole(picture(2)))
    expected = Outcome.FALLBACK if where == "select" else Outcome.EDGE
    assert {decision.outcome for decision in robot.sink.decisions} == {expected}
    assert {decision.reason for decision in robot.sink.decisions} == {"RuntimeError: the policy failed"}


ARRIVAL = Arrival("header", 0.0, lambda: picture(1))


def test_settings_hold_from_the_next_frame(edge: Edge) -> None:
    robot = make_robot(edge, "on_device")
    assert len(robot.feed().detections) == 1
    robot.processor.settings = replace(robot.processor.settings, confidence=1.0)
    assert len(robot.feed().detections) == 0
    robot = make_robot(edge)
    robot.processor.settings = replace(robot.processor.settings, confidence=1.0, iou=0.75)
    assert len(robot.feed().detections) == 0
    assert (edge.requests[0].confidence, edge.requests[0].iou) == (1.0, 0.75)


def test_a_policy_is_told_how_long_a_frame_has_waited(edge: Edge) -> None:
    robot = make_robot(edge)
    robot.feed()
    waited_s, arrival = robot.policy.contexts[0].waited_s, Arrival("late", time.monotonic() - 5.0, lambda: picture(1))
    assert 0.0 < waited_s < LONG_S
    robot.processor.finish(robot.processor.begin(arrival, picture(1), Counts(2, 2), time.monotonic()))
    assert 5.0 < robot.policy.contexts[1].waited_s < 5.0 + LONG_S


def test_a_robots_seconds_are_observed_with_its_frames(edge: Edge) -> None:
    robot = make_robot(edge)
    robot.feed()
    (seen,) = robot.policy.observations
    delays = robot.sink.decisions[0].delays
    assert seen.robot_s == pytest.approx(delays.preprocess + delays.front_end + delays.encode)
    assert seen.offload_s == delays.offload
    assert delays.transmit + delays.edge_queue + delays.edge_decode + delays.edge_compute + delays.edge_postprocess == (
        pytest.approx(delays.offload, abs=1e-4)
    )


def test_what_the_robot_does_after_a_missed_deadline_is_no_cost_of_the_arm(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = make_robot(edge)
    hand_out = robot.sink.detections

    def answer_comes_meanwhile(result: FrameResult) -> None:
        hand_out(result)
        edge.deliver(held.get(timeout=LONG_S))

    monkeypatch.setattr(robot.sink, "detections", answer_comes_meanwhile)
    assert step(robot, late) is Outcome.FALLBACK
    seen = next(seen for seen in robot.policy.observations if not seen.censored)
    delays = robot.sink.decisions[0].delays
    assert seen.sequence == 1
    assert seen.robot_s == pytest.approx(delays.preprocess + delays.front_end + delays.encode)
    assert delays.finish > 0.0


def test_a_replaced_policy_chooses_from_the_next_frame_on(edge: Edge) -> None:
    robot = make_robot(edge)
    assert robot.feed().outcome is Outcome.EDGE
    period_s = robot.policy.contexts[-1].period_s
    assert robot.processor.rate_hz == 0.0, "one image has no rate"
    fewer = build_arm_table(small_engine(), ("fp32",), repeats=1, keep_all=True)
    first, skipped, second = robot.policy, Spy(Chooser(lambda _: Choice(0))), Spy(Chooser(lambda _: Choice(1)))
    robot.processor.replace(fewer, skipped, "skipped")
    robot.processor.replace(fewer, second, "second")
    assert robot.processor.policy is first and robot.sink.decisions[-1].policy == "tested"

    assert robot.feed().outcome is Outcome.EDGE
    assert robot.processor.policy is second and robot.processor.table is fewer
    assert skipped.contexts == [] and len(first.contexts) == len(first.observations) == 1
    assert second.contexts[0].features.shape[0] == len(fewer.arms)
    assert (robot.sink.decisions[-1].policy, robot.sink.decisions[-1].arm) == ("second", fewer.arms[1].name)
    assert robot.sink.events == [(what, n) for n in (1, 2) for what in ("detections", "decision")]
    assert second.contexts[0].period_s > 0.0 and period_s == 0.0, "the camera's period goes on"
    assert robot.processor.rate_hz == pytest.approx(1.0 / second.contexts[0].period_s)


def test_a_new_policy_is_told_nothing_that_its_predecessor_asked(edge: Edge) -> None:
    robot = make_robot(edge)
    successor = Spy(Chooser(lambda context: Choice(context.on_device)))
    table = build_arm_table(small_engine(), ("fp32",), repeats=1, keep_all=True)
    step(robot, late)
    answer = held.get(timeout=LONG_S)
    robot.processor.replace(table, successor, "successor")
    edge.handle = Edge.deliver
    assert robot.feed().outcome is Outcome.ON_DEVICE
    assert "under way" in robot.sink.decisions[-1].reason, "it fills the link all the same"
    edge.deliver(answer)
    robot.feed()
    assert not successor.contexts[-1].link_busy, "its answer was taken"
    assert all(math.isnan(seen.offload_s) for seen in successor.observations)
    assert [seen.censored for seen in robot.policy.observations] == [True]
