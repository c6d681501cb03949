# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An entity that a transition has destroyed is not called any more, even if the executor already had it ready."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import Executor
from rclpy.node import Node
from std_msgs.msg import Header

from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import steady_timer
from neurosurgeon_ros.ros.intake import Intake
from neurosurgeon_ros.ros.process.process import make_executor


@pytest.fixture
def node(ros_domain: int) -> Iterator[Node]:
    rclpy.init(args=[])
    node = Node("node")
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


@pytest.fixture
def executor(node: Node) -> Iterator[Executor]:
    executor = make_executor()
    executor.add_node(node)
    yield executor
    executor.shutdown()


def test_a_timer(node: Node, executor: Executor) -> None:
    """The first of two ready timers destroys the other one."""
    calls: list[int] = []

    def take_down(own: int) -> None:
        calls.append(own)
        if len(calls) == 1:
            node.destroy_timer(timers[1 - own])

    timers = [steady_timer(node, 0.02, functools.partial(take_down, own)) for own in range(2)]
    end = time.monotonic() + 10.0
    while len(calls) < 3 and time.monotonic() < end:
        time.sleep(0.05)  # both are ready when the executor looks
        executor.spin_once(timeout_sec=1.0)
    assert len(calls) >= 3
    assert set(calls) == {calls[0]}


def test_a_subscription(node: Node, executor: Executor) -> None:
    """The first of two subscriptions with a waiting message destroys the other one."""
    taken: list[int] = []
    intake = Intake(node)

    def take_down(own: int, message: Header) -> None:
        taken.append(own)
        if len(taken) == 1:
            node.destroy_subscription(subscriptions[1 - own])

    subscriptions = [
        intake.subscribe(Header, "topic", functools.partial(take_down, own), qos.DETECTIONS, max_bytes=1000)
        for own in range(2)
    ]
    publisher = node.create_publisher(Header, "topic", qos.DETECTIONS)
    end = time.monotonic() + 10.0
    while publisher.get_subscription_count() < 2 and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    for _ in range(2):
        publisher.publish(Header())
        assert publisher.wait_for_all_acked()
    while len(taken) < 2 and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    executor.spin_once(timeout_sec=0.2)
    assert len(taken) == 2
    assert set(taken) == {taken[0]}
