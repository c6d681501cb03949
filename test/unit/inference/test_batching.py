# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests of several robots in one batch: which ones, when, and that each gets its own answer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from robots import LONG_S, SIDE, equal, picture, small_engine, small_model, whole
from torch import nn

from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.places.local import LocalPlace
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.inference import batching as module
from neurosurgeon_ros.inference.batching import Batching, try_batches
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections, load_model
from neurosurgeon_ros.protocol.requests import Key, Reply, Request, Status

IDLE = ()
EVERYWHERE = Batching({p: {2: 1.5, 4: 2.0} for p in range(9)})


def waiting(robot: str, *, kind: Kind = Kind.FRAME, deadline_s: float = 0.0, p: int = 0) -> Waiting:
    """Return a request that arrived at 0 s; its tensors do not matter here."""
    engine = small_engine()
    request = Request(Key(robot, 7, 1, kind), None, engine.fingerprint, p, (), None, 0.0, 0.0, deadline_s=deadline_s)
    return Waiting(request, engine, 0.0)


def backlog_of(*those: Waiting, single_s: float = 0.1, batch_s: dict[int, float] | None = None) -> FairQueue:
    """Return a queue with these requests, which knows the duration of each point alone and in a batch."""
    queue = FairQueue(8, lambda request: EVERYWHERE.sizes(request.partition_point))
    for p in range(3):
        queue.times.took(waiting("any", p=p).request, single_s)
        for size, seconds in ({2: 0.15, 4: 0.2} if batch_s is None else batch_s).items():
            queue.times.took(waiting("any", p=p).request, seconds, size)
    for one in those:
        request = one.request
        one.request = replace(request, deadline_s=0.0)  # a deadline that cannot be met in turn is refused at once
        assert queue.put(one, busy_s=IDLE) == []
        one.request = request
    return queue


def taken(queue: FairQueue, now_s: float = 0.0) -> list[str]:
    batch, refused = queue.take(now_s)
    assert refused == []
    return [one.request.key.robot_id + ("s" if one.request.key.kind is Kind.SAMPLE else "") for one in batch]


def drain(queue: FairQueue) -> list[list[str]]:
    batches = []
    while len(queue):
        batches.append(taken(queue))
    return batches


def test_what_waits_for_the_same_back_end_goes_together() -> None:
    assert drain(backlog_of(waiting("a"), waiting("b"))) == [["a", "b"]]


def test_only_sizes_that_are_worth_it_are_used() -> None:
    assert drain(backlog_of(*(waiting(robot) for robot in "abcdefg"))) == [["a", "b", "c", "d"], ["e", "f"], ["g"]]


def test_other_partition_points_stay_in_turn() -> None:
    queue = backlog_of(waiting("a"), waiting("b", p=1), waiting("c"), waiting("d", p=1))
    assert drain(queue) == [["a", "c"], ["b", "d"]]


def test_of_each_robot_the_frame_goes_first_and_nothing_shares_a_back_end_with_its_own_robot() -> None:
    queue = backlog_of(waiting("a"), waiting("a", kind=Kind.SAMPLE), waiting("b", p=1))
    assert queue.put(waiting("b", kind=Kind.SAMPLE), busy_s=IDLE) == []
    assert drain(queue) == [["a"], ["b"], ["as", "bs"]]


def test_who_has_shared_comes_again_after_the_others() -> None:
    queue = backlog_of(
        waiting("a"),
        waiting("a", kind=Kind.SAMPLE),
        waiting("b", p=1),
        waiting("c"),
        waiting("c", kind=Kind.SAMPLE, p=2),
    )
    assert drain(queue) == [["a", "c"], ["b"], ["as"], ["cs"]]


@pytest.mark.parametrize(("deadline_s", "together"), [(0.16, True), (0.14, False), (0.0, True)])
@pytest.mark.parametrize("whose", "ab")
def test_nobody_is_late_for_being_in_a_batch(deadline_s: float, together: bool, whose: str) -> None:
    queue = backlog_of(*(waiting(robot, deadline_s=deadline_s if robot == whose else 9.0) for robot in "ab"))
    assert (taken(queue) == ["a", "b"]) is together


@pytest.mark.parametrize(("deadline_s", "together"), [(0.26, True), (0.24, False), (0.0, True), (0.15, True)])
def test_nobody_is_late_for_being_overtaken_but_who_is_late_anyway(deadline_s: float, together: bool) -> None:
    queue = backlog_of(waiting("a"), waiting("b", p=1, deadline_s=deadline_s), waiting("c"))
    assert (taken(queue) == ["a", "c"]) is together


def test_a_smaller_batch_is_taken_where_a_larger_one_would_come_too_late() -> None:
    queue = backlog_of(waiting("a", deadline_s=0.19), *(waiting(robot) for robot in "bcd"))
    assert taken(queue) == ["a", "b"]


