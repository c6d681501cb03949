# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The queue in front of a recorded link, on a clock of the test's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from testbed.link_queue import Capacity, LinkQueue

from neurosurgeon_ros.simulation.uplink import UplinkByTime

#: 1,000, 0 and 2,000 bytes in 100 ms each.
RATES = (0.08, 0.0, 0.16)


def drained(queue: LinkQueue, until_s: float) -> list[tuple[float, int]]:
    """Take every packet when it is due; returns times and sizes."""
    left = []
    while queue.due_s <= until_s:
        now_s = queue.due_s
        left += [(round(now_s, 6), len(packet)) for packet in queue.take(now_s)]
    return left


def test_the_capacity_follows_the_rates_and_repeats() -> None:
    capacity = Capacity(RATES, 0.1)
    passed = [round(capacity.passed(seconds), 6) for seconds in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.65)]
    assert passed == [0.0, 500.0, 1000.0, 1000.0, 1000.0, 2000.0, 3000.0, 3500.0, 6500.0]
    times = [round(capacity.seconds(size), 6) for size in (0.0, 500.0, 1000.0, 2000.0, 3000.0, 3500.0, 6000.0)]
    assert times == [0.0, 0.05, 0.1, 0.25, 0.3, 0.35, 0.6], "each is the earliest time, before an outage"


def test_the_capacity_is_that_of_the_simulators_uplink() -> None:
    rng = np.random.default_rng(3)
    mbps = np.where(rng.random(200) < 0.3, 0.0, rng.exponential(2.0, 200))
    mbps[-1] = 1.0
    capacity, uplink = Capacity(mbps.tolist(), 0.1), UplinkByTime(mbps, 0.1)
    for start_s, size in zip(rng.uniform(0.0, 15.0, 300), rng.uniform(100.0, 1e5, 300), strict=True):
        expected_s = float(uplink.end_s(0, start_s, size))
        if expected_s < 20.0:
            assert capacity.seconds(capacity.passed(start_s) + size) == pytest.approx(expected_s, abs=1e-9)


def test_packets_leave_one_after_another_and_wait_through_an_outage() -> None:
    queue = LinkQueue(RATES, 0.1, 10_000, now_s=5.0)
    for _ in range(3):
        assert queue.put(bytes(500), 5.0)
    assert drained(queue, 6.0) == [(5.05, 500), (5.1, 500), (5.225, 500)]
    assert queue.due_s == math.inf
    assert (queue.passed, queue.passed_bytes, queue.dropped) == (3, 1500, 0)


def test_an_idle_link_saves_nothing() -> None:
    queue = LinkQueue(RATES, 0.1, 10_000, now_s=0.0)
    assert queue.take(0.25) == []
    queue.put(bytes(1000), 0.25)
    queue.put(bytes(100), 0.26)
    assert drained(queue, 1.0) == [(0.3, 1000), (0.31, 100)]


def test_a_packet_that_is_taken_late_does_not_delay_the_next() -> None:
    queue = LinkQueue((0.08,), 0.1, 10_000, now_s=0.0)
    queue.put(bytes(500), 0.0)
    queue.put(bytes(500), 0.0)
    assert len(queue.take(0.07)) == 1
    assert round(queue.due_s, 6) == 0.1
    assert len(queue.take(0.3)) == 1


def test_a_full_queue_drops_the_newest() -> None:
    queue = LinkQueue(RATES, 0.1, 1200, now_s=0.0)
    assert [queue.put(bytes(500), 0.0) for _ in range(3)] == [True, True, False]
    assert queue.dropped == 1
    queue.take(0.05)
    assert queue.put(bytes(500), 0.05), "the first has left"


def test_packets_that_wait_stay_when_the_rates_change() -> None:
    queue = LinkQueue((0.08,), 0.1, 10_000, now_s=0.0)
    queue.put(bytes(1000), 0.0)
    queue.put(bytes(1000), 0.0)
    queue.follow((0.16,), 0.1, 10_000, now_s=0.05)  # 500 bytes of the first are through
    assert drained(queue, 1.0) == [(0.075, 1000), (0.125, 1000)]


def test_a_sender_that_keeps_the_link_busy_gets_what_was_recorded() -> None:
    rng = np.random.default_rng(5)
    mbps = np.where(rng.random(100) < 0.2, 0.0, rng.exponential(2.0, 100)).tolist()
    queue, capacity, received, now_s = LinkQueue(mbps, 0.1, 50_000, now_s=0.0), Capacity(mbps, 0.1), 0, 0.0
    while now_s < 10.0:
        received += sum(map(len, queue.take(now_s)))
        while queue.put(bytes(1442), now_s):
            pass
        now_s += 0.003
        assert received <= capacity.passed(now_s)
        assert received >= capacity.passed(now_s - 0.006) - 1442
