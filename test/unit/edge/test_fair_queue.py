# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The edge's queue of waiting requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from robots import small_engine

from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.service_times import NEWEST
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Key, Request

#: Value of `busy_s` if no run is under way.
IDLE = ()


def waiting(
    robot: str, sequence: int = 1, kind: Kind = Kind.FRAME, *, deadline_s: float = 0.0, p: int = 0, session: int = 7
) -> Waiting:
    """Return a request that arrived at 0 s; its tensors do not matter here."""
    engine = small_engine()
    request = Request(
        Key(robot, session, sequence, kind), None, engine.fingerprint, p, (), None, 0.0, 0.0, deadline_s=deadline_s
    )
    return Waiting(request, engine, 0.0)


def name(one: Waiting) -> str:
    key = one.request.key
    return f"{key.robot_id}{key.sequence}{'s' if key.kind is Kind.SAMPLE else ''}"


def drain(queue: FairQueue) -> list[str]:
    """Take all requests out, and return them in order."""
    return [name(queue.take(0.0)[0][0]) for _ in range(len(queue))]


def known(service_s: float, *, max_waiting: int = 8, sizes: tuple[int, ...] = ()) -> FairQueue:
    """Return a queue that knows the duration of a request."""
    queue = FairQueue(max_waiting, lambda _: sizes)
    queue.times.took(waiting("any").request, service_s)
    return queue


def test_robots_are_served_in_turns_and_frames_before_samples() -> None:
    queue = FairQueue(8)
    for one in (waiting("a", 1, Kind.SAMPLE), waiting("a", 1), waiting("b", 5), waiting("c", 9)):
        assert queue.put(one, busy_s=IDLE) == []
    assert drain(queue) == ["a1", "b5", "c9", "a1s"]
    assert queue.take(0.0) == ([], [])


def test_what_waits_of_a_robot_that_is_gone_is_dropped() -> None:
    queue = FairQueue(2)
    for one in (waiting("a", 1), waiting("b", 5)):
        assert queue.put(one, busy_s=IDLE) == []
    queue.forget("a")
    queue.forget("nobody")
    assert queue.put(waiting("c", 9), busy_s=IDLE) == [], "its place is free"
    assert drain(queue) == ["b5", "c9"]


def test_a_robot_that_asks_more_often_gets_no_more_turns() -> None:
    queue = FairQueue(8)
    served = []
    for n in range(1, 7):
        queue.put(waiting("busy", n), busy_s=IDLE)
        queue.put(waiting("busy", n, Kind.SAMPLE), busy_s=IDLE)
        if n % 2:
            queue.put(waiting("calm", n), busy_s=IDLE)
        served.append(name(queue.take(0.0)[0][0]))
    assert served == ["busy1", "calm1", "busy3", "calm3", "busy5", "calm5"]


def test_the_newest_of_a_robot_waits_even_if_it_came_first() -> None:
    queue = FairQueue(8)
    queue.put(waiting("a", 1), busy_s=IDLE)
    (refusal,) = queue.put(waiting("a", 3), busy_s=IDLE)
    assert refusal.request.key.sequence == 1 and "took its place" in refusal.reason
    (refusal,) = queue.put(waiting("a", 2), busy_s=IDLE)
    assert refusal.request.key.sequence == 2 and "newer" in refusal.reason
    assert drain(queue) == ["a3"]


def test_several_frames_of_a_robot_wait_while_they_can_come_in_time() -> None:
    queue = known(0.1)
    for n in (1, 2, 3):
        assert queue.put(waiting("a", n, deadline_s=0.45), busy_s=(0.05,)) == []
    assert queue.put(waiting("b", 9, deadline_s=0.45), busy_s=(0.05,)) == []
    later = waiting("a", 4, deadline_s=0.45)
    later.arrived_s = 0.4  # now the first three would come too late
    assert [refusal.request.key.sequence for refusal in queue.put(later, busy_s=(0.05,))] == [1, 2, 3]
    assert drain(queue) == ["b9", "a4"]


def test_a_robot_with_several_frames_takes_no_other_robot_s_turn() -> None:
    queue = known(0.1)
    for robot, n in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)):
        assert queue.put(waiting(robot, n, deadline_s=9.0), busy_s=(0.05,)) == []
    queue.put(waiting("a", 3, Kind.SAMPLE), busy_s=(0.05,))
    assert drain(queue) == ["a1", "b1", "a2", "b2", "a3", "a3s"]


def test_a_full_queue_has_room_for_each_robot_s_first_frame() -> None:
    queue = known(0.1, max_waiting=3)
    for n in (1, 2, 3):
        queue.put(waiting("a", n, deadline_s=9.0), busy_s=(0.05,))
    (refusal,) = queue.put(waiting("a", 4, deadline_s=9.0), busy_s=(0.05,))
    assert refusal.request.key.sequence == 4 and "full" in refusal.reason
    (refusal,) = queue.put(waiting("b", 1, deadline_s=9.0), busy_s=(0.05,))
    assert refusal.request.key.sequence == 3 and "the place of this frame" in refusal.reason
    assert drain(queue) == ["a1", "b1", "a2"]


