# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The edge's server: invariant 3, the queue, and an answer to every request."""

from __future__ import annotations

import math
import queue
import threading
import tracemalloc
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from robots import LONG_S, picture, small_engine

from neurosurgeon_ros.codecs import EncodedTensor, get_codec
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Reply, Request, Status
from neurosurgeon_ros.protocol.validation import MAX_PROBE_BYTES


def request(
    sequence: int = 1, *, robot: str = "robot", kind: Kind = Kind.FRAME, p: int = 0, codec: str = ""
) -> Request:
    """Return a valid request."""
    engine = small_engine()
    x, fitted = engine.model.preprocess(picture(sequence))
    point = engine.partitioned.points[p]
    tensors = engine.partitioned.run_front(x, p)[p]
    coder = get_codec(codec or ("uint8" if p == 0 else "fp32"))
    encoded = tuple(coder.encode(tensor, spec) for tensor, spec in zip(tensors, point.tensors, strict=True))
    key = Key(robot, 7, sequence, kind)
    return Request(key, "header", engine.fingerprint, p, encoded, fitted, 0.0, 0.5)


class Gate:
    """A server whose back-end waits until the test releases it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, max_queue: int = 3) -> None:
        engine = small_engine()
        self.replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.problems: list[str] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.send: Callable[[Reply], None] = self.replies.put
        self.server = EdgeServer(
            {engine.fingerprint: engine},
            lambda reply: self.send(reply),
            on_problem=self.problems.append,
            max_queue=max_queue,
        )
        decode = engine.decode

        def gated(point: int, encoded: Sequence[EncodedTensor]) -> tuple[torch.Tensor, ...]:
            self.begun.release()
            assert self.open.acquire(timeout=LONG_S)
            return decode(point, encoded)

        monkeypatch.setattr(engine, "decode", gated)
        self.server.start()

    def occupy(self) -> None:
        """Submit a request, and wait until the back-end runs it."""
        self.server.submit(request(99, robot="other"))
        assert self.begun.acquire(timeout=LONG_S)

    def get(self) -> Feedback:
        return self.replies.get(timeout=LONG_S).feedback

    def let_go(self) -> None:
        for _ in range(100):
            self.open.release()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.let_go()
    gate.server.stop()


def tensor(of: Request, **changes: Any) -> Request:
    """Return a request with a changed tensor."""
    return replace(of, tensors=(replace(of.tensors[0], **changes), *of.tensors[1:]))


def letterbox(of: Request, **changes: Any) -> Request:
    assert of.letterbox is not None
    return replace(of, letterbox=replace(of.letterbox, **changes))


NAN, INF = math.nan, math.inf
BAD: dict[str, tuple[Any, str]] = {
    "point after the last": (lambda r: replace(r, partition_point=99), "partition point 99 does not exist"),
    "on the device": (lambda r: replace(r, partition_point=small_engine().on_device), "does not exist"),
    "negative point": (lambda r: replace(r, partition_point=-1), "does not exist"),
    "another point": (lambda r: replace(r, partition_point=1), "cannot carry tensor pool1"),
    "no tensor": (lambda r: replace(r, tensors=()), "0 tensors came"),
    "a tensor too many": (lambda r: replace(r, tensors=r.tensors * 2), "2 tensors came"),
    "name": (lambda r: tensor(r, name="pool9"), "'pool9'"),
    "type": (lambda r: tensor(r, dtype="float64"), "float64"),
    "shape": (lambda r: tensor(r, shape=(1, 3, 64, 64)), "(1, 3, 64, 64) came"),
    "huge shape": (lambda r: tensor(r, shape=(2**31, 2**31, 9, 9)), "came"),
    "empty shape": (lambda r: tensor(r, shape=()), "came"),
    "unknown codec": (lambda r: tensor(r, codec="pickle"), "'pickle' is not known"),
    "wrong codec": (lambda r: tensor(r, codec="fp32"), "cannot carry"),
    "too long": (lambda r: tensor(r, data=memoryview(bytes(3073))), "3073 bytes"),
    "too short": (lambda r: tensor(r, data=memoryview(bytes(3071))), "3071 bytes"),
    "no data": (lambda r: tensor(r, data=memoryview(b"")), "0 bytes"),
    "a scale": (lambda r: tensor(r, scale=(1.0,)), "scale"),
    "confidence NaN": (lambda r: replace(r, confidence=NAN), "confidence_threshold is nan"),
    "confidence": (lambda r: replace(r, confidence=1.5), "confidence_threshold"),
    "iou inf": (lambda r: replace(r, iou=INF), "iou_threshold is inf"),
    "iou": (lambda r: replace(r, iou=-0.1), "iou_threshold"),
    "deadline": (lambda r: replace(r, deadline_s=-1.0), "deadline"),
    "deadline NaN": (lambda r: replace(r, deadline_s=NAN), "deadline"),
    "no letterbox": (lambda r: replace(r, letterbox=None), "only a probe has none"),
    "width 0": (lambda r: letterbox(r, image_width=0), "image_width is 0"),
    "height": (lambda r: letterbox(r, image_height=2**32 - 1), "image_height"),
    "scale_x 0": (lambda r: letterbox(r, scale_x=0.0), "scale_x"),
    "scale_y NaN": (lambda r: letterbox(r, scale_y=NAN), "scale_y is nan"),
    "pad_x NaN": (lambda r: letterbox(r, pad_x=NAN), "pad_x is nan"),
    "pad_y inf": (lambda r: letterbox(r, pad_y=-INF), "pad_y is -inf"),
}
#: Errors that only the codec itself can detect. Its decode() rejects them before it takes memory.
BY_CODEC = ("too short", "no data", "a scale")


@pytest.mark.parametrize("name", BAD)
def test_invariant_3_what_does_not_fit_the_model_is_refused_with_a_reason(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, said = BAD[name]
    bad = change(request())
    gate.let_go()
    if name not in BY_CODEC:
        monkeypatch.setattr(type(get_codec("uint8")), "decode", _never)
    monkeypatch.setattr(small_engine(), "run_back", _never)
    gate.server.submit(bad)
    reply = gate.replies.get(timeout=LONG_S)
    assert reply.feedback.key == bad.key
    assert reply.feedback.status is Status.INVALID
    assert said in reply.feedback.error
    assert "\n" not in reply.feedback.error
    assert reply.detections is None
    assert (gate.server.counts.requests, gate.server.counts.refused) == (1, 1)


def _never(*_: object) -> None:
    pytest.fail("it was worked on")


def test_a_wrong_fingerprint_is_a_mismatch_that_names_what_is_served(gate: Gate) -> None:
    gate.server.submit(replace(request(), fingerprint="0" * 64))
    feedback = gate.get()
    assert feedback.status is Status.MODEL_MISMATCH
    assert "000000000000" in feedback.error
    assert f"small ({small_engine().fingerprint[:12]})" in feedback.error


def test_refusing_takes_no_memory(gate: Gate) -> None:
    data = memoryview(array("B", bytes(32 << 20)))
    bad = tensor(request(), data=data, shape=(1, 3, 2048, 5461))
    tracemalloc.start()
    try:
        gate.server.submit(bad)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert gate.get().status is Status.INVALID
    assert peak < 100_000


def test_a_probe_is_answered_at_once_unless_it_is_too_large(gate: Gate) -> None:
    gate.occupy()
    for size, status in ((0, Status.OK), (MAX_PROBE_BYTES, Status.OK), (MAX_PROBE_BYTES + 1, Status.INVALID)):
        data = memoryview(bytes(size))
        probe = EncodedTensor(name="probe", dtype="uint8", shape=(max(1, size),), codec="uint8", data=data)
        gate.server.submit(Request(Key("robot", 7, 1, Kind.PROBE), None, "", 0, (probe,), None, 0.0, 0.0))
        feedback = gate.get()
        assert (feedback.key.kind, feedback.status) == (Kind.PROBE, status)
        assert feedback.compute_s == 0.0


@pytest.mark.parametrize("p", range(small_engine().on_device))
def test_good_requests_are_answered_with_detections_and_durations(gate: Gate, p: int) -> None:
    gate.let_go()
    gate.server.submit(request(p=p))
    reply = gate.replies.get(timeout=LONG_S)
    assert reply.feedback.status is Status.OK and reply.feedback.error == ""
    assert reply.header == "header"
    assert reply.detections is not None and len(reply.detections) == 1
    spent = (reply.feedback.queue_s, reply.feedback.decode_s, reply.feedback.compute_s, reply.feedback.postprocess_s)
    assert all(seconds >= 0.0 for seconds in spent) and reply.feedback.compute_s > 0.0
    assert reply.feedback.edge_s == pytest.approx(sum(spent))


def test_a_newer_frame_of_a_robot_takes_the_place_of_its_older_one(gate: Gate) -> None:
    gate.occupy()
    gate.server.submit(request(1))
    gate.server.submit(request(1, kind=Kind.SAMPLE))
    gate.server.submit(request(1, robot="another"))
    assert gate.server.queue_length == 3
    gate.server.submit(request(2))
    feedback = gate.get()
    assert (feedback.key.sequence, feedback.key.robot_id, feedback.key.kind) == (1, "robot", Kind.FRAME)
    assert feedback.status is Status.OVERLOADED and "newer" in feedback.error
    gate.let_go()
    answered = [gate.get() for _ in range(4)]
    assert all(one.status is Status.OK for one in answered)
    assert [(one.key.robot_id, one.key.sequence, one.key.kind.name) for one in answered] == [
        ("other", 99, "FRAME"),
        ("robot", 2, "FRAME"),
        ("another", 1, "FRAME"),
        ("robot", 1, "SAMPLE"),
    ]


def test_a_full_queue_refuses(gate: Gate) -> None:
    gate.occupy()
    for robot in "abc":
        gate.server.submit(request(robot=robot))
    gate.server.submit(request(robot="d"))
    feedback = gate.get()
    assert (feedback.key.robot_id, feedback.status) == ("d", Status.OVERLOADED)
    assert "full" in feedback.error


def test_what_would_come_too_late_behind_others_is_refused_at_once(gate: Gate) -> None:
    gate.open.release()
    gate.occupy()
    assert gate.get().status is Status.OK
    gate.occupy()
    gate.server.submit(replace(request(1), deadline_s=1e-6))
    feedback = gate.get()
    assert feedback.status is Status.OVERLOADED and "overloaded" in feedback.error
    gate.server.submit(replace(request(2), deadline_s=LONG_S))
    gate.let_go()
    assert [gate.get().key.sequence for _ in range(2)] == [99, 2]


def test_stopping_answers_what_is_worked_on_and_refuses_what_waits(gate: Gate) -> None:
    gate.occupy()
    gate.server.submit(request(1))
    stopper = threading.Thread(target=gate.server.stop)
    stopper.start()
    refused = gate.get()
    assert refused.status is Status.OVERLOADED and "shutting down" in refused.error
    gate.let_go()
    assert gate.get().status is Status.OK
    stopper.join(LONG_S)
    gate.server.submit(request(2))
    assert "shutting down" in gate.get().error


def test_a_back_end_that_fails_is_said_and_the_next_request_served(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.let_go()
    engine = small_engine()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_back", _fail)
        gate.server.submit(request(1))
        feedback = gate.get()
    assert feedback.status is Status.FAILED and "no memory left" in feedback.error
    gate.server.submit(request(2))
    assert gate.get().status is Status.OK


def _fail(*_: object) -> None:
    raise RuntimeError("no memory left")


def test_an_answer_that_cannot_be_sent_does_not_end_the_worker(gate: Gate) -> None:
    gate.let_go()
    send = gate.send
    failed = threading.Event()

    def fail(reply: Reply) -> None:
        gate.send = send
        failed.set()
        raise OSError("the publisher is gone")

    gate.send = fail
    gate.server.submit(request(1))
    assert failed.wait(LONG_S)
    gate.server.submit(request(2))
    assert gate.get().key.sequence == 2
    assert any("the publisher is gone" in problem for problem in gate.problems)


def test_the_load_is_the_share_of_the_last_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    engine = small_engine()
    server = EdgeServer({engine.fingerprint: engine}, replies.put, on_problem=print, clock=lambda: now_s[0])
    decode = engine.decode

    def slow(point: int, encoded: Sequence[EncodedTensor]) -> tuple[torch.Tensor, ...]:
        now_s[0] += 0.25
        return decode(point, encoded)

    monkeypatch.setattr(engine, "decode", slow)
    server.start()
    for sequence in (1, 2):
        server.submit(request(sequence))
        replies.get(timeout=LONG_S)
    server.stop()
    assert server.load() == pytest.approx(0.5)
    now_s[0] = 101.0
    assert server.load() == pytest.approx(0.5)
    now_s[0] = 101.25
    assert server.load() == pytest.approx(0.25)
    now_s[0] = 200.0
    assert server.load() == 0.0
