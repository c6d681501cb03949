# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Work that may wait begins only in gaps."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from neurosurgeon_ros.robot.auto_calibration.idle_time import SHARE, STARVED_S, Closed, IdleTime

LONG_S = 30.0


class Clock:
    """A clock that a test sets; it runs on with each look, so that waiting ends."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += 1e-3
        return self.now_s


class Quick(IdleTime):
    """Idle time on a clock that a test sets: it looks at the clock again at once."""

    def _pause_s(self, now_s: float) -> float:
        return 0.0


def camera(idle: IdleTime, clock: Clock, period_s: float) -> None:
    """Let images arrive until the period is known."""
    for _ in range(5):
        clock.now_s += period_s
        idle.arrived()


def unit(idle: IdleTime, clock: Clock, kind: str, seconds: float) -> float:
    """Do a unit of work; return when it began."""
    idle.wait(kind)
    begin_s = clock.now_s
    clock.now_s += seconds
    idle.end_unit()
    return begin_s


def in_thread(step: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run a step in a thread; return the thread and what the step raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            step()
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


def test_a_unit_that_would_not_end_before_the_next_image_waits_for_a_gap_after_it() -> None:
    clock = Clock()
    idle = Quick(clock)
    unit(idle, clock, "long", 0.03)
    camera(idle, clock, 0.1)
    clock.now_s += 0.05  # 50 ms are left
    begin_s = clock.now_s
    assert unit(idle, clock, "long", 0.03) >= begin_s + 0.05
    idle.arrived()
    clock.now_s += 0.02
    begin_s = clock.now_s
    assert unit(idle, clock, "long", 0.03) < begin_s + 0.01


def test_a_unit_waits_until_the_frame_is_finished() -> None:
    idle = IdleTime()
    idle.wait("unit")
    idle.begin_work()
    thread, raised = in_thread(lambda: idle.wait("unit"))
    thread.join(0.05)
    assert thread.is_alive()
    idle.end_work()
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert raised == []
    assert not idle.starved


def test_the_wait_for_the_edge_is_idle_time() -> None:
    idle = IdleTime()
    idle.begin_work()
    with idle.meanwhile():
        thread, _ = in_thread(lambda: idle.wait("unit"))
        thread.join(LONG_S)
        assert not thread.is_alive()
    thread, _ = in_thread(lambda: idle.wait("unit"))
    thread.join(0.05)
    assert thread.is_alive()
    idle.end_work()
    thread.join(LONG_S)


def test_a_robot_that_is_never_idle_gives_a_small_share() -> None:
    clock = Clock()
    idle = Quick(clock)
    unit(idle, clock, "unit", 0.02)
    idle.wait("unit")
    idle.begin_work()
    begin_s = clock.now_s
    units = 0
    while clock.now_s < begin_s + STARVED_S + 10.0:
        idle.wait("unit")
        clock.now_s += 0.02
        units += 1
    assert idle.starved
    assert 0 < units * 0.02 <= SHARE * 11.0
    idle.end_work()
    idle.wait("unit")
    assert not idle.starved


def test_a_camera_that_stops_does_not_stop_the_work() -> None:
    clock = Clock()
    idle = Quick(clock)
    unit(idle, clock, "unit", 0.05)
    camera(idle, clock, 0.1)
    clock.now_s += 1000.0
    begin_s = clock.now_s
    assert unit(idle, clock, "unit", 0.05) < begin_s + 0.01


@pytest.mark.parametrize("busy", [True, False])
def test_closing_ends_every_wait(busy: bool) -> None:
    idle = IdleTime()
    if busy:
        idle.begin_work()
    thread, raised = in_thread(lambda: idle.rest(LONG_S))
    idle.close()
    thread.join(LONG_S)
    assert [type(one) for one in raised] == [Closed]
    with pytest.raises(Closed):
        idle.wait("unit")
    with pytest.raises(Closed):
        idle.rest(0.0)
    idle.wait_briefly()
