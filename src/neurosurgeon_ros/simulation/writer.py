# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated DDS writer with its link and its edge.

The writer keeps its last few messages. The link carries messages one after another, and the edge serves them one after
another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurosurgeon_ros.protocol.requests import Key
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.uplink import Uplink

#: Number of messages that the robot's writer keeps until they have arrived, see qos.PARTIAL_INFERENCE.
DEPTH = 4


@dataclass(slots=True, eq=False)
class Message:
    """
    A message that the writer holds. Times are in seconds since the start of the run.

    :param frame: index of its frame, from 0.
    :param noise: column of the noise of its transmission; the next column is the noise of the edge's durations.
    :param ready_s: time at which it is published.
    :param sent_bytes: payload in bytes.
    :param link_bytes: bytes that the link carries for it.
    :param compute_s: seconds of its back-end, without noise; 0 for a probe, which does not wait at the edge either.
    :param decode_s: seconds of decoding at the edge, without noise.
    :param robot_s: seconds of the robot's stages before it; NaN if the policy does not learn them.

    :ivar left_s: time at which its last byte leaves the link, or at which its lifespan ends.
    :ivar queue_s: seconds that it waits at the edge.
    :ivar done_s: time at which its answer arrives; infinity if its lifespan ends before it has left the link.
    """

    key: Key
    frame: int
    noise: int
    ready_s: float
    sent_bytes: int
    link_bytes: float
    compute_s: float = 0.0
    decode_s: float = 0.0
    robot_s: float = float("nan")
    left_s: float = 0.0
    queue_s: float = 0.0
    done_s: float = 0.0

    def has_expired(self, now_s: float) -> bool:
        """Return whether its lifespan ended before it had left the link."""
        return math.isinf(self.done_s) and self.left_s <= now_s


class Writer:
    """
    The writer of one robot, with its link.

    If the writer is full, a new message displaces the oldest one that has not left the link, as in DDS. The link then
    sends the messages behind it from their beginning. A message that has not left the link when its lifespan ends is
    not sent any more.

    :param lifespan_s: seconds from a message's publication to the end of its lifespan.
    """

    def __init__(self, environment: Environment, uplink: Uplink, *, lifespan_s: float = math.inf) -> None:
        self._environment = environment
        self._uplink = uplink
        self._lifespan_s = lifespan_s
        self._held: list[Message] = []
        self._free_s = self._edge_free_s = 0.0

    def put(self, message: Message) -> None:
        """Publish a message, and compute when it leaves the link and when its answer arrives."""
        now_s = message.ready_s
        self._held = [held for held in self._held if not held.has_expired(now_s)]
        waiting = [held for held in self._held if held.left_s > now_s]
        if len(waiting) >= DEPTH:
            self._held.remove(waiting[0])
            self._free_s = now_s
            served = [held.done_s for held in self._held if held.left_s <= now_s and held.compute_s]
            self._edge_free_s = max(served, default=0.0)
            for held in waiting[1:]:
                self._carry(held, now_s)
        self._held.append(message)
        self._carry(message, now_s)

    def take_answered(self, now_s: float) -> list[Message]:
        """Remove and return the messages that are answered by `now_s`, in the order of their answers."""
        done = sorted((held for held in self._held if held.done_s <= now_s), key=lambda held: held.done_s)
        self._held = [held for held in self._held if held.done_s > now_s]
        return done

    def _carry(self, message: Message, now_s: float) -> None:
        """Put a message on the link, behind the earlier messages."""
        start_s, ends_s = max(now_s, self._free_s), message.ready_s + self._lifespan_s
        message.left_s = float(self._uplink.end_s(message.frame, start_s, message.link_bytes))
        if message.left_s > ends_s:
            message.left_s, message.done_s = ends_s, math.inf
            self._free_s = max(start_s, ends_s)
            return
        self._free_s = message.left_s
        arrived_s = message.left_s + self._environment.round_trip_s
        if not message.compute_s:
            message.done_s = arrived_s
            return
        waits_s = max(0.0, self._edge_free_s - arrived_s)
        message.queue_s = waits_s + float(self._environment.queue_s[message.frame])
        message.done_s = self._edge_free_s = arrived_s + message.queue_s + message.decode_s + message.compute_s
