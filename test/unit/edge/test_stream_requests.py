# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of streams at the edge's server: their order, refusals for load, and requests that no correct robot sends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from robots import LONG_S, picture, small_engine
from stream_codec import NAME, Difference, Speaker, register

from neurosurgeon_ros import codecs
from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.edge.stream_worker import LONGER
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status
from neurosurgeon_ros.protocol.validation import InvalidRequest, _check_stream

#: Requests that wait for the back-end, and that wait to be decoded.
MAX_QUEUE = 2
MAX_LINE = LONGER * MAX_QUEUE


class Gates:
    """A server whose streams are decoded, and whose back-ends run, when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = small_engine()
        self.replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.problems: list[str] = []
        self.server = EdgeServer(
            {engine.fingerprint: engine}, self.replies.put, on_problem=self.problems.append, max_queue=MAX_QUEUE
        )
        self._monkeypatch = monkeypatch
        self._opened: list[threading.Event] = []
        self.server.start()

    def close(self, owner: object, name: str) -> tuple[threading.Semaphore, threading.Event]:
        """Let a method wait. Return what counts its calls, and what lets them go on."""
        begun, opened, inner = threading.Semaphore(0), threading.Event(), getattr(owner, name)
        self._opened.append(opened)

        def gated(*args: Any) -> Any:
            begun.release()
            assert opened.wait(LONG_S)
            return inner(*args)

        self._monkeypatch.setattr(owner, name, gated)
        return begun, opened

    def submit(self, request: Request) -> None:
        self.server.submit(request)

    def get(self) -> Feedback:
        return self.replies.get(timeout=LONG_S).feedback

    def ask(self, request: Request) -> Feedback:
        self.submit(request)
        return self.get()

    def stop(self) -> None:
        for opened in self._opened:
            opened.set()
        self.server.stop()


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    register(monkeypatch)
    gates = Gates(monkeypatch)
    yield gates
    gates.stop()


def plain(sequence: int, kind: Kind = Kind.FRAME) -> Request:
    """Return a request of the same robot without memory."""
    request = Speaker(small_engine()).frame(sequence, picture(sequence), key=True)
    x = small_engine().model.preprocess(picture(sequence))[0]
    (spec,) = small_engine().partitioned.points[0].tensors
    tensors = (get_codec("uint8").encode(x, spec),)
    return replace(request, key=replace(request.key, kind=kind), tensors=tensors, checksum=0)


def test_a_stream_is_answered_with_what_is_held(gates: Gates) -> None:
    robot = Speaker(small_engine())
    for number in (1, 2, 3):
        feedback = gates.ask(robot.frame(number, picture(number), key=number == 1))
        assert (feedback.status, feedback.held) == (Status.OK, number)
        assert feedback.decode_s > 0.0 and feedback.compute_s > 0.0
    assert gates.ask(plain(4)).held == 0
    assert gates.server.streams.counts.held == 1


def test_what_is_not_held_is_refused_while_the_back_end_is_busy(gates: Gates) -> None:
    begun, opened = gates.close(small_engine(), "run_back")
    robot = Speaker(small_engine())
    gates.submit(robot.frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    robot.frame(2, picture(2))
    refused = gates.ask(robot.frame(3, picture(3)))
    assert (refused.key.sequence, refused.status, refused.held) == (3, Status.NOT_HELD, 1)
    assert "builds on frame 2" in refused.error
    opened.set()
    assert gates.get().held == 1


def test_a_refusal_for_load_leaves_the_stream_as_the_robot_believes_it(gates: Gates) -> None:
    begun, opened = gates.close(small_engine(), "run_back")
    robot = Speaker(small_engine())
    gates.submit(robot.frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    gates.submit(robot.frame(2, picture(2)))
    gates.submit(robot.frame(3, picture(3)))
    refused = gates.get()
    assert (refused.key.sequence, refused.status, refused.held) == (2, Status.OVERLOADED, 2)
    opened.set()
    answered = [gates.get(), gates.get()]
    assert [(one.key.sequence, one.status, one.held) for one in answered] == [(1, Status.OK, 1), (3, Status.OK, 3)]
    assert gates.server.streams.counts.keys == 1


def test_decoding_blocks_neither_the_one_who_submits_nor_other_requests(gates: Gates) -> None:
    begun, opened = gates.close(gates.server.streams, "decode")
    gates.submit(Speaker(small_engine()).frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    other = plain(1)
    assert gates.ask(replace(other, key=replace(other.key, robot_id="other"))).status is Status.OK
    opened.set()
    assert gates.get().held == 1


@pytest.mark.parametrize("kind", [Kind.FRAME, Kind.SAMPLE])
def test_a_request_without_memory_does_not_overtake_its_robots_stream(gates: Gates, kind: Kind) -> None:
    begun, opened = gates.close(gates.server.streams, "decode")
    gates.submit(Speaker(small_engine()).frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    gates.submit(plain(2, kind))
    assert gates.server.queue_length == 0
    opened.set()
    answered = [gates.get(), gates.get()]
    assert [one.status for one in answered if one.key.sequence == 2] == [Status.OK]
    # The newer frame may take the older one's place in the queue, but never before the stream has gone on.
    assert [one.held for one in answered if one.key.sequence == 1] == [1]


def test_a_robot_that_floods_the_decoder_loses_its_own_requests_and_is_told_what_is_held(gates: Gates) -> None:
    greedy, modest = Speaker(small_engine(), robot="greedy"), Speaker(small_engine(), robot="modest")
    assert gates.ask(greedy.frame(1, picture(1), key=True)).held == 1
    begun, opened = gates.close(gates.server.streams, "decode")
    gates.submit(greedy.frame(2, picture(2)))
    assert begun.acquire(timeout=LONG_S)
    for number in range(3, MAX_LINE + 3):
        gates.submit(greedy.frame(number, picture(number)))
    refused = gates.ask(greedy.frame(MAX_LINE + 3, picture(1)))
    assert (refused.key.sequence, refused.status, refused.held) == (MAX_LINE + 3, Status.OVERLOADED, 1)
    assert "wait to be decoded" in refused.error
    refused = gates.ask(modest.frame(1, picture(1), key=True))
    assert (refused.key.robot_id, refused.key.sequence, refused.held) == ("greedy", MAX_LINE + 2, 1)
    opened.set()
    held = {(one.key.robot_id, one.key.sequence): one.held for one in (gates.get() for _ in range(MAX_LINE + 1))}
    assert held == {("modest", 1): 1} | {("greedy", number): number for number in range(2, MAX_LINE + 2)}


def test_robots_are_decoded_in_turn(gates: Gates) -> None:
    begun, opened = gates.close(gates.server.streams, "decode")
    order: list[str] = []
    decode = gates.server.streams.decode
    gates.server.streams.decode = lambda request, engine: (order.append(request.key.robot_id), decode(request, engine))[
        1
    ]  # type: ignore[method-assign]
    greedy, modest = Speaker(small_engine(), robot="greedy"), Speaker(small_engine(), robot="modest")
    gates.submit(greedy.frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    for number in (2, 3):
        gates.submit(greedy.frame(number, picture(number)))
    gates.submit(modest.frame(1, picture(1), key=True))
    opened.set()
    for _ in range(4):
        gates.get()
    assert order == ["greedy", "greedy", "modest", "greedy"]


def test_samples_touch_no_stream(gates: Gates) -> None:
    robot = Speaker(small_engine())
    assert gates.ask(robot.frame(1, picture(1), key=True)).held == 1
    sample = Speaker(small_engine()).frame(2, picture(2), key=True)
    feedback = gates.ask(replace(sample, key=replace(sample.key, kind=Kind.SAMPLE)))
    assert (feedback.status, feedback.held) == (Status.OK, 0)
    assert feedback.decode_s > 0.0
    assert gates.ask(robot.frame(2, picture(2))).held == 2
    assert gates.server.streams.counts.keys == 1


def test_a_robot_that_is_gone_leaves_nothing_behind(gates: Gates) -> None:
    begun, opened = gates.close(gates.server.streams, "decode")
    robot = Speaker(small_engine())
    gates.submit(robot.frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    gates.submit(robot.frame(2, picture(2)))
    gates.server.forget("robot")
    opened.set()
    other = Speaker(small_engine(), robot="other")
    assert gates.ask(other.frame(1, picture(1), key=True)).key.robot_id == "other"
    assert gates.server.streams.counts.held == 1


def test_a_robot_that_differs_is_said_once(gates: Gates) -> None:
    robot = Speaker(small_engine())
    for number in (1, 2):
        key = robot.frame(number, picture(number), key=True)
        feedback = gates.ask(replace(key, checksum=key.checksum ^ 1))
        assert (feedback.status, feedback.held) == (Status.DIVERGED, 0)
    assert len(gates.problems) == 1
    assert "robot robot" in gates.problems[0] and NAME in gates.problems[0] and "checksum" in gates.problems[0]
    assert gates.server.streams.counts.diverged == 2


def two_codecs(request: Request, monkeypatch: pytest.MonkeyPatch) -> Request:
    class Other(Difference):
        name = "another-difference"

    monkeypatch.setitem(codecs._STREAMS, Other.name, Other())
    return replace(request, tensors=(request.tensors[0], replace(request.tensors[0], codec=Other.name)))


BAD: dict[str, tuple[Any, str]] = {
    "the future": (
        lambda r: replace(r, reference=9),
        "reference is 9, it must be less than the frame's own sequence, 2",
    ),
    "itself": (lambda r: replace(r, reference=2), "must be less than"),
    "of a sample": (lambda r: replace(r, key=replace(r.key, kind=Kind.SAMPLE)), "the request is no frame"),
    "without memory": (lambda r: replace(plain(2), reference=1), "no tensor names a codec with memory"),
    "too large": (lambda r: bytes_of(r, bytes(10_000)), "10000 bytes"),
    "no difference": (lambda r: bytes_of(r, b"nothing"), "cannot be decompressed"),
    "another tensor": (lambda r: replace(r, tensors=(replace(r.tensors[0], name="pool9"),)), "'pool9'"),
}


def bytes_of(request: Request, data: bytes) -> Request:
    return replace(request, tensors=(replace(request.tensors[0], data=memoryview(data)),))


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_belong_to_a_stream_is_refused_with_a_reason(gates: Gates, name: str) -> None:
    change, said = BAD[name]
    robot = Speaker(small_engine())
    gates.ask(robot.frame(1, picture(1), key=True))
    feedback = gates.ask(change(robot.frame(2, picture(2))))
    assert (feedback.status, feedback.held) == (Status.INVALID, 0)
    assert said in feedback.error and "\n" not in feedback.error


def test_a_request_of_two_codecs_with_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    request = Speaker(small_engine()).frame(1, picture(1), key=True)
    with pytest.raises(InvalidRequest, match="a request takes one codec with memory"):
        _check_stream(two_codecs(request, monkeypatch))


def test_stopping_refuses_what_waits_to_be_decoded(gates: Gates) -> None:
    begun, opened = gates.close(gates.server.streams, "decode")
    robot = Speaker(small_engine())
    gates.submit(robot.frame(1, picture(1), key=True))
    assert begun.acquire(timeout=LONG_S)
    gates.submit(robot.frame(2, picture(2)))
    stopper = threading.Thread(target=gates.server.stop)
    stopper.start()
    opened.set()
    answered = {one.key.sequence: one for one in (gates.get(), gates.get())}
    stopper.join(LONG_S)
    assert answered[2].status is Status.OVERLOADED and "shutting down" in answered[2].error
