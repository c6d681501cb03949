# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import threading
import time

import numpy as np

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key
from neurosurgeon_ros.robot.uplink.inbox import CAPACITY, Inbox

NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


def key(sequence: int) -> Key:
    return Key("robot", 1, sequence, Kind.FRAME)


def test_answers_come_out_in_order_with_the_time_they_came() -> None:
    now_s = [5.0]
    inbox = Inbox(lambda: now_s[0])
    inbox.put_detections(key(1), NOTHING)
    now_s[0] = 6.0
    inbox.put_feedback(Feedback(key(2)))
    first, second = inbox.take(0.0)
    assert (first.key, first.received_s, first.detections) == (key(1), 5.0, NOTHING)
    assert (second.key, second.received_s, second.feedback) == (key(2), 6.0, Feedback(key(2)))
    assert inbox.take(0.0) == []


def test_the_bell_and_an_answer_wake_whoever_waits() -> None:
    for wake in (Inbox.ring, lambda inbox: inbox.put_feedback(Feedback(key(1)))):
        inbox = Inbox()
        taken: list[int] = []
        inbox.ring()
        assert inbox.take(math.inf) == [], "a bell that rang before is heard, too"
        thread = threading.Thread(
            target=lambda inbox=inbox, taken=taken: taken.append(len(inbox.take(time.monotonic() + 60)))
        )
        thread.start()
        wake(inbox)
        thread.join(10)
        assert not thread.is_alive()
        assert taken == [0 if wake is Inbox.ring else 1]


def test_it_holds_the_newest_answers_only() -> None:
    inbox = Inbox()
    for sequence in range(CAPACITY + 10):
        inbox.put_feedback(Feedback(key(sequence)))
    taken = inbox.take(0.0)
    assert [answer.key.sequence for answer in taken] == list(range(10, CAPACITY + 10))
