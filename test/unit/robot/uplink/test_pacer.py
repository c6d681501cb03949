# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The pacer: a robot sends what its edge promised to answer, and notices when the edge does not."""

from __future__ import annotations

import pytest

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Status
from neurosurgeon_ros.robot.uplink.pacer import BROKEN_WINDOWS, LEAST_RATE, VALID_S, WINDOW_S, Pacer

KEY = Key("robot", 7, 1, Kind.FRAME)
PERIOD_S = 0.04


def answer(rate: float = 0.0) -> Feedback:
    return Feedback(KEY, rate=rate)


def refusal(rate: float = 0.0, retry_s: float = 0.0) -> Feedback:
    return Feedback(KEY, Status.OVERLOADED, "the edge is overloaded", rate=rate, retry_s=retry_s)


def drive(pacer: Pacer, begin_s: float, end_s: float, rate: float, *, refused_of_ten: int = 0) -> tuple[int, int]:
    """Show a frame every 40 ms and answer at once; return how many were sent, and how many of them answered."""
    sent = answered = 0
    for image in range(round(begin_s / PERIOD_S), round(end_s / PERIOD_S)):
        now_s = image * PERIOD_S
        if pacer.may_send(now_s):
            pacer.sent(now_s)
            is_refused = sent % 10 < refused_of_ten
            sent, answered = sent + 1, answered + (not is_refused)
            pacer.heard(refusal(rate) if is_refused else answer(rate), now_s + 0.01)
    return sent, answered


def test_without_a_promise_every_frame_is_sent() -> None:
    assert drive(Pacer(), 0.0, 4.0, 0.0) == (100, 100)


@pytest.mark.parametrize("rate", [2.0, 6.3, 10.0, 12.5, 20.0])
def test_the_promised_rate_is_kept_and_used(rate: float) -> None:
    sent, _ = drive(Pacer(), 0.0, 20.0, rate)
    assert sent == pytest.approx(20.0 * rate, rel=0.05, abs=2)


def test_a_refused_request_costs_nothing_and_waits_for_its_turn() -> None:
    pacer = Pacer()
    pacer.heard(answer(2.0), 0.0)
    pacer.sent(0.1)
    pacer.heard(refusal(2.0, retry_s=0.15), 0.2)
    assert not pacer.may_send(0.34)
    assert pacer.may_send(0.36), "long before a period of 0.5 s is over"
    pacer.sent(0.36)
    assert not pacer.may_send(0.7)


def test_no_edge_can_keep_a_robot_silent_for_long() -> None:
    pacer = Pacer()
    pacer.heard(refusal(5.0, retry_s=1e9), 0.0)
    assert pacer.may_send(4.0)


def test_a_promise_lapses() -> None:
    pacer = Pacer()
    pacer.heard(answer(1.0), 0.0)
    pacer.sent(0.0)
    pacer.sent(0.1)
    assert not pacer.may_send(0.2)
    assert pacer.may_send(3.1 * VALID_S) and pacer.rate == 0.0


def test_an_edge_that_is_gone_has_promised_nothing() -> None:
    pacer = Pacer()
    pacer.heard(refusal(1.0, retry_s=2.0), 0.0)
    pacer.reset()
    assert pacer.may_send(0.01) and pacer.rate == 0.0


def test_a_broken_promise_is_said_once_and_the_robot_counts_on_what_it_sees() -> None:
    pacer = Pacer()
    drive(pacer, 0.0, 2.0, 20.0)
    assert not pacer.is_broken and pacer.excuses(refusal(20.0))
    drive(pacer, 2.0, 2.0 + (BROKEN_WINDOWS + 2) * WINDOW_S, 20.0, refused_of_ten=8)
    assert pacer.is_broken and not pacer.excuses(refusal(20.0))
    assert LEAST_RATE <= pacer.rate < 10.0
    said = pacer.notice
    assert "the edge promised 20.0 requests a second" in said and "\n" not in said
    drive(pacer, 40.0, 60.0, 20.0, refused_of_ten=8)
    assert pacer.notice == said
    drive(pacer, 60.0, 140.0, 20.0)
    assert not pacer.is_broken and pacer.rate == 20.0, "the promise is kept again"


def test_an_edge_that_refuses_everything_is_still_asked_from_time_to_time() -> None:
    pacer = Pacer()
    sent, answered = drive(pacer, 0.0, 120.0, 20.0, refused_of_ten=10)
    assert answered == 0 and pacer.is_broken and pacer.rate == LEAST_RATE
    assert sent >= 0.8 * 120.0 * LEAST_RATE


def test_errors_that_are_not_of_load_change_nothing() -> None:
    pacer = Pacer()
    pacer.heard(answer(5.0), 0.0)
    pacer.heard(Feedback(KEY, Status.FAILED, "no memory left"), 0.1)
    assert pacer.rate == 5.0
    assert not pacer.excuses(Feedback(KEY, Status.FAILED, "no memory left"))
    assert not pacer.excuses(refusal()), "an edge that promises nothing is judged by its refusals"
