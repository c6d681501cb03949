# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames that begin while answers to earlier ones are outstanding: order, one message each, and what is learnt."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import LONG_S, SHORT_S, Chooser, Edge, Robot, equal, make_robot, picture, small_table, whole

from neurosurgeon_ros.learning.interface import Choice, Context, Kind, Observation
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key, Reply, Request
from neurosurgeon_ros.robot.arrival import Arrival
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.pipeline import RobotPipeline
from neurosurgeon_ros.robot.uplink.requests import Requests

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


class Rig:
    """A pipeline with an edge whose answers the test delivers."""

    def __init__(self, edge: Edge, max_in_flight: int, *, deadline_s: float = LONG_S) -> None:
        self.edge = edge
        self.robot: Robot = make_robot(edge)
        processor = self.robot.processor
        processor.settings = replace(processor.settings, max_in_flight=max_in_flight, deadline_s=deadline_s)
        self.replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        edge.handle = lambda _, reply: self.replies.put(reply)
        self.problems: list[str] = []
        self.pipeline = RobotPipeline(processor, self.robot.sink, on_problem=self.problems.append)
        self.pipeline.start()

    def offer(self, number: int) -> None:
        self.pipeline.offer(Arrival(number, time.monotonic(), lambda: picture(number)))

    def reply(self) -> Reply:
        return self.replies.get(timeout=LONG_S)

    def headers(self) -> list[object]:
        return [result.header for result in self.robot.sink.results]


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as edge:
        yield edge
    assert edge.problems == []


def test_as_many_frames_as_allowed_are_on_their_way_and_answers_keep_their_order(edge: Edge) -> None:
    rig = Rig(edge, 2)
    replies = []
    for number in (1, 2):
        rig.offer(number)
        replies.append(rig.reply())
    rig.offer(3)
    assert rig.headers() == [], "the edge has both, and has answered neither"
    assert len(edge.requests) == 2, "the third waits in the slot"
    edge.deliver(replies[1])
    edge.deliver(replies[0])
    edge.deliver(rig.reply())
    rig.pipeline.stop()
    assert rig.headers() == [1, 2, 3]
    assert [decision.sequence for decision in rig.robot.sink.decisions] == [1, 2, 3]
    for result in rig.robot.sink.results:
        assert result.outcome is Outcome.EDGE
        assert equal(result.detections, whole(picture(result.sequence)))
    for decision in rig.robot.sink.decisions:
        assert decision.delays.edge_compute > 0.0, "each decision has its own frame's stages"
    assert rig.problems == []


def test_one_at_a_time_is_the_default(edge: Edge) -> None:
    rig = Rig(edge, 1)
    rig.offer(1)
    reply = rig.reply()
    rig.offer(2)
    assert len(edge.requests) == 1
    edge.deliver(reply)
    edge.deliver(rig.reply())
    rig.pipeline.stop()
    assert rig.headers() == [1, 2]


def test_a_frame_that_stays_on_the_robot_waits_for_its_turn(edge: Edge) -> None:
    rig = Rig(edge, 2)
    chosen: queue.SimpleQueue[int] = queue.SimpleQueue()
    arms = iter((0, small_table().on_device))

    def choose(context: Context) -> Choice:
        arm = next(arms)
        chosen.put(arm)
        return Choice(arm=arm)

    rig.robot.processor.replace(small_table(), Chooser(choose), "tested")
    rig.offer(1)
    reply = rig.reply()
    rig.offer(2)
    assert [chosen.get(timeout=LONG_S) for _ in range(2)] == [0, small_table().on_device]
    assert rig.headers() == []
    edge.deliver(reply)
    rig.pipeline.stop()
    assert rig.headers() == [1, 2]
    assert [result.outcome for result in rig.robot.sink.results] == [Outcome.EDGE, Outcome.ON_DEVICE]


def test_a_frame_whose_way_fails_comes_out_after_those_before_it(edge: Edge) -> None:
    rig = Rig(edge, 2)
    rig.offer(1)
    reply = rig.reply()
    failed = threading.Event()

    def choose(context: Context) -> Choice:
        failed.set()
        raise RuntimeError("the policy failed")

    rig.robot.processor.replace(small_table(), Chooser(choose), "tested")
    rig.offer(2)
    assert failed.wait(LONG_S)
    edge.deliver(reply)
    rig.pipeline.stop()
    assert rig.headers() == [1, 2]
    assert [result.outcome for result in rig.robot.sink.results] == [Outcome.EDGE, Outcome.FALLBACK]
    assert len(rig.problems) == 1


