# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Key
from neurosurgeon_ros.robot.uplink.outstanding import (
    GIVE_UP_FACTOR,
    MOMENT_S,
    SHORTEST_S,
    UNKNOWN_RATE,
    OutstandingRequest,
    OutstandingRequests,
)

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


def key(sequence: int, kind: Kind = Kind.FRAME) -> Key:
    return Key("robot", 1, sequence, kind)


def send(requests: OutstandingRequests, key: Key, *, arm: int, sent_bytes: int, now_s: float) -> OutstandingRequest:
    request = OutstandingRequest(key, arm, None, now_s, sent_bytes)
    requests.add(request)
    return request


def test_requests_under_way_at_the_same_time_mark_each_other() -> None:
    requests = OutstandingRequests()
    first = send(requests, key(1), arm=0, sent_bytes=1000, now_s=0.0)
    assert not first.overlapped
    second = send(requests, key(1, Kind.SAMPLE), arm=0, sent_bytes=1000, now_s=0.1)
    assert first.overlapped and second.overlapped
    requests.answered(first, 0.1)
    requests.answered(second, 0.1)
    assert not send(requests, key(2), arm=0, sent_bytes=1000, now_s=0.2).overlapped


def test_a_frame_is_behind_an_earlier_one_rather_than_overlapped_by_it() -> None:
    requests = OutstandingRequests()
    first, second = (send(requests, key(number), arm=0, sent_bytes=1000, now_s=0.1 * number) for number in (1, 2))
    assert (first.behind, second.behind) == (None, first)
    assert not first.overlapped and not second.overlapped
    assert requests.fills_link(0.2, frames=2)
    assert not requests.fills_link(0.2, frames=3)


def test_a_request_whose_detections_are_back_fills_no_link_and_overlaps_nothing() -> None:
    requests = OutstandingRequests()
    first = send(requests, key(1), arm=0, sent_bytes=1000, now_s=0.0)
    assert requests.fills_link(0.0)
    first.detections = NOTHING
    assert not requests.fills_link(0.0)
    second = send(requests, key(2), arm=0, sent_bytes=1000, now_s=0.0)
    assert not first.overlapped and not second.overlapped


def test_small_samples_and_probes_take_the_link_for_a_moment_only() -> None:
    requests = OutstandingRequests()
    moment = int(MOMENT_S * UNKNOWN_RATE / 8)
    send(requests, key(1, Kind.PROBE), arm=-1, sent_bytes=moment, now_s=0.0)
    assert not requests.fills_link(0.0)
    send(requests, key(1, Kind.SAMPLE), arm=0, sent_bytes=moment + 1, now_s=0.0)
    assert requests.fills_link(0.0)


def test_an_answer_shows_the_rate() -> None:
    requests = OutstandingRequests()
    answered = send(requests, key(1), arm=0, sent_bytes=1_000_000, now_s=0.0)
    requests.answered(answered, 0.08)  # 100 Mbit/s
    send(requests, key(2, Kind.SAMPLE), arm=0, sent_bytes=int(0.9 * MOMENT_S * 100e6 / 8), now_s=1.0)
    assert not requests.fills_link(1.0)
    send(requests, key(3, Kind.SAMPLE), arm=0, sent_bytes=int(1.1 * MOMENT_S * 100e6 / 8), now_s=1.0)
    assert requests.fills_link(1.0)


@pytest.mark.parametrize("size", [0, 1000, 11_000_000])
def test_a_request_is_given_up_once_it_cannot_fill_a_slow_link_any_more(size: int) -> None:
    requests = OutstandingRequests()
    send(requests, key(1), arm=0, sent_bytes=size, now_s=0.0)
    longest_s = max(SHORTEST_S, GIVE_UP_FACTOR * 8 * size / UNKNOWN_RATE)
    assert requests.fills_link(0.99 * longest_s)
    assert requests.under_way(0.99 * longest_s)
    assert not requests.fills_link(1.01 * longest_s)
    assert requests.find(key(1)) is None


def test_a_request_whose_lifespan_is_over_fills_no_link_however_slow_the_link_was() -> None:
    """Otherwise a link that was once very slow would be busy for minutes, with a message that is no longer sent."""
    requests = OutstandingRequests(lifespan_s=4.0)
    requests.answered(send(requests, key(1, Kind.PROBE), arm=-1, sent_bytes=1000, now_s=0.0), 8.0)
    send(requests, key(2), arm=0, sent_bytes=100_000, now_s=10.0)
    assert requests.fills_link(13.9)
    assert not requests.fills_link(14.1)


def test_a_first_convolutions_tensors_keep_a_link_of_4_mbit_to_themselves() -> None:
    requests = OutstandingRequests()
    send(requests, key(1), arm=0, sent_bytes=11_000_000, now_s=0.0)
    assert requests.fills_link(22.0)


def test_clear_and_remove_forget() -> None:
    requests = OutstandingRequests()
    first = send(requests, key(1), arm=0, sent_bytes=1, now_s=0.0)
    send(requests, key(2), arm=0, sent_bytes=1, now_s=0.0)
    requests.remove(first)
    assert [request.key for request in requests.under_way(0.0)] == [key(2)]
    requests.clear()
    assert not requests.under_way(0.0)


def test_a_request_that_is_done_holds_no_other() -> None:
    requests = OutstandingRequests()
    first, second = (send(requests, key(number), arm=0, sent_bytes=1000, now_s=0.0) for number in (1, 2))
    assert second.behind is first
    requests.answered(second, 0.1)
    assert second.behind is None
