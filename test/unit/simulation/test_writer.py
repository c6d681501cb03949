# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated writer: messages that arrive, that are displaced, and that expire."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurosurgeon_ros.protocol.requests import Key, Kind
from neurosurgeon_ros.simulation.environment import GAUSS
from neurosurgeon_ros.simulation.experiments.outage import outage_scenario
from neurosurgeon_ros.simulation.table import network
from neurosurgeon_ros.simulation.uplink import UplinkByTime
from neurosurgeon_ros.simulation.writer import DEPTH, Message, Writer

ENVIRONMENT = outage_scenario(network("vgg16"), 0.0, 1.0, robot_gmacs=60.0, noise=GAUSS, seed=0).environment()
ROUND_TRIP_S = ENVIRONMENT.round_trip_s
#: A link of 1 MB/s that is down from 1 s to 11 s.
LINK = UplinkByTime(np.array([8.0] * 10 + [0.0] * 100 + [8.0]), 0.1)
LIFESPAN_S = 4.0


def message(ready_s: float, sent_bytes: int) -> Message:
    key = Key("simulated", 0, round(1e3 * ready_s), Kind.PROBE)
    return Message(key, 0, 0, ready_s, sent_bytes, float(sent_bytes))


def make_writer() -> Writer:
    return Writer(ENVIRONMENT, LINK, lifespan_s=LIFESPAN_S)


def test_messages_leave_one_after_another() -> None:
    writer, first, second = make_writer(), message(0.0, 100_000), message(0.05, 100_000)
    for one in (first, second):
        writer.put(one)
    assert (first.left_s, second.left_s) == (pytest.approx(0.1), pytest.approx(0.2))
    assert writer.take_answered(0.1 + ROUND_TRIP_S) == [first]
    assert writer.take_answered(9.0) == [second]


def test_a_message_that_has_not_left_the_link_at_the_end_of_its_lifespan_is_never_answered() -> None:
    writer, late = make_writer(), message(0.95, 100_000)
    writer.put(late)
    assert (late.left_s, late.done_s) == (0.95 + LIFESPAN_S, math.inf)
    assert writer.take_answered(1e6) == []


def test_the_link_is_free_after_a_message_has_expired() -> None:
    writer = make_writer()
    writer.put(message(0.95, 100_000))
    later = message(10.0, 100_000)
    writer.put(later)
    assert later.left_s == pytest.approx(11.1)
    assert writer.take_answered(12.0) == [later]


def test_expired_messages_displace_nothing() -> None:
    writer = make_writer()
    for number in range(DEPTH):
        writer.put(message(0.95 + 0.01 * number, 100_000))
    kept = [message(9.0 + 0.1 * number, 1000) for number in range(DEPTH)]
    for one in kept:
        writer.put(one)
    assert writer.take_answered(20.0) == kept


def test_a_full_writer_displaces_the_oldest_message() -> None:
    writer = make_writer()
    messages = [message(8.0 + 0.1 * number, 1000) for number in range(DEPTH + 1)]
    for one in messages:
        writer.put(one)
    assert writer.take_answered(20.0) == messages[1:]
