# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Decide which robot holds an id: a robot listens to the hellos of others before it claims an id, with or without an edge.

The robot that sends hellos with an id holds it until it sends a goodbye or its hellos stop. A goodbye contains the
secret of the session that it ends, so no robot can send it for another. Robots that claim the same id within the time
that a hello takes hear each other only after they have sent one. The robot with the lowest session then holds the id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.protocol.presence import ROBOT_TIMEOUT_S, session_of
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy
from neurosurgeon_ros.ros.intake import SMALL_BYTES, read, shorten
from neurosurgeon_ros.ros.messages import InvalidMessage, check_version, goodbye

#: Seconds to listen before an id is claimed: two hellos, and time for discovery.
LISTEN_S = 1.2

#: Seconds to listen for other robots that send a hello with the same id at the same moment.
CLAIM_S = 0.3

#: Seconds between polls in which hellos are received and sent while a transition blocks the executor.
POLL_S = 0.05

#: Maximum seconds to wait at the end until every edge and robot has received the goodbye.
GOODBYE_S = 0.3


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A robot that has sent a hello.

    :param heard_s: time at which it was last heard, monotonic seconds.
    """

    session: int
    node: str
    host: str
    heard_s: float

    def __str__(self) -> str:
        """Return the names of the robot's node and host."""
        node = shorten(self.node) or "a node that does not say its name"
        return f"{node} on {shorten(self.host)}" if self.host else node


class Hellos:
    """
    Receives the hellos of all robots, and sends those of this one, until :meth:`close`. For the executor's thread.

    The publisher is made before it is needed, so that others have discovered it when an id is claimed.

    :param namespace: namespace of the topics between robot and edge.
    :param left: the goodbye of the previous session, which is sent once more: the first one may have been lost.
    """

    def __init__(self, node: Node, namespace: str, *, left: RobotHello | None = None) -> None:
        self.topic = f"{namespace}/hello"
        self._node = node
        self._since_s = time.monotonic()
        self._claimed: RobotHello | None = None
        self._goodbye = left
        self._own: set[int] = set() if left is None else {left.session}
        self._heard: dict[str, Holder] = {}
        self._publisher = node.create_publisher(
            RobotHello, self.topic, qos.PRESENCE, event_callbacks=qos.QUIET_PUBLISHER
        )
        self._subscription = node.create_subscription(
            RobotHello, self.topic, self._hear, qos.HELLOS_OF_ALL, raw=True, event_callbacks=qos.QUIET_SUBSCRIPTION
        )

    def close(self) -> None:
        """Release the id, and stop receiving and sending."""
        self.leave()
        if self._goodbye is not None:
            self._publisher.wait_for_all_acked(Duration(seconds=GOODBYE_S))
        destroy(self._node, self._subscription, self._publisher)

    def say(self) -> None:
        """Publish a hello with the held id; do nothing if no id is held."""
        if self._claimed is not None:
            self._publisher.publish(self._claimed)

    @property
    def goodbye(self) -> RobotHello | None:
        """Return the goodbye of the newest session; None if there was no session."""
        return self._goodbye

    @property
    def sessions(self) -> frozenset[int]:
        """Return the sessions of this robot that it knows of."""
        return frozenset(self._own)

    def leave(self) -> None:
        """Release the id at once; do nothing if no id is held."""
        if self._claimed is not None and self._goodbye is not None:
            self._publisher.publish(self._goodbye)
        self._claimed = None

    def claim(self, message: RobotHello, secret: str) -> Holder | None:
        """
        Claim an id if it is free.

        :param message: this robot's hello, of a session that has not sent one yet.
        :param secret: secret of the session, see :func:`neurosurgeon_ros.protocol.presence.session_of`.
        :returns: the other holder of the id; None if this robot holds it now, as long as it keeps sending hellos.
        """
        self.leave()
        self._listen(self._since_s + LISTEN_S)
        holder = self.holder(message.robot_id)
        if holder is not None:
            return holder
        if self._goodbye is not None:
            self._publisher.publish(self._goodbye)
        self._claimed, self._goodbye = message, goodbye(message, secret)
        self._own.add(message.session)
        end_s = time.monotonic() + CLAIM_S
        while (now_s := time.monotonic()) < end_s:
            self.say()
            self._listen(now_s + POLL_S)
        rival = self.holder(message.robot_id)
        if rival is not None and rival.session < message.session:
            self.leave()
            return rival
        self._heard.pop(message.robot_id, None)  # a robot that lost is silent now; if it is not, it is heard again
        return None

    def _listen(self, until_s: float) -> None:
        """Handle the hellos that arrived while the executor was blocked, and those that arrive until `until_s`."""
        while True:
            with self._subscription.handle:
                while (taken := self._subscription.handle.take_message(RobotHello, True)) is not None:
                    self._hear(taken[0])
            left_s = until_s - time.monotonic()
            if left_s <= 0.0:
                return
            time.sleep(min(POLL_S, left_s))  # a transition runs in the executor's thread: nothing can wake it

    def holder(self, robot_id: str) -> Holder | None:
        """Return the other robot that holds an id now; None if the id is free."""
        holder = self._heard.get(robot_id)
        return holder if holder is not None and time.monotonic() - holder.heard_s <= ROBOT_TIMEOUT_S else None

    def _hear(self, data: Any) -> None:
        try:
            message = read(RobotHello, data, max_bytes=SMALL_BYTES)
            check_version(message)
        except InvalidMessage:  # the edge reports it; it does not matter here
            return
        if message.session in self._own:
            return
        if not message.fingerprint:
            holder = self._heard.get(message.robot_id)
            if holder is not None and holder.session == message.session == session_of(message.model):
                del self._heard[message.robot_id]
            return
        if len(self._heard) > 1000:  # invented ids must not fill the memory
            self._heard.clear()
        known = self.holder(message.robot_id)
        if known is None or message.session <= known.session:  # the lowest session among several claims holds the id
            self._heard[message.robot_id] = Holder(message.session, message.node, message.host, time.monotonic())