def test_a_batch_that_was_never_run_counts_as_long_as_its_requests() -> None:
    assert taken(backlog_of(waiting("a", deadline_s=0.19), waiting("b"), batch_s={})) == ["a"]
    assert taken(backlog_of(waiting("a", deadline_s=0.21), waiting("b"), batch_s={})) == ["a", "b"]


def test_where_nothing_is_known_a_deadline_is_not_risked() -> None:
    assert taken(backlog_of(waiting("a", deadline_s=5.0), waiting("b"), single_s=0.0, batch_s={})) == ["a"]
    assert taken(backlog_of(waiting("a"), waiting("b"), single_s=0.0, batch_s={})) == ["a", "b"]


def test_sizes_are_divided_into_what_is_worth_it() -> None:
    assert EVERYWHERE.sizes(0) == (4, 2)
    assert EVERYWHERE.split(0, 7) == [4, 2, 1]
    assert Batching().split(0, 3) == [1, 1, 1]
    assert EVERYWHERE.alone_s(0, 2, 0.3) == pytest.approx(0.2)
    assert EVERYWHERE.alone_s(0, 1, 0.3) == 0.3


def frame(robot: str, sequence: int = 1, p: int = 0) -> Request:
    """Return a valid request with its own picture."""
    engine = small_engine()
    x, fitted = engine.model.preprocess(picture(ord(robot) + sequence))
    tensors, point = engine.partitioned.run_front(x, p)[p], engine.partitioned.points[p]
    codec = get_codec("uint8" if p == 0 else "fp32")
    encoded = tuple(codec.encode(tensor, spec) for tensor, spec in zip(tensors, point.tensors, strict=True))
    key = Key(robot, 7, sequence, Kind.FRAME)
    return Request(key, f"header of {robot}", engine.fingerprint, p, encoded, fitted, 0.0, 0.5)


class Sharing:
    """A server that is held at its first request, so that later requests wait together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        engine = small_engine()
        self.replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.problems: list[str] = []
        self.send = self.replies.put
        self.go, self.held = threading.Event(), threading.Event()
        self.server = EdgeServer(
            {engine.fingerprint: engine},
            self.reply,
            on_problem=self.problems.append,
            place=LocalPlace({engine.fingerprint: EVERYWHERE}, clock=clock),
            clock=clock,
        )
        self.server.start()

    def reply(self, reply: Reply) -> None:
        if reply.feedback.key.robot_id == "z":
            self.held.set()
            assert self.go.wait(LONG_S)
        else:
            self.send(reply)

    def together(self, *requests: Request) -> dict[str, Reply]:
        """Submit the requests while another one is answered, and return their answers by robot."""
        self.server.submit(frame("z"))
        assert self.held.wait(LONG_S)
        for request in requests:
            self.server.submit(request)
        self.go.set()
        replies = [self.replies.get(timeout=LONG_S) for _ in requests]
        return {reply.feedback.key.robot_id: reply for reply in replies}

    def stop(self) -> None:
        self.go.set()
        self.server.stop()


@pytest.fixture
def sharing() -> Iterator[Sharing]:
    sharing = Sharing()
    yield sharing
    sharing.stop()


def close(one: Detections, other: Detections, pixels: float = 1e-3) -> bool:
    return np.array_equal(one.classes, other.classes) and np.allclose(one.boxes, other.boxes, rtol=0.0, atol=pixels)


@pytest.mark.parametrize("p", range(small_engine().on_device))
@pytest.mark.parametrize("robots", ["ab", "abcd", "abc"])
def test_each_robot_gets_what_the_whole_network_finds_in_its_own_picture(sharing: Sharing, robots: str, p: int) -> None:
    replies = sharing.together(*(frame(robot, p=p) for robot in robots))
    found = []
    for robot in robots:
        reply = replies[robot]
        assert (reply.feedback.status, reply.header) == (Status.OK, f"header of {robot}")
        assert reply.detections is not None and len(reply.detections)
        assert close(reply.detections, whole(picture(ord(robot) + 1)))
        found.append(reply.detections)
    assert not any(equal(one, other) for one in found for other in found if one is not other)
    assert sharing.server.counts.batched == len(robots) // 2 * 2


def test_a_batch_tells_each_what_it_would_have_taken_alone_and_the_rest_as_queueing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    sharing = Sharing(lambda: now_s[0])
    run = small_engine().run_back_together

    def slow(many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        now_s[0] += 0.3
        return run(many, p)

    monkeypatch.setattr(small_engine(), "run_back_together", slow)
    for reply in sharing.together(frame("a"), frame("b")).values():
        assert reply.feedback.compute_s == pytest.approx(0.3 / 1.5)
        assert reply.feedback.edge_s == pytest.approx(0.3)
    sharing.stop()


def test_a_request_that_cannot_be_decoded_does_not_spoil_the_others(sharing: Sharing) -> None:
    bad = frame("b")
    bad = replace(bad, tensors=(replace(bad.tensors[0], data=memoryview(bytes(3))),))
    replies = sharing.together(frame("a"), bad, frame("c"), frame("d"))
    assert replies["b"].feedback.status is Status.INVALID
    for robot in "acd":
        found = replies[robot].detections
        assert found is not None and close(found, whole(picture(ord(robot) + 1)))


def test_a_request_that_fails_in_a_batch_fails_alone(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = small_engine()
    marked = engine.decode(0, frame("b").tensors)[0]
    together, alone = engine.run_back_together, engine.run_back

    def fail(many: Sequence[Sequence[torch.Tensor]], p: int) -> Any:
        if any(torch.equal(tensors[0], marked) for tensors in many):
            raise RuntimeError("no memory left")
        return together(many, p)

    def fail_alone(tensors: Sequence[torch.Tensor], p: int) -> Any:
        if torch.equal(tensors[0], marked):
            raise RuntimeError("no memory left")
        return alone(tensors, p)

    monkeypatch.setattr(engine, "run_back_together", fail)
    monkeypatch.setattr(engine, "run_back", fail_alone)
    replies = sharing.together(frame("a"), frame("b"))
    assert replies["b"].feedback.status is Status.FAILED and "no memory left" in replies["b"].feedback.error
    found = replies["a"].detections
    assert found is not None and close(found, whole(picture(ord("a") + 1)))


def test_an_answer_that_cannot_be_sent_costs_nobody_else_theirs(sharing: Sharing) -> None:
    put = sharing.replies.put

    def fail(reply: Reply) -> None:
        if reply.feedback.key.robot_id == "a":
            put(replace(reply, header="lost"))
            raise OSError("the publisher is gone")
        put(reply)

    sharing.send = fail
    replies = sharing.together(frame("a"), frame("b"))
    assert replies["a"].header == "lost" and replies["b"].header == "header of b"
    assert any("the publisher is gone" in problem for problem in sharing.problems)


def engine_of(network: nn.Module) -> Engine:
    return Engine(replace(small_model(), network=network.eval().requires_grad_(False)), keep_all=True)


class Flattened(nn.Module):
    """A network whose graph contains the batch size: a view gets the size of the example."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.linear = nn.Linear(2 * SIDE * SIDE, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.conv(image.float() / 255)
        return self.linear(maps.contiguous().view(maps.size(0), -1))


