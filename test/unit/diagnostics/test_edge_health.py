# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The values in an edge's diagnostics, and their levels."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from neurosurgeon_ros.diagnostics.edge_health import EdgeHealth, edge_level, stream_values
from neurosurgeon_ros.diagnostics.window import WINDOW_S
from neurosurgeon_ros.edge.streams import StreamCounts
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Status

KEY = Key("robot", 1, 1, Kind.FRAME)


def test_rates_are_those_of_the_last_seconds_and_delays_those_of_answers() -> None:
    health = EdgeHealth(0.0)
    for second in range(1, 11):
        for number in range(10):
            now_s = second - 1 + number / 10
            health.answered(Feedback(KEY, queue_s=0.001 * number, compute_s=0.02), now_s)
        health.answered(Feedback(KEY, Status.OVERLOADED, "too many"), second - 0.1)
        recent, values = health.look(float(second))
    assert recent == {Status.OK: 10 * WINDOW_S, Status.OVERLOADED: WINDOW_S}
    assert values["requests [Hz]"] == "11.0"
    assert (values["answered [Hz]"], values["refused [Hz]"], values["failed [Hz]"]) == ("10.0", "1.0", "0.0")
    assert (values["answered"], values["refused"], values["invalid"]) == (100, 10, 0)
    assert (values["queue delay [ms]"], values["compute delay [ms]"]) == ("4.5", "20.0")

    for second in range(11, 17):
        recent, values = health.look(float(second))
    assert recent.total() == 0
    assert values["requests [Hz]"] == "0.0" and values["answered"] == 100
    assert "queue delay [ms]" not in values


@pytest.mark.parametrize(
    ("status", "level", "said"),
    [
        (Status.OK, DiagnosticStatus.OK, "serves 2 robots"),
        (Status.OVERLOADED, DiagnosticStatus.WARN, "1 of 1 requests were refused in the last 5 s"),
        (Status.INVALID, DiagnosticStatus.WARN, "1 of 1 requests were invalid"),
        (Status.MODEL_MISMATCH, DiagnosticStatus.WARN, "1 of 1 requests were of another model"),
        (Status.FAILED, DiagnosticStatus.ERROR, "1 requests failed"),
        (Status.DIVERGED, DiagnosticStatus.WARN, "1 of 1 requests were of a stream that diverged"),
        (Status.NOT_HELD, DiagnosticStatus.OK, "serves 2 robots"),
    ],
)
def test_levels(status: Status, level: bytes, said: str) -> None:
    health = EdgeHealth(0.0)
    health.answered(Feedback(KEY, status), 0.5)
    given, text = edge_level(health.look(1.0)[0], 2)
    assert given == level
    assert text.startswith(said)


def test_streams() -> None:
    counts = StreamCounts(held=2, held_bytes=3 << 19, keys=4, evicted=5, not_held=6, diverged=7)
    assert stream_values(counts) == {
        "streams held": 2,
        "memory of streams [MiB]": "1.5",
        "keys": 4,
        "references not held": 6,
        "streams evicted": 5,
        "streams diverged": 7,
    }
