# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Invariant 6 at the edge: what it holds of a stream is what the robot believes it holds, or it refuses the request."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import SIDE, picture, small_engine
from stream_codec import NAME, Difference, Speaker, register

from neurosurgeon_ros import codecs
from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.edge.streams import MOST_REASONS, Diverged, NotHeld, StreamStore
from neurosurgeon_ros.protocol.requests import Request

#: Bytes that a stream of each partition point holds.
INPUT_BYTES, POOL_BYTES = 3 * SIDE * SIDE, 8 * (SIDE // 4) ** 2


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def make_store(memory_bytes: int = 1 << 20) -> StreamStore:
    return StreamStore(memory_bytes)


def decode(store: StreamStore, request: Request) -> int:
    """Decode a request, and return the frame that is held."""
    tensors, held = store.decode(request, small_engine())
    assert len(tensors) == 1
    return held


def refused(store: StreamStore, request: Request) -> NotHeld:
    """Return why a request is refused because of its reference."""
    with pytest.raises(NotHeld) as caught:
        store.decode(request, small_engine())
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_chain_is_decoded_to_what_was_encoded() -> None:
    store, robot = make_store(), Speaker(small_engine())
    for number in (1, 2, 5, 6, 9):
        request = robot.frame(number, picture(number), key=number == 1)
        (tensor,), held = store.decode(request, small_engine())
        assert held == store.held(request) == number
        assert torch.equal(tensor, small_engine().model.preprocess(picture(number))[0])
        tensor.fill_(0)  # what a decoder gives shares no memory with what it holds
    assert (store.counts.held, store.counts.held_bytes, store.counts.keys) == (1, INPUT_BYTES, 1)
    assert store.counts.not_held == store.counts.diverged == store.counts.evicted == 0


def test_what_was_never_held_is_refused() -> None:
    store, robot = make_store(), Speaker(small_engine())
    robot.frame(1, picture(1), key=True)
    problem = refused(store, robot.frame(2, picture(2)))
    assert problem.held == 0
    assert str(problem) == "frame 2 builds on frame 1, the edge holds nothing of this stream"
    assert store.counts.not_held == 1 and store.counts.held == 0


@pytest.mark.parametrize(
    "changes",
    [{"robot_id": "another"}, {"session": 8}],
    ids=["another robot's", "of a session that ended"],
)
def test_a_stream_of_another_robot_or_session_is_not_found(changes: dict[str, object]) -> None:
    store, robot = make_store(), Speaker(small_engine())
    decode(store, robot.frame(1, picture(1), key=True))
    stolen = robot.frame(2, picture(2))
    assert refused(store, replace(stolen, key=replace(stolen.key, **changes))).held == 0  # type: ignore[arg-type]
    assert decode(store, stolen) == 2


def test_a_lost_frame_is_noticed_and_a_key_begins_again() -> None:
    store, robot = make_store(), Speaker(small_engine())
    decode(store, robot.frame(1, picture(1), key=True))
    robot.frame(2, picture(2))
    for number in (3, 4):
        problem = refused(store, robot.frame(number, picture(number)))
        assert problem.held == 1 and f"builds on frame {number - 1}, the edge holds frame 1" in str(problem)
    assert decode(store, robot.frame(5, picture(5), key=True)) == 5
    assert decode(store, robot.frame(6, picture(6))) == 6


@pytest.mark.parametrize("key", [True, False])
def test_a_frame_that_comes_twice_or_late_is_refused_and_harms_nothing(key: bool) -> None:
    store, robot = make_store(), Speaker(small_engine())
    first = robot.frame(1, picture(1), key=True)
    second = robot.frame(2, picture(2), key=key)
    decode(store, first)
    decode(store, second)
    for again in (second, first):
        assert refused(store, again).held == 2
    assert decode(store, robot.frame(3, picture(3))) == 3


def test_reordered_frames_are_refused_once() -> None:
    store, robot = make_store(), Speaker(small_engine())
    first, second, third = (robot.frame(number, picture(number), key=number == 1) for number in (1, 2, 3))
    decode(store, first)
    assert refused(store, third).held == 1
    assert decode(store, second) == 2
    assert decode(store, third) == 3, "it comes again once its reference is held"


def test_a_wrong_checksum_is_counted_and_the_stream_dropped() -> None:
    store, robot = make_store(), Speaker(small_engine())
    decode(store, robot.frame(1, picture(1), key=True))
    bad = robot.frame(2, picture(2))
    with pytest.raises(Diverged, match=f"the robot says {bad.checksum ^ 1:08x}"):
        store.decode(replace(bad, checksum=bad.checksum ^ 1), small_engine())
    assert (store.counts.diverged, store.counts.held, store.counts.held_bytes) == (1, 0, 0)
    problem = refused(store, robot.frame(3, picture(3)))
    assert problem.held == 0 and "its checksum was wrong" in str(problem)
    assert decode(store, robot.frame(4, picture(4), key=True)) == 4


def test_bytes_that_are_no_difference_drop_the_stream() -> None:
    store, robot = make_store(), Speaker(small_engine())
    decode(store, robot.frame(1, picture(1), key=True))
    bad = robot.frame(2, picture(2))
    with pytest.raises(CodecError):
        store.decode(replace(bad, tensors=(replace(bad.tensors[0], data=memoryview(b"nothing")),)), small_engine())
    assert "could not be decoded" in str(refused(store, robot.frame(3, picture(3))))


def test_a_codec_that_fails_drops_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Difference):
        def decoder(self, spec: object) -> object:  # type: ignore[override]
            raise MemoryError("no memory left")

    monkeypatch.setitem(codecs._STREAMS, NAME, Failing())
    store = make_store()
    with pytest.raises(MemoryError):
        store.decode(Speaker(small_engine()).frame(1, picture(1), key=True), small_engine())
    assert store.counts.held == 0


