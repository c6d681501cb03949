# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.runtime.conversation import Conversation
from neurosurgeon_ros.runtime.protocol import Feedback, Key, Request, Status
from neurosurgeon_ros.runtime.transfers import Transfer

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


class Uplink:
    def __init__(self) -> None:
        self.blocked = ""
        self.published: list[Request] = []

    def obstacle(self) -> str:
        return self.blocked

    def publish(self, request: Request) -> None:
        self.published.append(request)


class Talk:
    """A conversation on a clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.uplink = Uplink()
        self.conversation = Conversation(self.uplink, clock=lambda: self.now_s)
        self.inbox = self.conversation.inbox

    def send(self, sequence: int = 1, kind: Kind = Kind.FRAME, arm: int = 0) -> Transfer:
        request = Request(Key("robot", 7, sequence, kind), None, "f", 0, (), None, 0.5, 0.5)
        return self.conversation.send(request, arm)


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_detections_end_the_wait_and_feedback_makes_the_observation(talk: Talk) -> None:
    transfer = talk.send(arm=3)
    talk.now_s = 100.2
    talk.inbox.put_detections(transfer.key, NOTHING)
    assert talk.conversation.await_detections(transfer, 101.0).detections is NOTHING
    assert talk.conversation.measured(1) == [], "there is no observation before the feedback"
    talk.now_s = 100.3
    talk.inbox.put_feedback(Feedback(transfer.key, queue_s=0.01, decode_s=0.02, compute_s=0.03, postprocess_s=0.04))
    (measured,) = talk.conversation.measured(2)
    seen = measured.observation
    assert seen is not None
    assert (seen.arm, seen.sequence, seen.kind, seen.age_frames) == (3, 1, Kind.FRAME, 1)
    assert seen.offload_s == pytest.approx(0.2), "the delay ends with the detections"
    assert seen.transmit_s == pytest.approx(0.1)
    assert (seen.queue_s, seen.decode_s) == (0.01, 0.02)
    assert seen.compute_s == pytest.approx(0.07)
    assert not seen.censored and not seen.overlapped
    assert not talk.conversation.is_open()


def test_an_answer_that_is_there_or_comes_in_time_is_seen(talk: Talk) -> None:
    transfer = talk.send()
    assert not talk.conversation.is_answered(transfer)
    talk.inbox.put_feedback(Feedback(transfer.key))
    assert not talk.conversation.is_answered(transfer, 100.0), "detections make the answer"
    talk.inbox.put_detections(transfer.key, NOTHING)
    assert talk.conversation.is_answered(transfer, 101.0)
    assert talk.conversation.is_answered(transfer)


def test_feedback_may_come_before_the_detections(talk: Talk) -> None:
    transfer = talk.send()
    talk.inbox.put_feedback(Feedback(transfer.key))
    talk.inbox.put_detections(transfer.key, NOTHING)
    assert talk.conversation.await_detections(transfer, 101.0).detections is NOTHING
    assert len(talk.conversation.measured(1)) == 1
    assert talk.conversation.strays == 0


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
    transfer = talk.send()
    talk.inbox.put_detections(other, NOTHING)
    talk.inbox.put_feedback(Feedback(other, Status.FAILED, "not for us"))
    talk.now_s = 101.0
    awaited = talk.conversation.await_detections(transfer, 101.0)
    assert awaited.detections is None and awaited.missed
    assert talk.conversation.measured(1) == []
    assert talk.conversation.strays == 2


def test_a_second_answer_is_a_stray(talk: Talk) -> None:
    transfer = talk.send()
    for _ in range(3):
        talk.inbox.put_detections(transfer.key, NOTHING)
        talk.inbox.put_feedback(Feedback(transfer.key))
    assert len(talk.conversation.measured(1)) == 1
    assert talk.conversation.strays == 4
    talk.inbox.put_detections(transfer.key, NOTHING)
    talk.inbox.put_feedback(Feedback(transfer.key))
    assert talk.conversation.measured(1) == []
    assert talk.conversation.strays == 6


def test_detections_of_a_sample_are_a_stray(talk: Talk) -> None:
    transfer = talk.send(kind=Kind.SAMPLE)
    talk.inbox.put_detections(transfer.key, NOTHING)
    assert talk.conversation.measured(1) == []
    assert talk.conversation.strays == 1


def test_a_refusal_ends_the_wait_with_its_reason_and_teaches_nothing(talk: Talk) -> None:
    transfer = talk.send()
    talk.inbox.put_feedback(Feedback(transfer.key, Status.OVERLOADED, "the queue is full"))
    awaited = talk.conversation.await_detections(transfer, 1000.0)
    assert (awaited.detections, awaited.reason, awaited.missed) == (None, "the queue is full", False)
    (measured,) = talk.conversation.measured(1)
    assert measured.observation is None
    assert not talk.conversation.is_open()


def test_a_refusal_without_a_text_is_named(talk: Talk) -> None:
    transfer = talk.send()
    talk.inbox.put_feedback(Feedback(transfer.key, Status.FAILED))
    assert "failed" in talk.conversation.await_detections(transfer, 1000.0).reason


def test_an_edge_that_is_gone_ends_the_wait(talk: Talk) -> None:
    transfer = talk.send()
    talk.uplink.blocked = "no edge is there"
    awaited = talk.conversation.await_detections(transfer, 1000.0)
    assert (awaited.reason, awaited.missed) == ("no edge is there", False)
    talk.conversation.await_feedback(transfer, 1000.0)


def test_closing_ends_every_wait(talk: Talk) -> None:
    transfer = talk.send()
    talk.conversation.close()
    assert "stopped" in talk.conversation.await_detections(transfer, 1000.0).reason
    talk.conversation.await_feedback(transfer, 1000.0)


def test_a_late_answer_gives_an_observation_with_its_age(talk: Talk) -> None:
    transfer = talk.send(sequence=4)
    talk.now_s = 100.5
    assert talk.conversation.await_detections(transfer, 100.5).missed
    bound = talk.conversation.censored(transfer)
    assert bound.censored and bound.offload_s == pytest.approx(0.5)
    talk.now_s = 101.5
    talk.inbox.put_detections(transfer.key, NOTHING)
    talk.inbox.put_feedback(Feedback(transfer.key))
    (measured,) = talk.conversation.measured(9)
    assert measured.observation is not None
    assert measured.observation.offload_s == pytest.approx(1.5)
    assert measured.observation.age_frames == 5
    assert not measured.observation.censored


def test_probes_and_samples_have_no_detections_to_wait_for(talk: Talk) -> None:
    talk.send(kind=Kind.PROBE, arm=-1)
    transfer = talk.send(kind=Kind.SAMPLE, arm=2)
    for kind in (Kind.PROBE, Kind.SAMPLE):
        talk.inbox.put_feedback(Feedback(Key("robot", 7, 1, kind)))
    measured = talk.conversation.measured(1)
    assert [(m.observation.kind, m.observation.arm) for m in measured if m.observation] == [
        (Kind.PROBE, -1),
        (Kind.SAMPLE, 2),
    ]
    assert transfer.overlapped


def test_the_edges_own_time_is_never_more_than_the_whole(talk: Talk) -> None:
    transfer = talk.send()
    talk.inbox.put_feedback(Feedback(transfer.key, compute_s=9.0))
    (measured,) = talk.conversation.measured(1)
    assert measured.observation is not None and measured.observation.transmit_s == 0.0


def test_detections_without_feedback_free_the_link_and_are_forgotten_in_the_end(talk: Talk) -> None:
    transfer = talk.send()
    assert talk.conversation.fills_link()
    talk.inbox.put_detections(transfer.key, NOTHING)
    talk.conversation.await_detections(transfer, 101.0)
    assert not talk.conversation.fills_link()
    talk.now_s = 10_000.0
    assert not talk.conversation.is_open()
    talk.conversation.measured(1)
    assert not talk.conversation._detections


def test_what_was_asked_of_an_edge_that_is_gone_is_forgotten(talk: Talk) -> None:
    transfer = talk.send()
    talk.conversation.forget()
    assert not talk.conversation.is_open()
    talk.inbox.put_feedback(Feedback(transfer.key))
    assert talk.conversation.measured(1) == []
    assert talk.conversation.strays == 1
