# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Frames of streams on the robot, with a real edge server in this process.

Whatever is lost, every accepted frame has its one result, at most one frame of a broken stream is finished on the robot
because of the stream, and the next one is a key.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robots import LONG_S, SHORT_S, SIDE, Chooser, Edge, Robot, equal, make_robot, picture, small_engine, whole
from stream_codec import NAME, Difference, Encoder, register

from neurosurgeon_ros.calibration.arm_table import ArmTable, build_arm_table
from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.learning.interface import Choice, Context, Kind
from neurosurgeon_ros.protocol.requests import Reply, Request
from neurosurgeon_ros.robot.arrival import Arrival
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.streams.stream import LONGEST_PAUSE_S, MOST_FAILURES
from neurosurgeon_ros.robot.uplink.breaker import SILENT_FRAMES, Circuit
from neurosurgeon_ros.robot.uplink.link import NO_EDGE

INPUT_BYTES = 3 * SIDE * SIDE


@functools.cache
def stream_table() -> ArmTable:
    """Return arms whose codec has memory, beside `on_device`. The first one loses nothing. The codec is registered."""
    return build_arm_table(small_engine(), (NAME,), repeats=1, keep_all=True)


class Rig:
    """
    A robot with an edge, and what happens to its requests.

    :ivar chosen: arm of the next frames.
    :ivar lose: sequences that never reach the edge.
    :ivar told: whether the policy was told, for each frame, that the frame would be a key.
    """

    def __init__(self, edge: Edge, *, max_in_flight: int = 1) -> None:
        self.edge = edge
        self.chosen = 0
        self.lose: set[int] = set()
        self.told: list[bool] = []
        self.now_s = 1000.0
        self.sample: int | None = None
        self.robot: Robot = make_robot(
            edge,
            Chooser(self._choose),
            table=stream_table(),
        )
        processor = self.robot.processor
        processor.settings = replace(processor.settings, max_in_flight=max_in_flight)
        processor.streams._clock = lambda: self.now_s
        self.streams = processor.streams
        publish = edge.publish

        def lossy(request: Request) -> None:
            if request.key.sequence in self.lose and request.key.kind is Kind.FRAME:
                edge.requests.append(request)
            else:
                publish(request)

        edge.publish = lossy  # type: ignore[method-assign]

    def _choose(self, context: Context) -> Choice:
        self.told.append(bool(np.broadcast_to(context.key_bytes, len(context.point))[self.chosen] > 0.0))
        return Choice(self.chosen, sample_arm=self.sample)

    def feed(self, *, deadline_s: float = LONG_S) -> Outcome:
        return self.robot.feed(deadline_s=deadline_s).outcome

    def feed_lost(self) -> Outcome:
        """Feed a frame whose request is lost, until the robot has given it up."""
        self.lose.add(self.robot.counts.accepted + 1)
        outcome = self.feed(deadline_s=SHORT_S)
        self.robot.processor.uplink.requests.forget()
        return outcome

    def keys(self) -> list[bool]:
        """Return which of the requests for frames were keys."""
        return [request.reference == 0 for request in self.edge.requests if request.key.kind is Kind.FRAME]

    def outcomes(self) -> list[Outcome]:
        return [result.outcome for result in self.robot.sink.results]

    def assert_nothing_is_lost(self) -> None:
        number = self.robot.counts.accepted
        assert self.robot.sink.events == [
            (what, n) for n in range(1, number + 1) for what in ("detections", "decision")
        ]


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    register(monkeypatch)
    with Edge() as edge:
        yield edge
    assert edge.problems == []


E, F = Outcome.EDGE, Outcome.FALLBACK


def test_the_first_frame_is_a_key_and_the_others_build_on_the_one_before(edge: Edge) -> None:
    rig = Rig(edge)
    for _ in range(5):
        assert rig.feed() is E
        number = rig.robot.counts.accepted
        assert equal(rig.robot.sink.results[-1].detections, whole(picture(number)))
    assert [request.reference for request in edge.requests] == [0, 1, 2, 3, 4]
    assert all(request.checksum for request in edge.requests)
    assert (rig.streams.counts.keys, rig.streams.counts.broken) == (1, 0)
    assert (rig.streams.counts.held, rig.streams.counts.held_bytes) == (1, INPUT_BYTES)
    assert edge.server.streams.counts.keys == 1