def test_the_stream_that_was_not_used_for_the_longest_time_goes_first_and_its_robot_is_told() -> None:
    store = make_store(2 * INPUT_BYTES + INPUT_BYTES // 2)
    robots = {name: Speaker(small_engine(), robot=name) for name in ("a", "b", "c")}
    for name in ("a", "b"):
        decode(store, robots[name].frame(1, picture(1), key=True))
    decode(store, robots["a"].frame(2, picture(2)))
    decode(store, robots["c"].frame(1, picture(1), key=True))
    assert store.counts.evicted == 1 and store.counts.held == 2
    problem = refused(store, robots["b"].frame(2, picture(2)))
    assert problem.held == 0 and "evicted" in str(problem) and "stream_memory_mib" in str(problem)
    assert decode(store, robots["a"].frame(3, picture(3))) == 3
    assert decode(store, robots["b"].frame(3, picture(3), key=True)) == 3


def test_a_stream_that_is_larger_than_the_memory_is_served_by_keys_and_drops_no_other() -> None:
    store = make_store(INPUT_BYTES - 1)
    small, large = Speaker(small_engine(), robot="small", p=1), Speaker(small_engine(), robot="large")
    decode(store, small.frame(1, picture(1), key=True))
    for number in (1, 2):
        assert decode(store, large.frame(number, picture(number), key=True)) == 0
    assert decode(store, small.frame(2, picture(2))) == 2
    assert store.counts.held == 1


def test_a_robot_that_leaves_takes_its_streams_along() -> None:
    store = make_store()
    for robot in ("a", "b"):
        for p in (0, 1):
            decode(store, Speaker(small_engine(), robot=robot, p=p).frame(1, picture(1), key=True))
    assert (store.counts.held, store.counts.held_bytes) == (4, 2 * (INPUT_BYTES + POOL_BYTES))
    store.forget("a")
    assert (store.counts.held, store.counts.held_bytes) == (2, INPUT_BYTES + POOL_BYTES)
    store.forget("nobody")


def test_the_reasons_of_dropped_streams_are_bounded() -> None:
    store = make_store(0)
    request = Speaker(small_engine()).frame(1, picture(1), key=True)
    for session in range(MOST_REASONS + 10):
        assert decode(store, replace(request, key=replace(request.key, session=session))) == 0
    assert len(store._reasons) == MOST_REASONS


@settings(deadline=None, max_examples=40)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([0, 1]),
            st.sampled_from(["sent", "sent", "sent", "lost", "twice", "wrong checksum", "old"]),
        ),
        max_size=40,
    ),
    streams=st.floats(0.3, 4.0),
)
def test_two_robots_with_alternating_arms_hold_what_they_believe_within_the_memory(
    events: list[tuple[str, int, str]], streams: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        register(monkeypatch)
        memory = int(streams * INPUT_BYTES)
        store = make_store(memory)
        robots = {(name, p): Speaker(small_engine(), robot=name, p=p) for name in "ab" for p in (0, 1)}
        due = dict.fromkeys(robots, True)
        old: Request | None = None
        for number, (name, p, event) in enumerate(events, start=1):
            robot = robots[name, p]
            request = robot.frame(number, picture(number), key=due[name, p])
            due[name, p] = False
            if event == "lost":
                continue
            sent = replace(request, checksum=request.checksum ^ 1) if event == "wrong checksum" else request
            try:
                (tensor,), held = store.decode(sent, small_engine())
            except (NotHeld, Diverged):
                due[name, p] = True
            else:
                assert event != "wrong checksum"
                due[name, p] = held != number
                low, step = robot._encoder._range
                codes = robot.codes().reshape(tensor.permute(0, 2, 3, 1).shape)
                values = codes if p == 0 else (codes.astype(np.float32) * step + low).astype(np.float32)
                assert np.array_equal(tensor.permute(0, 2, 3, 1).numpy(), values), "bit for bit"
            again = {"twice": request, "old": old}.get(event)
            if again is not None:
                with suppress(NotHeld, Diverged):
                    store.decode(again, small_engine())
            old = request
            assert store.counts.held_bytes <= memory
