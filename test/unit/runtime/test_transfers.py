# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.runtime.protocol import Key
from neurosurgeon_ros.runtime.transfers import MOMENT_S, PATIENCE, SHORTEST_S, UNKNOWN_RATE, Transfers


def key(sequence: int, kind: Kind = Kind.FRAME) -> Key:
    return Key("robot", 1, sequence, kind)


def test_transfers_under_way_at_the_same_time_mark_each_other() -> None:
    transfers = Transfers()
    first = transfers.send(key(1), arm=0, sent_bytes=1000, now_s=0.0)
    assert not first.overlapped
    second = transfers.send(key(1, Kind.SAMPLE), arm=0, sent_bytes=1000, now_s=0.1)
    assert first.overlapped and second.overlapped
    transfers.answer(key(1), 0.1)
    transfers.answer(key(1, Kind.SAMPLE), 0.1)
    assert not transfers.send(key(2), arm=0, sent_bytes=1000, now_s=0.2).overlapped


def test_a_frame_is_behind_an_earlier_one_rather_than_overlapped_by_it() -> None:
    transfers = Transfers()
    first, second = (transfers.send(key(number), arm=0, sent_bytes=1000, now_s=0.1 * number) for number in (1, 2))
    assert (first.behind, second.behind) == (None, key(1))
    assert not first.overlapped and not second.overlapped
    assert transfers.fills_link(0.2, frames=2)
    assert not transfers.fills_link(0.2, frames=3)


def test_a_transfer_whose_detections_are_back_fills_no_link_and_overlaps_nothing() -> None:
    transfers = Transfers()
    first = transfers.send(key(1), arm=0, sent_bytes=1000, now_s=0.0)
    assert transfers.fills_link(0.0)
    first.arrived = True
    assert not transfers.fills_link(0.0)
    second = transfers.send(key(2), arm=0, sent_bytes=1000, now_s=0.0)
    assert not first.overlapped and not second.overlapped


def test_small_samples_and_probes_take_the_link_for_a_moment_only() -> None:
    transfers = Transfers()
    moment = int(MOMENT_S * UNKNOWN_RATE / 8)
    transfers.send(key(1, Kind.PROBE), arm=-1, sent_bytes=moment, now_s=0.0)
    assert not transfers.fills_link(0.0)
    transfers.send(key(1, Kind.SAMPLE), arm=0, sent_bytes=moment + 1, now_s=0.0)
    assert transfers.fills_link(0.0)


def test_an_answer_shows_the_rate() -> None:
    transfers = Transfers()
    transfers.send(key(1), arm=0, sent_bytes=1_000_000, now_s=0.0)
    transfers.answer(key(1), 0.08)  # 100 Mbit/s
    transfers.send(key(2, Kind.SAMPLE), arm=0, sent_bytes=int(0.9 * MOMENT_S * 100e6 / 8), now_s=1.0)
    assert not transfers.fills_link(1.0)
    transfers.send(key(3, Kind.SAMPLE), arm=0, sent_bytes=int(1.1 * MOMENT_S * 100e6 / 8), now_s=1.0)
    assert transfers.fills_link(1.0)


@pytest.mark.parametrize("size", [0, 1000, 11_000_000])
def test_a_transfer_is_given_up_once_it_cannot_fill_a_slow_link_any_more(size: int) -> None:
    transfers = Transfers()
    transfers.send(key(1), arm=0, sent_bytes=size, now_s=0.0)
    longest_s = max(SHORTEST_S, PATIENCE * 8 * size / UNKNOWN_RATE)
    assert transfers.fills_link(0.99 * longest_s)
    assert transfers.outstanding(0.99 * longest_s)
    assert not transfers.fills_link(1.01 * longest_s)
    assert transfers.find(key(1)) is None


def test_a_first_convolutions_tensors_keep_a_link_of_4_mbit_to_themselves() -> None:
    transfers = Transfers()
    transfers.send(key(1), arm=0, sent_bytes=11_000_000, now_s=0.0)
    assert transfers.fills_link(22.0)


def test_clear_and_close_forget() -> None:
    transfers = Transfers()
    transfers.send(key(1), arm=0, sent_bytes=1, now_s=0.0)
    transfers.send(key(2), arm=0, sent_bytes=1, now_s=0.0)
    transfers.close(key(1))
    assert [transfer.key for transfer in transfers.outstanding(0.0)] == [key(2)]
    transfers.clear()
    assert not transfers.outstanding(0.0)
