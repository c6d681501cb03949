# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node's handling of bytes that are not a message of this package."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.intake import LONGEST_TEXT, Intake, read, shorten
from neurosurgeon_ros.ros.messages import InvalidMessage


def test_a_good_message_is_read() -> None:
    assert read(RobotHello, serialize_message(RobotHello(robot_id="r")), max_bytes=4096).robot_id == "r"


def test_size_is_looked_at_before_the_bytes_are() -> None:
    with pytest.raises(InvalidMessage, match="at most 10 are accepted") as caught:
        read(RobotHello, bytes(11), max_bytes=10)
    assert caught.value.reason == "too large"


def test_a_bound_that_the_middleware_does_not_enforce_is() -> None:
    """Fast DDS delivers longer strings than the type allows."""
    plain = serialize_message(RobotHello(robot_id="a" * 64))
    at = plain.index(b"a" * 64)
    long = plain[: at - 4] + (101).to_bytes(4, "little") + b"a" * 100 + b"\0" * 4 + plain[at + 68 :]
    with pytest.raises(InvalidMessage, match="RobotHello.robot_id has 100 entries, at most 64"):
        read(RobotHello, long, max_bytes=4096)


def test_an_overridden_quality_of_service_is_that_of_its_topic_alone(ros_domain: int) -> None:
    rclpy.init(args=["--ros-args", "-p", "qos_overrides./image.subscription.reliability:=reliable"])
    try:
        node = Node("tested")
        kept = qos.SENSOR_DATA.reliability
        chosen = [
            Intake(node)
            .subscribe(Image, topic, print, qos.SENSOR_DATA, max_bytes=1, overridable=topic == "image")
            .qos_profile.reliability
            for topic in ("image", "other")
        ]
        assert chosen == [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT]
        assert qos.SENSOR_DATA.reliability == kept == ReliabilityPolicy.BEST_EFFORT
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_a_strangers_text_is_one_short_line() -> None:
    assert shorten("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shorten("x" * 10**6)) == LONGEST_TEXT + 1