def test_a_frame_that_comes_twice_waits_once() -> None:
    queue = known(0.1)
    queue.put(waiting("a", 1, deadline_s=9.0), busy_s=(0.05,))
    assert queue.put(waiting("a", 1, deadline_s=9.0), busy_s=(0.05,)) == []
    assert drain(queue) == ["a1"]


def test_a_new_session_takes_the_place_of_the_old_one() -> None:
    queue = FairQueue(8)
    queue.put(waiting("a", 900), busy_s=IDLE)
    (refusal,) = queue.put(waiting("a", 1, session=8), busy_s=IDLE)
    assert refusal.request.key.sequence == 900
    assert drain(queue) == ["a1"]


def test_a_full_queue_spares_frames() -> None:
    queue = FairQueue(2)
    queue.put(waiting("a", 1, Kind.SAMPLE), busy_s=IDLE)
    queue.put(waiting("b"), busy_s=IDLE)
    (refusal,) = queue.put(waiting("c", 1, Kind.SAMPLE), busy_s=IDLE)
    assert refusal.request.key.robot_id == "c" and "full" in refusal.reason
    (refusal,) = queue.put(waiting("d"), busy_s=IDLE)
    assert refusal.request.key.robot_id == "a" and "sample" in refusal.reason
    (refusal,) = queue.put(waiting("e"), busy_s=IDLE)
    assert refusal.request.key.robot_id == "e" and "full" in refusal.reason
    assert drain(queue) == ["b1", "d1"]


@pytest.mark.parametrize(("deadline_s", "refused"), [(0.31, False), (0.29, True), (0.0, False)])
def test_what_would_come_too_late_is_refused_at_once(deadline_s: float, refused: bool) -> None:
    queue = known(0.1)
    queue.put(waiting("a"), busy_s=(0.1,))
    refusals = queue.put(waiting("b", deadline_s=deadline_s), busy_s=(0.1,))
    assert bool(refusals) is refused
    assert len(queue) == 2 - refused
    if refused:
        assert "overloaded: 2 requests before it take 200 ms, it takes 100, and has 290 in all" in refusals[0].reason


def test_what_finds_nothing_before_it_is_never_too_late() -> None:
    queue = known(9.0)
    one = waiting("a", deadline_s=0.1)
    assert queue.put(one, busy_s=IDLE) == []
    assert queue.take(5.0) == ([one], [])
    assert queue.put(waiting("a", deadline_s=0.1), busy_s=(0.0,)) != [], "something was begun"


def test_what_has_waited_too_long_is_refused_when_its_turn_comes() -> None:
    queue = known(0.1)
    queue.put(waiting("a", deadline_s=0.5), busy_s=(0.1,))
    queue.put(waiting("b", deadline_s=5.0), busy_s=(0.1,))
    (one,), (refusal,) = queue.take(0.45)
    assert name(one) == "b1"
    assert refusal.request.key.robot_id == "a" and "waited 450 ms" in refusal.reason


def test_service_times_are_running_means_of_each_partition_point() -> None:
    times = FairQueue(1).times
    first, second = waiting("a").request, waiting("a", p=1).request
    assert times.expected_s(first) == 0.0
    times.took(first, 1.0)
    times.took(first, 2.0)
    assert times.expected_s(first) == pytest.approx(1.0 + NEWEST)
    assert times.expected_s(second) == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.sampled_from([Kind.FRAME, Kind.SAMPLE]), st.booleans())
    ),
    st.integers(1, 4),
    st.sampled_from([(), (2,), (4, 2)]),
)
def test_every_request_is_taken_or_refused_once(
    steps: list[tuple[str, int, Kind, bool]], size: int, sizes: tuple[int, ...]
) -> None:
    queue, gone, came = known(0.1, max_waiting=size, sizes=sizes), [], []
    for now, (robot, sequence, kind, take) in enumerate(steps):
        one = waiting(robot, sequence, kind, deadline_s=0.25)
        one.arrived_s = now / 20
        waits_already = any(other.request.key == one.request.key for other in queue._lines.of(robot, kind))
        came += [] if waits_already else [one.request]
        gone += [refusal.request for refusal in queue.put(one, busy_s=(0.05,))]
        assert len(queue) <= size
        if take:
            taken, refused = queue.take(now / 20)
            gone += [refusal.request for refusal in refused] + [one.request for one in taken]
    gone += queue.clear()
    assert len(queue) == 0
    assert sorted(map(id, gone)) == sorted(map(id, came))
