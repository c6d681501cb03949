# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A link between robot and edge that can be made to fail.

The robot's topics for the edge are in one namespace, the edge's topics for robots in another. The relay carries every
message from one to the other, and drops, delays, repeats or changes it as its plan says.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher

from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.ros import qos

ROBOT_SIDE, EDGE_SIDE = "/robot_side", "/edge_side"

#: The fate of a message: each entry is a message to deliver and the delay before it, seconds.
Fate = Sequence[tuple[float, bytes]]

#: Decides the fate of a message from its kind (hello, partial_inference, status, detections, delay_feedback) and bytes.
Plan = Callable[[str, bytes], Fate]

#: Is told the kind and the bytes of a message.
Tap = Callable[[str, bytes], None]


def _ignore(kind: str, message: bytes) -> None:
    """Do nothing."""


class Relay:
    """
    Carries messages between the two namespaces until :meth:`close`.

    :param robots: ids of the robots.
    :ivar plan: decides the fate of each message; None delivers every message at once.
    :ivar on_taken: called with the kind and the bytes of each message that the relay takes.
    :ivar on_delivered: called likewise before each message that the relay delivers.
    """

    def __init__(self, node: Node, robots: Sequence[str] = ("robot_node",)) -> None:
        self.plan: Plan | None = None
        self.on_taken: Tap = _ignore
        self.on_delivered: Tap = _ignore
        self._node = node
        self._condition = threading.Condition()
        self._queue: list[tuple[float, int, Publisher, str, bytes]] = []
        self._order = itertools.count()
        self._closed = False
        self._keep: list[Any] = []
        self._carry(RobotHello, "hello", "hello", qos.PRESENCE, up=True)
        self._carry(PartialInference, "partial_inference", "partial_inference", qos.PARTIAL_INFERENCE, up=True)
        self._carry(EdgeStatus, "status", "status", qos.PRESENCE, up=False)
        for robot in robots:
            self._carry(EdgeDetections, "detections", f"{robot}/detections", qos.ANSWERS, up=False)
            self._carry(DelayFeedback, "delay_feedback", f"{robot}/delay_feedback", qos.ANSWERS, up=False)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._spinner = threading.Thread(target=self._spin, name="relay in", daemon=True)
        self._deliverer = threading.Thread(target=self._deliver, name="relay out", daemon=True)
        self._spinner.start()
        self._deliverer.start()

    def close(self) -> None:
        """Drop the messages that are under way, and join the threads."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._spinner.join()
        self._deliverer.join()
        self._executor.shutdown(timeout_sec=0.5)
        self._node.destroy_node()

    def _carry(self, kind: Any, name: str, topic: str, profile: Any, *, up: bool) -> None:
        source, target = (ROBOT_SIDE, EDGE_SIDE) if up else (EDGE_SIDE, ROBOT_SIDE)
        publisher = self._node.create_publisher(kind, f"{target}/{topic}", profile)

        def take(message: bytes) -> None:
            plan = self.plan
            self.on_taken(name, message)
            self._put(publisher, name, [(0.0, message)] if plan is None else plan(name, message))

        self._keep.append(
            self._node.create_subscription(kind, f"{source}/{topic}", take, profile, raw=True)  # type: ignore[arg-type]
        )

    def _put(self, publisher: Publisher, name: str, fate: Fate) -> None:
        now_s = time.monotonic()
        with self._condition:
            for delay_s, message in fate:
                heapq.heappush(self._queue, (now_s + delay_s, next(self._order), publisher, name, message))
            self._condition.notify_all()

    def _spin(self) -> None:
        while not self._closed:
            self._executor.spin_once(timeout_sec=0.1)

    def _deliver(self) -> None:
        while True:
            with self._condition:
                while not self._closed and (not self._queue or self._queue[0][0] > time.monotonic()):
                    self._condition.wait(self._queue[0][0] - time.monotonic() if self._queue else None)
                if self._closed:
                    return
                _, _, publisher, name, message = heapq.heappop(self._queue)
            self.on_delivered(name, message)
            publisher.publish(message)