def test_a_lost_frame_costs_itself_and_the_next_is_a_key(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    assert rig.feed_lost() is F
    assert [rig.feed() for _ in range(3)] == [E, E, E]
    assert rig.keys() == rig.told == [True, False, True, False, False]
    assert rig.streams.counts.broken == 1
    assert edge.server.streams.counts.not_held == 0, "the robot knew it before the edge"
    rig.assert_nothing_is_lost()


def test_a_late_answer_breaks_nothing(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    late: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    edge.handle = lambda _, reply: late.put(reply)
    assert rig.feed(deadline_s=SHORT_S) is F
    edge.deliver(late.get(timeout=LONG_S))
    edge.handle = Edge.deliver
    assert rig.feed() is E
    assert rig.keys() == [True, False, False]
    assert rig.streams.counts.broken == 0


def test_several_in_flight_build_on_each_other_before_they_are_answered(edge: Edge) -> None:
    rig = Rig(edge, max_in_flight=3)
    flights = [rig.robot.begin() for _ in range(3)]
    assert [request.reference for request in edge.requests] == [0, 1, 2]
    for flight in flights:
        rig.robot.processor.finish(flight)
    assert set(rig.outcomes()) <= {E, F}, "a newer frame may take an older one's place at the edge"
    assert rig.feed() is E
    assert rig.keys() == [True, False, False, False]
    rig.assert_nothing_is_lost()


def test_what_builds_on_a_lost_frame_is_finished_at_once_and_the_next_is_a_key(edge: Edge) -> None:
    rig = Rig(edge, max_in_flight=2)
    rig.feed()
    rig.lose.add(2)
    lost = rig.robot.begin(deadline_s=SHORT_S)
    after = rig.robot.begin(deadline_s=LONG_S)
    rig.robot.processor.finish(lost)
    rig.robot.processor.finish(after)  # would wait for LONG_S if it waited for its deadline
    rig.robot.processor.uplink.requests.forget()
    assert rig.outcomes() == [E, F, F]
    assert "builds on frame 2, the edge holds frame 1" in rig.robot.sink.decisions[-1].reason
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, False, False, True, False]
    assert rig.streams.counts.broken == 1
    rig.assert_nothing_is_lost()


def test_a_frame_that_arrives_twice_costs_no_frame(edge: Edge) -> None:
    rig = Rig(edge)
    publish = edge.publish
    edge.publish = lambda request: (publish(request), publish(request))[0]  # type: ignore[method-assign]
    assert [rig.feed() for _ in range(4)] == [E] * 4
    assert edge.server.streams.counts.not_held == 4
    assert edge.server.streams.counts.keys == 1
    assert rig.streams.counts.broken == 0


def test_reordered_frames_cost_one_frame(edge: Edge) -> None:
    rig = Rig(edge, max_in_flight=2)
    rig.feed()
    publish, waiting = edge.publish, []
    edge.publish = waiting.append  # type: ignore[method-assign]
    flights = [rig.robot.begin(), rig.robot.begin()]
    for request in reversed(waiting):
        publish(request)
    edge.publish = publish  # type: ignore[method-assign]
    for flight in flights:
        rig.robot.processor.finish(flight)
    assert rig.outcomes() == [E, E, F]
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, True, False] or rig.keys()[-2:] == [True, False]
    assert rig.streams.counts.broken == 1


@pytest.mark.parametrize("is_told", [True, False])
def test_a_restarted_edge_costs_at_most_one_frame(edge: Edge, is_told: bool) -> None:
    rig = Rig(edge)
    rig.feed()
    edge.restart()
    edge.edge_session += is_told
    assert [rig.feed() for _ in range(3)] == ([E, E, E] if is_told else [F, E, E])
    assert rig.keys() == ([True, True, False, False] if is_told else [True, False, True, False])
    rig.assert_nothing_is_lost()


def test_an_edge_that_was_gone_gets_a_key(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    edge.handle = lambda edge, reply: edge.vanish()
    assert rig.feed() is F
    assert rig.feed() is Outcome.ON_DEVICE
    edge.blocked, edge.handle = None, Edge.deliver
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, False, True, False]
    assert edge.server.streams.counts.not_held == 0
    assert NO_EDGE.text in {decision.reason for decision in rig.robot.sink.decisions}


