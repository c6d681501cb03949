# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The time of the next look at a link or an edge that is believed to be too slow for every frame."""

from __future__ import annotations

import math

import pytest

from neurosurgeon_ros.learning.adaptive.keep_alive import KeepAlive


def looked(now_s: float = 100.0) -> KeepAlive:
    """Return a KeepAlive that has just sent a look."""
    looks = KeepAlive(0.3, 1.0)
    assert looks.is_due(now_s, idle_s=math.inf)
    looks.sent(now_s)
    return looks


def test_a_look_is_due_at_the_latest_after_the_longest_wait() -> None:
    looks = looked()
    assert not looks.is_due(100.9, idle_s=500.0)
    assert looks.is_due(101.0, idle_s=500.0)


def test_looks_come_sooner_while_the_last_frame_on_the_edge_is_recent() -> None:
    looks = looked()
    looks.used(100.0)
    assert not looks.is_due(100.2, idle_s=500.0)
    assert looks.is_due(100.31, idle_s=500.0)


def test_what_was_learnt_in_the_meantime_saves_a_look() -> None:
    assert not looked().is_due(105.0, idle_s=0.1)


def test_a_clock_that_was_set_back_does_not_end_the_looks() -> None:
    assert looked().is_due(5.0, idle_s=500.0)


def test_fast_answers_make_the_next_looks_due_at_once() -> None:
    looks = looked()
    for fast in (1, 2, 3):
        looks.answered(0.01, expected_s=1.0)
        assert (looks.is_due(100.0, idle_s=0.0), looks.fast) == (True, fast)
        looks.sent(100.0)
        assert not looks.is_due(100.0, idle_s=0.0)
    looks.answered(1.0, expected_s=1.0)
    assert (looks.is_due(100.0, idle_s=0.0), looks.fast) == (False, 0)


def test_an_answer_late_by_far_makes_the_next_look_due_at_once() -> None:
    looks = looked()
    looks.answered(3.5, expected_s=1.0)
    assert (looks.is_due(100.0, idle_s=0.0), looks.fast) == (True, 0)


def test_fast_answers_count_only_in_a_row() -> None:
    looks = looked()
    looks.answered(0.01, expected_s=1.0)
    looks.sent(100.0)
    looks.sent(101.0)
    assert looks.fast == 0


@pytest.mark.parametrize("seconds", [math.nan, 1.0])
def test_an_answer_as_expected_or_without_a_duration_changes_nothing(seconds: float) -> None:
    looks = looked()
    looks.answered(seconds, expected_s=1.0)
    assert not looks.is_due(100.0, idle_s=0.0)
