# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The emulated link: on its own, and as a process between a robot's topic and an edge's."""

from __future__ import annotations

import array
import itertools
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from support import Processes, wait_for

from neurosurgeon_ros.msg import PartialInference, Tensor
from neurosurgeon_ros.nodes.wire import Wire
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile

MBPS = 8.0
SIZE = 50_000


class Outlet:
    """Records what leaves a wire, and when."""

    def __init__(self) -> None:
        self.out: list[tuple[float, bytes]] = []

    def take(self, message: bytes) -> None:
        self.out.append((time.monotonic(), message))


def test_a_wire_gives_everything_in_order_and_nothing_early() -> None:
    outlet = Outlet()
    wire = Wire(1e6, 100, outlet.take)
    messages = [bytes([number]) * (1000 * number) for number in (3, 1, 2, 4)]
    begin_s = time.monotonic()
    for message in messages:
        wire.put(message)
    wait_for(lambda: len(outlet.out) == len(messages), 10.0, "all messages")
    wire.close()

    assert [message for _, message in outlet.out] == messages
    for (end_s, _), size in zip(outlet.out, itertools.accumulate(map(len, messages)), strict=True):
        assert end_s - begin_s >= 8.0 * size / 1e6
    assert wire.counts.delivered == 4
    assert wire.counts.sent_bytes == 10_000


def test_a_full_wire_drops_the_oldest_that_has_not_begun() -> None:
    outlet = Outlet()
    held = [b"0" * 1000, b"1", b"2", b"3"]
    wire = Wire(8.0 * 1000 / 0.3, 3, outlet.take)
    for message in held:
        wire.put(message)
    wait_for(lambda: len(outlet.out) == 3, 10.0, "what was not dropped")
    wire.close()

    assert [message[:1] for _, message in outlet.out] == [b"0", b"2", b"3"]
    assert wire.counts.dropped == 1


def test_a_wire_ends_at_once_with_something_on_it() -> None:
    outlet = Outlet()
    wire = Wire(1.0, 2, outlet.take)
    wire.put(b"takes eight seconds a byte")
    wire.close()
    wire.put(b"too late")

    assert outlet.out == []


@pytest.mark.parametrize(("rate", "capacity"), [(0.0, 4), (float("nan"), 4), (1e6, 1)])
def test_a_wire_of_no_rate_or_no_room_is_refused(rate: float, capacity: int) -> None:
    with pytest.raises(ValueError, match="wire"):
        Wire(rate, capacity, lambda message: None)


class Ends:
    """A robot's publisher and an edge's subscription, spun in a thread."""

    def __init__(self) -> None:
        apply_profile()
        self.received: list[tuple[int, PartialInference]] = []
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("ends", context=self._context)
        self.robot = self._node.create_publisher(PartialInference, "/neurosurgeon/uplink", qos.PARTIAL_INFERENCE)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def listen(self) -> None:
        """Subscribe as an edge."""
        self._node.create_subscription(
            PartialInference,
            "/neurosurgeon/partial_inference",
            lambda message: self.received.append((time.time_ns(), message)),
            qos.PARTIAL_INFERENCE,
        )

    def send(self, sequence: int) -> PartialInference:
        """Publish a request whose header contains the time."""
        message = PartialInference(sequence=sequence)
        message.tensors = [Tensor(name="probe", data=array.array("B", bytes([sequence]) * SIZE))]
        now = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
        self.robot.publish(message)
        return message

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        while not self._ending.is_set():
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()


@pytest.fixture
def ends(ros_domain: int) -> Iterator[Ends]:
    both = Ends()
    yield both
    both.close()


def test_requests_pass_unchanged_in_order_and_not_faster_than_the_wire(processes: Processes, ends: Ends) -> None:
    ends.listen()
    link = processes.start("link_node", "--ros-args", "-p", f"uplink_mbps:={MBPS}")
    link.wait_for_output("passes")
    wait_for(lambda: ends.robot.get_subscription_count() > 0, 20.0, "the link at the robot's topic")
    # The link's publisher is matched before the first request has passed through.
    sent = []
    for sequence in range(1, 7):
        sent.append(ends.send(sequence))
        wait_for(lambda: len(ends.received) >= len(sent) - 1, 20.0, "the request before")
    wait_for(lambda: len(ends.received) == len(sent), 20.0, "all requests")

    assert [message for _, message in ends.received] == sent
    first = sent[0].header.stamp
    begin_ns = first.sec * 1_000_000_000 + first.nanosec
    for number, (received_ns, _) in enumerate(ends.received, start=1):
        assert (received_ns - begin_ns) * 1e-9 >= number * 8.0 * SIZE / (1e6 * MBPS)
    assert link.end(signal.SIGTERM) == 0
    assert "passed on 6 requests" in link.output


def test_without_an_edge_requests_are_dropped_and_counted(processes: Processes, ends: Ends) -> None:
    link = processes.start("link_node", "--ros-args", "-p", "uplink_mbps:=1000.0")
    link.wait_for_output("passes")
    wait_for(lambda: ends.robot.get_subscription_count() > 0, 20.0, "the link at the robot's topic")
    ends.send(1)
    link.wait_for_output("no edge listens to /neurosurgeon/partial_inference")
    assert link.end() == 0
    assert "1 found no edge" in link.output


def test_a_rate_of_nothing_is_refused(processes: Processes, ros_domain: int) -> None:
    link = processes.start("link_node", "--ros-args", "-p", "uplink_mbps:=0.0")
    wait_for(lambda: link.popen.poll() is not None, 30.0, "its end")

    assert link.popen.returncode == 1
    assert "uplink_mbps" in link.output
