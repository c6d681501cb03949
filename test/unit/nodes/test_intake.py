# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node makes of bytes that are no message of ours."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import serialize_message

from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.nodes.intake import LONGEST_TEXT, read, shorten
from neurosurgeon_ros.nodes.messages import InvalidMessage, to_edge_detections, to_edge_report, to_feedback, to_request

READERS: dict[type[Any], Any] = {
    PartialInference: to_request,
    DelayFeedback: to_feedback,
    EdgeStatus: to_edge_report,
    EdgeDetections: lambda message: to_edge_detections(message, {"thing": 0}),
    RobotHello: lambda message: message,
}


def test_a_good_message_is_read() -> None:
    assert read(RobotHello, serialize_message(RobotHello(robot_id="r")), max_bytes=4096).robot_id == "r"


def test_size_is_looked_at_before_the_bytes_are() -> None:
    with pytest.raises(InvalidMessage, match="at most 10 are accepted") as caught:
        read(RobotHello, bytes(11), max_bytes=10)
    assert caught.value.reason == "too large"


def test_a_bound_that_the_middleware_does_not_enforce_is() -> None:
    """Fast DDS hands out longer strings than the type allows."""
    plain = serialize_message(RobotHello(robot_id="a" * 64))
    at = plain.index(b"a" * 64)
    long = plain[: at - 4] + (101).to_bytes(4, "little") + b"a" * 100 + b"\0" * 4 + plain[at + 68 :]
    with pytest.raises(InvalidMessage, match="RobotHello.robot_id has 100 entries, at most 64"):
        read(RobotHello, long, max_bytes=4096)


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
@settings(max_examples=int(os.environ.get("FUZZ_CASES", "200")), deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(kind: type[Any], data: st.DataObject) -> None:
    message = kind(protocol_version=1)
    if kind is PartialInference:
        message.tensors = [Tensor(name="t", shape=[1, 2], scale=[1.0], zero_point=[0], data=[1, 2])]
    good = bytearray(serialize_message(message))
    if data.draw(st.booleans(), label="mutate"):
        for _ in range(data.draw(st.integers(1, 6))):
            good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
        raw = bytes(good[: data.draw(st.integers(0, len(good)))])
    else:
        raw = data.draw(st.binary(max_size=300))
    with contextlib.suppress(InvalidMessage):
        READERS[kind](read(kind, raw, max_bytes=65536))


def test_a_strangers_text_is_one_short_line() -> None:
    assert shorten("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shorten("x" * 10**6)) == LONGEST_TEXT + 1