@settings(max_examples=15, deadline=None)
@given(max_in_flight=st.integers(2, 4), answers=st.lists(st.sampled_from(("give", "hold", "lose")), max_size=10))
def test_one_message_for_each_accepted_frame_in_order_whatever_the_edge_does(
    max_in_flight: int, answers: list[str]
) -> None:
    with Edge() as edge:
        rig = Rig(edge, max_in_flight, deadline_s=SHORT_S)
        held: list[Reply] = []
        left = iter(answers)

        def handle(edge: Edge, reply: Reply) -> None:
            does = next(left, "give")
            if does == "give":
                edge.deliver(reply)
            elif does == "hold":
                held.append(reply)
            for late in held[:-1]:
                edge.deliver(late)

        edge.handle = handle
        for number in range(1, 13):
            rig.offer(number)
        rig.pipeline.stop()
    counts = rig.pipeline.counts
    assert counts.received == 12 == counts.accepted + counts.dropped
    for given_out in (rig.robot.sink.results, rig.robot.sink.decisions):
        assert [one.sequence for one in given_out] == list(range(1, counts.accepted + 1))
    headers = rig.headers()
    assert headers == sorted(headers, key=int)  # type: ignore[arg-type, call-overload]
    assert rig.problems == []


class Link:
    lifespan_s = math.inf
    edge_session = 1
    edge_id = "edge"

    def obstacle(self) -> None:
        return None

    def publish(self, request: Request) -> None:
        pass


def talk_of_two() -> tuple[Observation, Observation]:
    """
    Return the observations of two frames on a link that carries one at a time, sent 10 ms apart.

    Each takes 100 ms on the link and 30 ms at the edge.
    """
    now = [0.0]
    talk = Requests(Link(), clock=lambda: now[0])
    keys = [Key("robot", 7, sequence, Kind.FRAME) for sequence in (1, 2)]
    sent = []
    for key in keys:
        sent.append(talk.send(Request(key, None, "f", 0, (), None, 0.5, 0.5), 0, None, is_awaited=True))
        now[0] += 0.01
    seen: list[Observation] = []
    # The second frame reaches the edge at 0.2 s, and waits there for another robot's work of 5 ms.
    for key, request, answered_s, queue_s in ((keys[0], sent[0], 0.13, 0.0), (keys[1], sent[1], 0.235, 0.005)):
        now[0] = answered_s
        talk.inbox.put_detections(key, NOTHING)
        talk.inbox.put_feedback(Feedback(key, queue_s=queue_s, compute_s=0.03))
        assert talk.take_measured() == [], "a frame teaches when it is finished"
        assert talk.await_detections(request, 9.0).detections is NOTHING
        (measured,) = talk.take_measured()
        assert measured.observation is not None
        seen.append(measured.observation)
    return seen[0], seen[1]


def test_the_time_behind_our_own_frame_is_no_delay_of_the_link() -> None:
    for observation in talk_of_two():
        assert observation.transmit_s == pytest.approx(0.1)
        assert not observation.overlapped


def test_waiting_for_others_at_the_edge_counts() -> None:
    _, second = talk_of_two()
    assert second.queue_s == pytest.approx(0.005)
    assert second.offload_s == pytest.approx(0.135)


def test_the_time_behind_our_own_frame_is_no_delay_of_the_edges_queue() -> None:
    """On a fast link both frames are at the edge at once, and the second waits for the first one's 100 ms."""
    now = [0.0]
    talk = Requests(Link(), clock=lambda: now[0])
    keys = [Key("robot", 7, sequence, Kind.FRAME) for sequence in (1, 2)]
    sent = [talk.send(Request(key, None, "f", 0, (), None, 0.5, 0.5), 0, None, is_awaited=True) for key in keys]
    for key, answered_s, queue_s in ((keys[0], 0.11, 0.0), (keys[1], 0.22, 0.09)):
        now[0] = answered_s
        talk.inbox.put_detections(key, NOTHING)
        talk.inbox.put_feedback(Feedback(key, queue_s=queue_s, compute_s=0.1))
    for request in sent:
        talk.await_detections(request, 9.0)
    first, second = (measured.observation for measured in talk.take_measured())
    assert first is not None and second is not None
    assert (first.transmit_s, first.queue_s) == (pytest.approx(0.01), 0.0)
    assert second.transmit_s == pytest.approx(0.02)
    assert second.queue_s == pytest.approx(0.01)
    assert second.offload_s == pytest.approx(second.transmit_s + second.queue_s + second.compute_s)
