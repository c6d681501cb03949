# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node makes of bytes that are no message of ours."""

from __future__ import annotations

import pytest
from rclpy.serialization import serialize_message

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.nodes.intake import LONGEST_TEXT, read, shorten
from neurosurgeon_ros.nodes.messages import InvalidMessage


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


def test_a_strangers_text_is_one_short_line() -> None:
    assert shorten("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shorten("x" * 10**6)) == LONGEST_TEXT + 1
