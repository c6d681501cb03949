# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from neurosurgeon_ros.inference.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.mark.parametrize(
    ("speed", "work_s", "lasts_s"),
    [(0.2, 0.01, 0.05), (0.2, 0.04, 0.05), (0.2, 0.05, 0.05), (0.2, 0.3, 0.3), (0.5, 0.0, 0.02), (1.0, 0.003, 0.003)],
)
def test_a_stage_lasts_until_its_time_on_the_slower_computer_is_over_and_no_longer(
    speed: float, work_s: float, lasts_s: float
) -> None:
    clock = Clock()
    throttle = Throttle(speed, clock=clock, sleep=clock.sleep)
    with throttle.stage(0.01):
        clock.now_s += work_s
    assert clock.now_s == pytest.approx(100.0 + lasts_s)


@pytest.mark.parametrize("waits_s", [0.0, 0.01, 0.04])
def test_what_waits_for_something_else_may_take_a_part_of_the_time(waits_s: float) -> None:
    clock = Clock()
    ends: list[float] = []

    def wait(until_s: float) -> None:
        ends.append(until_s)
        clock.now_s += waits_s

    with Throttle(0.2, clock=clock, sleep=clock.sleep).stage(0.01, wait):
        clock.now_s += 0.01
    assert ends == [pytest.approx(100.05)]
    assert clock.now_s == pytest.approx(100.05)


def test_at_full_speed_nothing_sleeps() -> None:
    clock = Clock()
    with Throttle(1.0, clock=clock, sleep=clock.sleep).stage(10.0):
        pass
    assert clock.slept == []


@pytest.mark.parametrize("speed", [0.0, -1.0, 1.01, float("nan")])
def test_a_speed_outside_its_range_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"not in \(0, 1\]"):
        Throttle(speed)
