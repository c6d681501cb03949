# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who holds a robot's id: a robot listens to the others' hellos before it takes its own, with an edge or without."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.nodes.intake import SMALL_BYTES, read, shorten
from neurosurgeon_ros.nodes.managed import destroy
from neurosurgeon_ros.nodes.messages import InvalidMessage, check_version
from neurosurgeon_ros.runtime.presence import ROBOT_TIMEOUT_S

#: Seconds to have listened before an id is taken: two hellos, and time for discovery.
LISTEN_S = 1.2

#: Seconds between hellos that are taken while a transition holds up the executor.
POLL_S = 0.05

# As hellos are published, with room for those of many robots that come while a transition holds up the executor.
_PATIENT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=256,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A robot that has said hello.

    :param heard_s: when it was last heard, monotonic seconds.
    """

    session: int
    node: str
    host: str
    heard_s: float

    def __str__(self) -> str:
        """Name it for people."""
        node = shorten(self.node) or "a node that does not say its name"
        return f"{node} on {shorten(self.host)}" if self.host else node


class Hellos:
    """
    Hears the hellos of all robots from its making to :meth:`close`. For the executor's thread.

    :param namespace: where robot and edge meet.

    :ivar own: sessions whose hellos are this robot's own, and do not count.
    """

    def __init__(self, node: Node, namespace: str) -> None:
        self._node = node
        self._since_s = time.monotonic()
        self.own: set[int] = set()
        self._heard: dict[str, Holder] = {}
        self._subscription = node.create_subscription(RobotHello, f"{namespace}/hello", self._hear, _PATIENT, raw=True)

    def close(self) -> None:
        """Listen no more."""
        destroy(self._node, self._subscription)

    def listen(self) -> None:
        """Take the hellos that have come while the executor was held up, until long enough has been listened."""
        while True:
            with self._subscription.handle:
                while (taken := self._subscription.handle.take_message(RobotHello, True)) is not None:
                    self._hear(taken[0])
            left_s = self._since_s + LISTEN_S - time.monotonic()
            if left_s <= 0.0:
                return
            time.sleep(min(POLL_S, left_s))  # a transition runs in the executor's thread: nothing can wake it

    def holder(self, robot_id: str) -> Holder | None:
        """Return who else holds an id now; None if it is free."""
        holder = self._heard.get(robot_id)
        return holder if holder is not None and time.monotonic() - holder.heard_s <= ROBOT_TIMEOUT_S else None

    def _hear(self, data: Any) -> None:
        try:
            message = read(RobotHello, data, max_bytes=SMALL_BYTES)
            check_version(message)
        except InvalidMessage:  # said by the edge, and of no meaning here
            return
        if message.session in self.own:
            return
        if len(self._heard) > 1000:  # whoever invents ids does not fill the memory
            self._heard.clear()
        self._heard[message.robot_id] = Holder(message.session, message.node, message.host, time.monotonic())
