# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key, Request, Status
from neurosurgeon_ros.robot.uplink.link import NO_EDGE, Obstacle
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.requests import Requests

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


class Link:
    def __init__(self) -> None:
        self.blocked: Obstacle | None = None
        self.published: list[Request] = []

    lifespan_s = math.inf
    edge_session = 1

    def obstacle(self) -> Obstacle | None:
        return self.blocked

    def publish(self, request: Request) -> None:
        self.published.append(request)


class Talk:
    """Requests with a clock that only moves when it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.link = Link()
        self.requests = Requests(self.link, clock=lambda: self.now_s)
        self.inbox = self.requests.inbox

    def send(self, sequence: int = 1, kind: Kind = Kind.FRAME, arm: int = 0) -> OutstandingRequest:
        request = Request(Key("robot", 7, sequence, kind), None, "f", 0, (), None, 0.5, 0.5)
        return self.requests.send(request, arm, None)


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_detections_end_the_wait_and_feedback_makes_the_observation(talk: Talk) -> None:
    sent = talk.send(arm=3)
    talk.now_s = 100.2
    talk.inbox.put_detections(sent.key, NOTHING)
    assert talk.requests.await_detections(sent, 101.0).detections is NOTHING
    assert talk.requests.take_measured() == [], "there is no observation before the feedback"
    talk.now_s = 100.3
    talk.inbox.put_feedback(Feedback(sent.key, queue_s=0.01, decode_s=0.02, compute_s=0.03, postprocess_s=0.04))
    (measured,) = talk.requests.take_measured()
    seen = measured.observation
    assert seen is not None
    assert (seen.arm, seen.sequence, seen.kind) == (3, 1, Kind.FRAME)
    assert seen.offload_s == pytest.approx(0.2), "the delay ends with the detections"
    assert seen.transmit_s == pytest.approx(0.1)
    assert (seen.queue_s, seen.decode_s) == (0.01, 0.02)
    assert seen.compute_s == pytest.approx(0.07)
    assert not seen.censored and not seen.overlapped
    assert not talk.requests.is_open()


def test_an_answer_that_is_there_or_comes_in_time_is_seen(talk: Talk) -> None:
    sent = talk.send()
    assert not talk.requests.is_answered(sent)
    talk.inbox.put_feedback(Feedback(sent.key))
    assert not talk.requests.is_answered(sent, 100.0), "detections make the answer"
    talk.inbox.put_detections(sent.key, NOTHING)
    assert talk.requests.is_answered(sent, 101.0)
    assert talk.requests.is_answered(sent)


def test_feedback_may_come_before_the_detections(talk: Talk) -> None:
    sent = talk.send()
    talk.inbox.put_feedback(Feedback(sent.key))
    talk.inbox.put_detections(sent.key, NOTHING)
    assert talk.requests.await_detections(sent, 101.0).detections is NOTHING
    assert len(talk.requests.take_measured()) == 1
    assert talk.requests.strays == 0


@pytest.mark.parametrize(
    "other",
    [
        Key("robot", 7, 2, Kind.FRAME),
        Key("robot", 8, 1, Kind.FRAME),
        Key("rover", 7, 1, Kind.FRAME),
        Key("robot", 7, 1, Kind.SAMPLE),
        Key("robot", 7, 1, Kind.PROBE),
    ],
    ids=str,
)
def test_an_answer_to_another_key_is_a_stray(talk: Talk, other: Key) -> None:
    sent = talk.send()
    talk.inbox.put_detections(other, NOTHING)
    talk.inbox.put_feedback(Feedback(other, Status.FAILED, "not for us"))
    talk.now_s = 101.0
    awaited = talk.requests.await_detections(sent, 101.0)
    assert awaited.detections is None and awaited.missed
    assert talk.requests.take_measured() == []
    assert talk.requests.strays == 2


def test_a_second_answer_is_a_stray(talk: Talk) -> None:
    sent = talk.send()
    for _ in range(3):
        talk.inbox.put_detections(sent.key, NOTHING)
        talk.inbox.put_feedback(Feedback(sent.key))
    assert len(talk.requests.take_measured()) == 1
    assert talk.requests.strays == 4
    talk.inbox.put_detections(sent.key, NOTHING)
    talk.inbox.put_feedback(Feedback(sent.key))
    assert talk.requests.take_measured() == []
    assert talk.requests.strays == 6


def test_detections_of_a_sample_are_a_stray(talk: Talk) -> None:
    sent = talk.send(kind=Kind.SAMPLE)
    talk.inbox.put_detections(sent.key, NOTHING)
    assert talk.requests.take_measured() == []
    assert talk.requests.strays == 1


def test_a_refusal_ends_the_wait_with_its_reason_and_teaches_nothing(talk: Talk) -> None:
    sent = talk.send()
    talk.inbox.put_feedback(Feedback(sent.key, Status.OVERLOADED, "the queue is full"))
    awaited = talk.requests.await_detections(sent, 1000.0)
    assert (awaited.detections, awaited.reason, awaited.missed) == (None, "the queue is full", False)
    (measured,) = talk.requests.take_measured()
    assert measured.observation is None
    assert not talk.requests.is_open()


def test_a_refusal_without_a_text_is_named(talk: Talk) -> None:
    sent = talk.send()
    talk.inbox.put_feedback(Feedback(sent.key, Status.FAILED))
    assert "failed" in talk.requests.await_detections(sent, 1000.0).reason


def test_an_edge_that_is_gone_ends_the_wait(talk: Talk) -> None:
    sent = talk.send()
    talk.link.blocked = NO_EDGE
    awaited = talk.requests.await_detections(sent, 1000.0)
    assert (awaited.reason, awaited.missed) == ("no edge is there", False)
    talk.requests.await_feedback(sent, 1000.0)


def test_closing_ends_every_wait(talk: Talk) -> None:
    sent = talk.send()
    talk.requests.close()
    assert "stopped" in talk.requests.await_detections(sent, 1000.0).reason
    talk.requests.await_feedback(sent, 1000.0)


def test_a_late_answer_gives_an_observation(talk: Talk) -> None:
    sent = talk.send(sequence=4)
    talk.now_s = 100.5
    assert talk.requests.await_detections(sent, 100.5).missed
    bound = talk.requests.censored(sent)
    assert bound.censored and bound.offload_s == pytest.approx(0.5)
    talk.now_s = 101.5
    talk.inbox.put_detections(sent.key, NOTHING)
    talk.inbox.put_feedback(Feedback(sent.key))
    (measured,) = talk.requests.take_measured()
    assert measured.observation is not None
    assert measured.observation.offload_s == pytest.approx(1.5)
    assert not measured.observation.censored


def test_probes_and_samples_have_no_detections_to_wait_for(talk: Talk) -> None:
    talk.send(kind=Kind.PROBE, arm=-1)
    sent = talk.send(kind=Kind.SAMPLE, arm=2)
    for kind in (Kind.PROBE, Kind.SAMPLE):
        talk.inbox.put_feedback(Feedback(Key("robot", 7, 1, kind)))
    measured = talk.requests.take_measured()
    assert [(m.observation.kind, m.observation.arm) for m in measured if m.observation] == [
        (Kind.PROBE, -1),
        (Kind.SAMPLE, 2),
    ]
    assert sent.overlapped


def test_the_edges_own_time_is_never_more_than_the_whole(talk: Talk) -> None:
    sent = talk.send()
    talk.inbox.put_feedback(Feedback(sent.key, compute_s=9.0))
    (measured,) = talk.requests.take_measured()
    assert measured.observation is not None and measured.observation.transmit_s == 0.0


def test_detections_without_feedback_free_the_link_and_are_forgotten_in_the_end(talk: Talk) -> None:
    sent = talk.send()
    assert talk.requests.fills_link()
    talk.inbox.put_detections(sent.key, NOTHING)
    talk.requests.await_detections(sent, 101.0)
    assert not talk.requests.fills_link()
    talk.now_s = 10_000.0
    assert not talk.requests.is_open()
    assert talk.requests.take_measured() == []
    talk.inbox.put_feedback(Feedback(sent.key))
    assert talk.requests.take_measured() == []
    assert talk.requests.strays == 1, "it is forgotten"


def test_what_was_asked_of_an_edge_that_is_gone_is_forgotten(talk: Talk) -> None:
    sent = talk.send()
    talk.requests.forget()
    assert not talk.requests.is_open()
    talk.inbox.put_feedback(Feedback(sent.key))
    assert talk.requests.take_measured() == []
    assert talk.requests.strays == 1