class Mixing(nn.Module):
    """A network that mixes the whole batch, because it assumes a batch size of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.conv(image.float() / 255)
        return maps / maps.max()


class Picked(nn.Module):
    """A network that returns only the first image of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image.float() / 255)[0]


@pytest.mark.parametrize("network", [Flattened, Mixing, Picked])
def test_a_network_that_cannot_be_batched_runs_alone(network: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH", 1e9)
    tried = try_batches(engine_of(network()), largest=4, longest_s=LONG_S)
    assert tried.sizes(0) == ()


def test_a_network_that_can_be_batched_is_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for worth, sizes in ((1e9, (4, 2)), (0.0, ())):
        monkeypatch.setattr(module, "WORTH", worth)
        tried = try_batches(small_engine(), largest=5, longest_s=LONG_S)
        assert [tried.sizes(p) for p in range(small_engine().on_device)] == [sizes] * small_engine().on_device
    assert try_batches(small_engine(), largest=1).stretch == {}


def test_trying_ends_in_time_and_leaves_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH", 1e9)
    before = torch.get_num_threads()
    tried = try_batches(small_engine(), largest=4, threads=before + 1, longest_s=-1.0)
    assert not any(tried.sizes(p) for p in range(small_engine().on_device))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("size", [2, 4])
def test_yolov3_tiny_finds_the_same_in_a_batch(size: int) -> None:
    model = load_model("yolov3_tiny", random_weights=True)
    engine = Engine(model)
    pictures = [picture(seed, 48, 64) for seed in range(size)]
    fitted = [model.preprocess(one) for one in pictures]
    for p in range(engine.on_device):
        fronts = [engine.partitioned.run_front(x, p)[p] for x, _ in fitted]
        together = engine.run_back_together(fronts, p)
        for outputs, (x, letterbox) in zip(together, fitted, strict=True):
            alone = model.postprocess(engine.partitioned.run_whole(x), letterbox, confidence=0.2, iou=0.45)
            shared = model.postprocess(outputs, letterbox, confidence=0.2, iou=0.45)
            assert len(alone) and close(alone, shared)
