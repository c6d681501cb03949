# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from neurosurgeon_ros.robot.edges.chooser import (
    GAIN,
    LONGEST_REST_S,
    RECENT_S,
    SHORTEST_REST_S,
    SPREAD_S,
    VALID_S,
    EdgeChooser,
)

BOTH = ("a", "b")
STEP_S = 0.1


class Rig:
    """A chooser between edges whose delays the test sets, in simulated time."""

    def __init__(self, seed: int = 0, **delays_s: float) -> None:
        self.chooser = EdgeChooser("a", seed=seed)
        self.delays_s = delays_s
        self.now_s = 100.0

    def step(self, usable: tuple[str, ...] = BOTH, *, look: bool = True) -> str:
        """Process a frame, after looks at the edges that are not in use."""
        self.now_s += STEP_S
        for edge, delay_s in self.delays_s.items():
            if look or edge == self.chooser.used:
                self.chooser.expect(edge, delay_s, self.now_s)
        return self.chooser.choose(usable, self.now_s)

    def moved_after_s(self, edge: str, *, within_s: float, usable: tuple[str, ...] = BOTH) -> float:
        begin_s = self.now_s
        while self.now_s - begin_s < within_s:
            if self.step(usable) == edge:
                return self.now_s - begin_s
        return math.inf


def test_a_better_edge_is_moved_to_after_a_random_delay() -> None:
    waits = [Rig(seed, a=0.1, b=0.05).moved_after_s("b", within_s=3.0) for seed in range(50)]
    assert max(waits) <= SPREAD_S + 3 * STEP_S
    assert min(waits) < 0.3 * SPREAD_S and max(waits) > 0.7 * SPREAD_S, "robots do not move together"


def test_a_small_gain_is_not_worth_a_move() -> None:
    assert Rig(a=0.1, b=0.1 * (1.0 - 0.9 * GAIN)).moved_after_s("b", within_s=20.0) == math.inf
    assert Rig(a=0.1, b=0.1 * (1.0 - 1.1 * GAIN)).moved_after_s("b", within_s=3.0) < 3.0


def test_a_move_waits_for_a_look_after_its_delay() -> None:
    rig = Rig(a=0.1, b=0.05)
    rig.step()
    for _ in range(int(2 * SPREAD_S / STEP_S)):
        assert rig.step(look=False) == "a"
    assert rig.chooser.wants_look("b", rig.now_s) and not rig.chooser.wants_look("a", rig.now_s)
    rig.delays_s["b"] = 0.2
    assert rig.step() == "a", "the look has shown that others were sooner"
    assert not rig.chooser.wants_look("b", rig.now_s)


def test_each_recent_move_raises_the_gain_that_the_next_one_needs() -> None:
    rig = Rig(a=0.1, b=0.08)
    assert rig.moved_after_s("b", within_s=3.0) < 3.0
    rig.delays_s["a"] = 0.08 * 0.8
    assert rig.moved_after_s("a", within_s=RECENT_S - 5.0) == math.inf
    assert rig.moved_after_s("a", within_s=10.0) < 10.0, "later it is worth a move"
    assert rig.chooser.moves == 2


def test_an_edge_that_fails_is_left_at_once() -> None:
    rig = Rig(a=0.05, b=0.1)
    assert rig.step() == "a"
    assert rig.step(("b",)) == "b"


def test_the_robot_stays_without_another_edge_that_it_knows() -> None:
    rig = Rig(a=0.05)
    rig.step()
    assert rig.step(("b",)) == "a" and rig.step(()) == "a"
    rig.chooser.expect("b", math.nan, rig.now_s)
    assert rig.step(("b",)) == "a"
    rig.chooser.expect("b", 0.1, rig.now_s - VALID_S)
    assert rig.step(("b",)) == "a", "what was expected is too old"
    assert rig.chooser.moves == 0


def test_the_return_to_an_edge_that_failed_waits_longer_each_time() -> None:
    rig = Rig(a=0.02, b=0.1)
    rig.step()
    rests = []
    for _ in range(6):
        assert rig.step(("b",)) == "b"
        rests.append(rig.moved_after_s("a", within_s=LONGEST_REST_S + 5.0))
        assert rests[-1] >= min(LONGEST_REST_S, SHORTEST_REST_S * 2 ** (len(rests) - 1)) - STEP_S
    assert rests[0] <= SHORTEST_REST_S + SPREAD_S + 3 * STEP_S
    assert rests[-1] >= LONGEST_REST_S


def test_an_edge_that_rests_is_better_than_none() -> None:
    rig = Rig(a=0.02, b=0.1)
    rig.step()
    assert rig.step(("b",)) == "b"
    rig.step()
    assert rig.step(("a",)) == "a"


def test_an_edge_that_is_gone_and_comes_again_is_expected_anew() -> None:
    rig = Rig(a=0.1, b=0.05)
    rig.step()
    rig.chooser.drop("b")
    del rig.delays_s["b"]
    for _ in range(30):
        assert rig.step() == "a"
    rig.chooser.forget("b")  # of which nothing is known
    rig.delays_s["b"] = 0.05
    assert rig.moved_after_s("b", within_s=3.0) < 3.0


@pytest.mark.parametrize("robots", [5, 20])
def test_robots_that_see_the_same_fast_edge_do_not_run_there_and_back(robots: int) -> None:
    """
    Two edges answer one frame after the other. Edge a can answer half of the frames, and b nine tenths.

    The robots look once in a second, and expect what their last five frames or looks took.
    """
    period_s, service_s = 0.1, {"a": 0.1 / (0.5 * robots), "b": 0.1 / (0.9 * robots)}
    free_s = dict.fromkeys(service_s, 0.0)
    choosers = [EdgeChooser("a", seed=seed) for seed in range(robots)]
    means_s: list[dict[str, float]] = [{} for _ in choosers]
    looked_s = [0.13 * number for number in range(robots)]
    delays: list[float] = []
    moves_s: list[float] = []

    def request(edge: str, at_s: float) -> float:
        begin_s = max(at_s, free_s[edge])
        if begin_s - at_s > 0.5:
            return 0.5  # refused
        free_s[edge] = begin_s + service_s[edge]
        return free_s[edge] - at_s

    for frame in range(int(120.0 / period_s)):
        for number, chooser in enumerate(choosers):
            now_s = (frame + number / robots) * period_s
            before = chooser.moves
            used = chooser.choose(tuple(service_s), now_s)
            moves_s += [now_s] * (chooser.moves - before)
            other = "b" if used == "a" else "a"
            asked = [used]
            if now_s >= looked_s[number] or chooser.wants_look(other, now_s):
                asked.append(other)
                looked_s[number] = now_s + 1.0
            for edge in asked:
                delay_s = request(edge, now_s)
                mean_s = means_s[number].get(edge, delay_s)
                means_s[number][edge] = mean_s + 0.3 * (delay_s - mean_s)
                chooser.expect(edge, means_s[number][edge], now_s)
                if edge == used and now_s > 20.0:
                    delays.append(delay_s)
    assert sum(chooser.used == "b" for chooser in choosers) >= 0.6 * robots
    late = [at_s for at_s in moves_s if at_s > 60.0]
    assert len(late) <= 2 * robots, "at most two moves per robot and minute"
    assert sum(delays) / len(delays) < 0.2, "nobody stays behind at an edge that is overloaded"
