# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node's handling of bytes that are not a message of this package."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from support import wait_for

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.intake import LONGEST_TEXT, Intake, read, shorten
from neurosurgeon_ros.ros.messages import InvalidMessage
from neurosurgeon_ros.ros.process.process import make_executor


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


@pytest.mark.parametrize("make", [SingleThreadedExecutor, make_executor])
def test_messages_have_numbers_with_every_executor(ros_domain: int, make: Callable[[], Executor]) -> None:
    rclpy.init(args=[])
    try:
        node, executor = Node("tested"), make()
        executor.add_node(node)
        numbers: list[int | None] = []
        taken: list[str] = []
        Intake(node).subscribe(
            RobotHello,
            "hello",
            lambda message: taken.append(message.robot_id),
            qos.PRESENCE,
            max_bytes=4096,
            on_number=numbers.append,
        )
        publisher = node.create_publisher(RobotHello, "hello", qos.PRESENCE)
        wait_for(lambda: publisher.get_subscription_count() == 1, 30.0, "the subscription")
        for name in ("a", "b", "c"):
            publisher.publish(RobotHello(robot_id=name))
        wait_for(lambda: executor.spin_once(timeout_sec=0.1) or len(taken) == 3, 30.0, "the messages")
        assert taken == ["a", "b", "c"] and numbers == [1, 2, 3]
        executor.shutdown()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_a_strangers_text_is_one_short_line() -> None:
    assert shorten("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shorten("x" * 10**6)) == LONGEST_TEXT + 1