def test_an_arm_that_is_taken_up_again_goes_on_unless_the_pause_was_long(edge: Edge) -> None:
    rig = Rig(edge)
    for arm in (0, 1, 0, 1, 0):
        rig.chosen = arm
        assert rig.feed() is E
    assert [request.reference for request in edge.requests] == [0, 0, 1, 2, 3]
    assert (rig.streams.counts.held, edge.server.streams.counts.held) == (2, 2)
    rig.now_s += LONGEST_PAUSE_S + 1.0
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys()[-2:] == [True, False]
    assert rig.streams.counts.broken == 0


def test_another_arm_table_begins_every_stream_again(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    rig.robot.processor.replace(replace(stream_table()), rig.robot.policy, "tested")
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, True, False]


def test_another_size_of_the_camera_begins_every_stream_again(edge: Edge) -> None:
    rig = Rig(edge)
    for arm in (0, 1):
        rig.chosen = arm
        rig.feed()
    for arm in (0, 1, 0):
        rig.chosen = arm
        image = picture(9, height=30, width=20)
        result = rig.robot.feed(image)
        assert result.outcome is E and (arm or equal(result.detections, whole(image)))
    assert rig.keys() == [True, True, True, True, False]


def test_an_evicted_stream_costs_one_frame_and_the_next_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with Edge(stream_bytes=INPUT_BYTES + 1) as edge:
        rig = Rig(edge)
        for arm in (0, 1, 0, 0, 0):
            rig.chosen = arm
            rig.feed()
        assert rig.outcomes() == [E, E, F, E, E]
        assert "evicted" in rig.robot.sink.decisions[2].reason
        assert rig.keys() == [True, True, False, True, False]
        assert edge.server.streams.counts.evicted == 2
        assert edge.server.streams.counts.held_bytes <= INPUT_BYTES + 1
        assert rig.robot.processor.uplink.breaker.state is Circuit.CLOSED


def test_an_edge_without_the_memory_gets_keys_only_and_answers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with Edge(stream_bytes=0) as edge:
        rig = Rig(edge)
        assert [rig.feed() for _ in range(3)] == [E, E, E]
        assert rig.keys() == [True, True, True]
        assert rig.streams.counts.broken == 0


def test_the_robots_memory_is_bounded_and_the_oldest_stream_goes_first(edge: Edge) -> None:
    rig = Rig(edge)
    rig.streams._memory_bytes = INPUT_BYTES + 1
    for arm in (0, 1, 0, 1):
        rig.chosen = arm
        assert rig.feed() is E
        assert rig.streams.counts.held_bytes <= INPUT_BYTES + 1
    assert rig.keys() == [True] * 4
    rig.streams._memory_bytes = 0
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys()[-2:] == [False, True]


def test_an_encoder_that_fails_travels_without_memory_and_the_next_is_a_key(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(edge)
    rig.feed()
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "broken", True)
        assert rig.feed() is E
    assert [tensor.codec for tensor in edge.requests[-1].tensors] == ["uint8"]
    assert (edge.requests[-1].reference, edge.requests[-1].checksum) == (0, 0)
    assert "the encoder is broken" in rig.streams.problem
    assert [rig.feed(), rig.feed()] == [E, E]
    assert [request.reference for request in edge.requests] == [0, 0, 0, 3]
    assert (rig.streams.counts.failed, rig.streams.counts.keys, rig.streams.counts.broken) == (1, 2, 0)


def test_an_encoder_that_cannot_be_made_is_given_up(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, __: object) -> Encoder:
        made.append(1)
        raise CodecError("the library is missing")

    made: list[int] = []
    rig = Rig(edge)
    monkeypatch.setattr(Difference, "encoder", fail)
    assert [rig.feed() for _ in range(MOST_FAILURES + 2)] == [E] * (MOST_FAILURES + 2)
    assert {tensor.codec for request in edge.requests for tensor in request.tensors} == {"uint8"}
    assert len(made) == MOST_FAILURES == rig.streams.counts.failed
    assert "goes on without memory: CodecError: the library is missing" in rig.streams.problem


def test_a_frame_that_was_encoded_and_not_sent_is_followed_by_a_key(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    publish = edge.publish

    def fail(request: Request) -> None:
        raise OSError("the publisher is gone")

    edge.publish = fail  # type: ignore[method-assign]
    image = picture(2)
    with pytest.raises(OSError, match="is gone"):
        rig.robot.begin(image)
    edge.publish = publish  # type: ignore[method-assign]
    rig.robot.processor.rescue(Arrival("header", 0.0, lambda: image), image, rig.robot.counts, "it failed")
    rig.robot.processor.uplink.requests.forget()
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, True, False]
    assert edge.server.streams.counts.not_held == 0
    rig.assert_nothing_is_lost()


