# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

from neurosurgeon_ros.robot.slot import LatestSlot


def test_a_newer_item_takes_the_place_of_the_one_that_waits() -> None:
    slot: LatestSlot[int] = LatestSlot()
    assert not slot.put(1)
    assert slot.put(2)
    assert slot.put(3)
    assert slot.take() == 3
    assert not slot.put(4)


def test_take_waits_for_an_item() -> None:
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    slot.put(5)
    thread.join(10)
    assert taken == [5]


def test_closing_drops_what_waits_and_lets_everybody_go() -> None:
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    threads = [threading.Thread(target=lambda: taken.append(slot.take())) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not slot.close()
    for thread in threads:
        thread.join(10)
    assert taken == [None] * 3
    assert slot.put(1), "what comes after the end is dropped, and counts as that"
    assert slot.take() is None

    full: LatestSlot[int] = LatestSlot()
    full.put(1)
    assert full.close()
