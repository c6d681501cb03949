# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The queue of an edge whose back-end has several workers: waiting times, promised rates and equal shares."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fleet import Fleet, Member, jain
from robots import small_engine

from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.load import Load
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.edge.worker_times import WorkerTimes
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Key, Request

BEGIN_S, END_S = 4.0, 14.0


def waiting(robot: str, *, deadline_s: float = 0.0, sequence: int = 1, p: int = 0) -> Waiting:
    key = Key(robot, 7, sequence, Kind.FRAME)
    request = Request(key, None, small_engine().fingerprint, p, (), None, 0.0, 0.0, deadline_s=deadline_s)
    return Waiting(request, small_engine(), 0.0)


def make_queue(workers: int, cost_s: float = 0.1, sizes: Sequence[int] = ()) -> FairQueue:
    queue = FairQueue(64, lambda _: sizes)
    queue.workers = workers
    queue.times.took(waiting("x").request, cost_s)
    return queue


@pytest.mark.parametrize(
    ("workers", "busy_s", "free_s"),
    [(1, (), 0.0), (1, (0.3,), 0.3), (2, (0.3,), 0.0), (2, (0.3, 0.2), 0.2), (1, (0.1, 0.1), 0.2), (2, (1, 1, 1), 1)],
)
def test_a_request_waits_for_the_worker_that_is_free_first(
    workers: int, busy_s: tuple[float, ...], free_s: float
) -> None:
    assert WorkerTimes(workers, busy_s).next()[0] == pytest.approx(free_s)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_as_many_requests_are_in_time_as_the_workers_can_answer(workers: int) -> None:
    """Each takes 100 ms and has 250; all workers are busy for 40 more, so each worker can answer two."""
    queue = make_queue(workers)
    busy_s = (0.04,) * workers
    refused = [queue.put(waiting(f"r{n}", deadline_s=0.25), busy_s=busy_s) for n in range(3 * workers)]
    assert [len(one) for one in refused] == [0] * (2 * workers) + [1] * workers


def test_a_request_is_never_late_for_an_idle_worker() -> None:
    queue = make_queue(2)
    assert queue.put(waiting("a", deadline_s=0.01), busy_s=(5.0,)) == []
    (refusal,) = queue.put(waiting("b", deadline_s=0.01), busy_s=(5.0,))
    assert "1 requests before it take 100 ms" in refusal.reason


@pytest.mark.parametrize(("workers", "busy_s", "taken"), [(1, (), 4), (2, (), 2), (2, (0.1,), 4), (4, (), 1)])
def test_requests_share_a_run_only_if_no_idle_worker_is_left_for_them(
    workers: int, busy_s: tuple[float, ...], taken: int
) -> None:
    queue = make_queue(workers, sizes=(4, 2))
    for size in (2, 4):
        queue.times.took(waiting("x").request, 0.11, size)
    for robot in "abcd":
        assert queue.put(waiting(robot), busy_s=(0.1,) * workers) == []
    batch, _ = queue.take(0.0, busy_s)
    assert len(batch) == taken


@pytest.mark.parametrize("workers", [2, 3])
def test_equal_robots_get_equal_shares_of_all_workers(workers: int) -> None:
    members = [Member(f"r{n}", phase_s=0.007 * n, deadline_s=0.1 + 0.05 * (n % 3)) for n in range(3 * workers)]
    Fleet(members, workers=workers).run(END_S)
    seconds = [member.cost_s * member.services(BEGIN_S, END_S) for member in members]
    assert jain(seconds) >= 0.98
    assert sum(seconds) >= 0.85 * workers * (END_S - BEGIN_S), "the workers are used"
    assert max(member.most_in_row for member in members) <= 3


def test_the_promised_rates_are_what_all_workers_can_answer() -> None:
    members = [Member(f"r{n}", phase_s=0.007 * n, deadline_s=0.3) for n in range(8)]
    Fleet(members, workers=2).run(END_S)
    assert sum(member.rates[-1] for member in members) == pytest.approx(2 / 0.04, rel=0.2)


def test_a_second_worker_leaves_nobody_limited_if_it_suffices() -> None:
    members = [Member(f"r{n}", phase_s=0.02 * n, deadline_s=0.2, period_s=0.1) for n in range(3)]
    Fleet(members, workers=2).run(END_S)
    assert [member.services(BEGIN_S, END_S) for member in members] == [pytest.approx(100, abs=2)] * 3


def test_the_charge_of_each_run_is_corrected_though_others_began_after_it() -> None:
    queue = make_queue(2)
    for robot in "ab":
        queue.put(waiting(robot), busy_s=())
    first, _ = queue.take(0.0)
    queue.times.took(waiting("x").request, 0.5)  # what the second one is charged
    second, _ = queue.take(0.0, (0.1,))
    for batch in (first, second):
        queue.ended(batch, 0.1, 0.1)
    assert queue.shares.of("a").tag == pytest.approx(queue.shares.of("b").tag)


def test_the_load_is_that_of_all_workers() -> None:
    load = Load()
    load.add(0.0, 0.5)
    load.add(0.0, 0.5)
    assert (load.share(0.5), load.share(0.5, 2), load.share(0.5, 4)) == (1.0, 0.5, 0.25)
