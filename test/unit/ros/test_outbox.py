# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages are published in order by a thread, so that no caller has to wait."""

from __future__ import annotations

import queue
import threading
from unittest.mock import patch

from robots import LONG_S, SHORT_S

from neurosurgeon_ros.ros import outbox
from neurosurgeon_ros.ros.outbox import CAPACITY, Outbox


class Link:
    """A link that publishes when the test releases it."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.go = threading.Semaphore(0)
        self.published: list[object] = []
        self.problems: queue.SimpleQueue[str] = queue.SimpleQueue()

    def publish(self, message: object) -> None:
        self.begun.put(message)
        assert self.go.acquire(timeout=LONG_S)
        if message == "bad":
            raise RuntimeError("no link")
        self.published.append(message)


def test_messages_go_in_their_order_while_the_link_is_slow() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    for number in range(5):
        box.put(number)  # returns although nothing is published yet
    assert link.begun.get(timeout=LONG_S) == 0
    assert link.published == []
    for number in range(1, 5):
        link.go.release()
        assert link.begun.get(timeout=LONG_S) == number
    link.go.release()
    assert box.close()
    assert link.published == [0, 1, 2, 3, 4]


def test_a_message_that_takes_no_time_goes_at_once() -> None:
    threads: list[str] = []
    box = Outbox(lambda _: threads.append(threading.current_thread().name), on_problem=lambda _: None)
    box.put(0, at_once=True)
    assert threads == [threading.current_thread().name]
    assert box.close()


def test_a_message_that_fails_at_once_is_told_and_the_next_one_goes() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    for message in ("bad", 1):
        link.go.release()
        box.put(message, at_once=True)
    assert "no link" in link.problems.get(timeout=LONG_S)
    assert link.published == [1]
    assert box.close()


def test_nothing_overtakes_a_message_that_is_being_published() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    box.put(0)
    assert link.begun.get(timeout=LONG_S) == 0
    for number in range(1, 4):
        box.put(number, at_once=True)  # returns although nothing is published yet
    for number in range(1, 4):
        link.go.release()
        assert link.begun.get(timeout=LONG_S) == number
    link.go.release()
    assert box.close()
    assert link.published == [0, 1, 2, 3]


def test_what_comes_beside_a_message_that_goes_at_once_follows_it() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    beside = threading.Thread(target=box.put, args=(0,), kwargs={"at_once": True})
    beside.start()
    assert link.begun.get(timeout=LONG_S) == 0
    box.put(1)
    link.go.release()
    assert link.begun.get(timeout=LONG_S) == 1
    link.go.release()
    beside.join(LONG_S)
    assert box.close()
    assert link.published == [0, 1]


def test_of_too_many_the_oldest_go() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    box.put(0)
    assert link.begun.get(timeout=LONG_S) == 0
    for number in range(1, CAPACITY + 3):
        box.put(number)
    for number in range(3, CAPACITY + 3):
        link.go.release()
        assert link.begun.get(timeout=LONG_S) == number
    link.go.release()
    assert box.close()


def test_what_cannot_be_published_is_told_and_ends_nothing() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    link.go.release(2)
    box.put("bad")
    box.put("good")
    assert link.problems.get(timeout=LONG_S) == "a request was not sent: RuntimeError: no link"
    assert [link.begun.get(timeout=LONG_S) for _ in range(2)] == ["bad", "good"]
    assert box.close()
    assert link.published == ["good"]


def test_closing_drops_what_waits_and_does_not_wait_for_ever() -> None:
    link = Link()
    box = Outbox(link.publish, on_problem=link.problems.put)
    box.put(0)
    box.put(1)
    assert link.begun.get(timeout=LONG_S) == 0
    with patch.object(outbox, "CLOSING_S", SHORT_S):
        assert not box.close()
    box.put(2)
    link.go.release(3)
    assert box.close()
    assert link.published == [0]