def test_a_frame_whose_lifespan_ended_on_the_link_is_followed_by_a_key(edge: Edge) -> None:
    edge.lifespan_s = SHORT_S / 10
    rig = Rig(edge)
    rig.feed()
    rig.lose.add(2)
    assert rig.feed(deadline_s=SHORT_S) is F
    assert [rig.feed(), rig.feed()] == [E, E], "its request is given up as soon as it cannot arrive any more"
    assert rig.keys() == [True, False, True, False]


def test_after_an_open_circuit_the_stream_goes_on_with_a_key(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    for _ in range(SILENT_FRAMES):
        assert rig.feed_lost() is F
    assert rig.robot.processor.uplink.breaker.state is Circuit.OPEN
    sent = len(rig.keys())
    end_s = time.monotonic() + LONG_S
    while rig.feed() is Outcome.ON_DEVICE:
        assert len(rig.keys()) == sent, "no frame is encoded for the edge"
        assert time.monotonic() < end_s
    tests = [request for request in edge.requests if request.key.kind is Kind.SAMPLE]
    assert tests and all(test.reference == 0 and test.tensors[0].codec == NAME for test in tests)
    assert rig.robot.sink.results[-1].outcome is E
    assert rig.keys()[sent:] == [True]
    assert edge.server.streams.counts.not_held == 0


def test_a_refusal_for_load_does_not_break_the_stream(edge: Edge) -> None:
    rig = Rig(edge, max_in_flight=2)
    rig.feed()
    begun, opened = threading.Event(), threading.Event()
    run_back = small_engine().run_back

    def slow(*args: object) -> object:
        begun.set()
        assert opened.wait(LONG_S)
        return run_back(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_engine(), "run_back", slow)
        one = rig.robot.begin()
        assert begun.wait(LONG_S)
        two = rig.robot.begin(deadline_s=SHORT_S)
        opened.set()
    for flight in (one, two):
        rig.robot.processor.finish(flight)
    rig.robot.processor.settings = replace(rig.robot.processor.settings, max_in_flight=3)
    assert rig.feed() is E
    assert rig.keys() == [True, False, False, False]
    assert rig.streams.counts.broken == 0


def test_not_held_is_no_failure_of_the_edge(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    for _ in range(5):
        edge.restart()
        assert [rig.feed(), rig.feed()] == [F, E]
    assert rig.robot.processor.uplink.breaker.state is Circuit.CLOSED
    assert rig.robot.processor.uplink.breaker.opened == 0
    assert rig.streams.counts.broken == 5


def test_an_arm_whose_keys_are_refused_goes_on_without_memory(edge: Edge) -> None:
    rig = Rig(edge)
    publish = edge.publish
    edge.publish = lambda request: publish(  # type: ignore[method-assign]
        replace(request, checksum=request.checksum ^ 1) if request.checksum else request
    )
    outcomes = [rig.feed() for _ in range(MOST_FAILURES + 2)]
    assert outcomes == [F] * MOST_FAILURES + [E, E]
    assert "goes on without memory" in rig.streams.problem and "checksum" in rig.streams.problem
    assert (rig.streams.counts.diverged, edge.server.streams.counts.diverged) == (MOST_FAILURES,) * 2
    edge.publish = publish  # type: ignore[method-assign]
    edge.edge_session += 1  # another edge is given another chance
    assert [rig.feed(), rig.feed()] == [E, E]
    assert [bool(request.checksum) for request in edge.requests[-2:]] == [True, True]
    assert len(edge.problems) == 1
    edge.problems.clear()


def test_an_edge_that_lacks_the_codec_is_used_without_memory(edge: Edge) -> None:
    rig = Rig(edge)
    publish = edge.publish

    def foreign(request: Request) -> None:
        tensors = tuple(replace(one, codec="of-later" if one.codec == NAME else one.codec) for one in request.tensors)
        publish(replace(request, tensors=tensors))

    edge.publish = foreign  # type: ignore[method-assign]
    assert [rig.feed() for _ in range(MOST_FAILURES)] == [F] * MOST_FAILURES
    assert rig.robot.processor.uplink.breaker.state is Circuit.OPEN
    end_s = time.monotonic() + LONG_S
    while rig.feed() is not E:
        assert time.monotonic() < end_s, "the test of the edge is without memory as well"
    assert edge.requests[-1].tensors[0].codec == "uint8"
    assert "'of-later' is not known" in rig.streams.problem
    assert rig.robot.processor.uplink.breaker.state is Circuit.CLOSED


def test_a_wrong_checksum_costs_one_frame_and_the_next_is_a_key(edge: Edge) -> None:
    rig = Rig(edge)
    rig.feed()
    publish = edge.publish
    edge.publish = lambda request: publish(replace(request, checksum=request.checksum ^ 1))  # type: ignore[method-assign]
    assert rig.feed() is F
    assert "checksum" in rig.robot.sink.decisions[-1].reason
    edge.publish = publish  # type: ignore[method-assign]
    assert [rig.feed(), rig.feed()] == [E, E]
    assert rig.keys() == [True, False, True, False]
    assert (rig.streams.counts.broken, rig.streams.counts.diverged) == (1, 1)
    edge.problems.clear()


def test_a_sample_of_an_arm_with_memory_is_a_key_of_no_stream(edge: Edge) -> None:
    rig = Rig(edge)
    rig.chosen, rig.sample = 1, 0
    assert [rig.feed() for _ in range(3)] == [E] * 3
    samples = [request for request in edge.requests if request.key.kind is Kind.SAMPLE]
    assert samples and all(request.reference == 0 and request.checksum == 0 for request in samples)
    assert {tensor.codec for request in samples for tensor in request.tensors} == {NAME}
    assert rig.keys() == [True, False, False]
    assert edge.server.streams.counts.held == 1


def test_the_size_of_a_key_is_learnt_apart(edge: Edge) -> None:
    rig = Rig(edge)
    statistics = rig.robot.processor._selector.statistics
    psi, key_bytes = float(statistics.features[0, -1]), float(statistics.key_bytes[0])
    rig.feed()
    assert float(statistics.features[0, -1]) == psi
    assert float(statistics.key_bytes[0]) != key_bytes
    key_bytes = float(statistics.key_bytes[0])
    rig.feed()
    assert float(statistics.features[0, -1]) != psi
    assert float(statistics.key_bytes[0]) == key_bytes
    assert statistics.sample_bytes[0] == key_bytes
    assert statistics.sample_bytes[-1] == 0.0


EVENTS = ("sent", "sent", "sent", "lost", "twice", "restarted", "wrong checksum", "evicted", "resized", "not sent")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from([0, 0, 1])), min_size=1, max_size=14))
def test_whatever_happens_each_frame_has_its_own_result(events: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        register(monkeypatch)
        with Edge() as edge:
            rig = Rig(edge)
            publish, images = edge.publish, []
            broken: set[int] = set()
            for number, (event, arm) in enumerate(events, start=1):
                rig.chosen = arm
                edge.publish = publish  # type: ignore[method-assign]
                if event == "restarted":
                    edge.restart()
                elif event == "evicted":
                    edge.server.streams.forget("robot")
                elif event == "twice":
                    edge.publish = lambda request: (publish(request), publish(request))[0]  # type: ignore[method-assign]
                elif event == "wrong checksum":
                    edge.publish = lambda request: publish(replace(request, checksum=request.checksum ^ 1))  # type: ignore[method-assign]
                images.append(picture(number, height=24 + 6 * (event == "resized")))
                before = len(edge.requests)
                if event == "lost":
                    rig.lose.add(number)
                result = rig.robot.feed(images[-1], deadline_s=SHORT_S if event == "lost" else LONG_S)
                rig.robot.processor.uplink.requests.forget() if event == "lost" else None
                sent = [request for request in edge.requests[before:] if request.key.kind is Kind.FRAME]
                if sent:
                    assert rig.told[-1] == (sent[0].reference == 0), "the policy knows when a frame is a key"
                if arm in broken and sent:
                    assert sent[0].reference == 0, "the next one of a broken stream is a key"
                broken.discard(arm)
                if result.outcome is F:
                    broken.add(arm)
                    assert event in ("lost", "wrong checksum") or sent[0].reference, "no key is refused"
                elif result.outcome is E and arm == 0:
                    assert equal(result.detections, whole(images[-1])), "never decoded against something else"
            rig.assert_nothing_is_lost()
