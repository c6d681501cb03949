# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Find peers whose messages have another type, or another version of the same type, in the ROS graph.

Fast DDS matches endpoints only by topic name and type name, so messages with another layout are delivered and misread.
Each endpoint carries the hash of its type (REP-2011), which is compared with the local hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from neurosurgeon_ros.ros.messages import InvalidMessage, check_version
from neurosurgeon_ros.ros.type_hashes import type_hash, type_name

#: Seconds between checks whether all peers use the local message types.
LOOK_PERIOD_S = 1.0

# The hashes shown for a node without one: an older ROS 2, or another DDS implementation.
_NO_HASH = ("", "INVALID")

# The name shown for an endpoint until the graph knows its node.
_NO_NAME = "_NODE_NAME_UNKNOWN_"


class Peers:
    """Compares the endpoints of topics with the types that this package uses for these topics."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._said: set[str] = set()

    def foreign(
        self, kind: type[Any], topic: str, *, publishers: bool = True, subscriptions: bool = True
    ) -> dict[str, str]:
        """
        Return the nodes that use another type on a topic.

        :returns: the problem in one sentence, by fully qualified node name.
        """
        infos: list[TopicEndpointInfo] = []
        if publishers:
            infos += self._node.get_publishers_info_by_topic(topic)
        if subscriptions:
            infos += self._node.get_subscriptions_info_by_topic(topic)
        return foreign(kind, topic, infos)

    def check_version(self, message: Any, topic: str) -> None:
        """
        Reject a message of another protocol version, and name the publishers of the topic.

        :raises InvalidMessage: if the version is another one.
        """
        try:
            check_version(message)
        except InvalidMessage as problem:
            infos = self._node.get_publishers_info_by_topic(topic)
            names = sorted({full_name(info) for info in infos if is_named(info)})
            who = ", ".join(names) or ("a node that has no name yet" if infos else "nobody any more")
            raise InvalidMessage(f"{problem}; {topic} is published by {who}", reason=problem.reason) from None

    def say_new(self, sentences: Iterable[str]) -> None:
        """Log each sentence when it first occurs."""
        for sentence in sentences:
            if sentence not in self._said and len(self._said) < 100:
                self._said.add(sentence)
                self._node.get_logger().error(f"not listened to: {sentence}")


def foreign(kind: type[Any], topic: str, infos: Iterable[TopicEndpointInfo]) -> dict[str, str]:
    """
    Return the nodes among a topic's endpoints that use another type than `kind`; see :meth:`Peers.foreign`.

    An endpoint without a hash is compared only by its type's name. An endpoint without a node name is skipped until it
    has one.
    """
    name = type_name(kind)
    ours = type_hash(name)
    wrong: dict[str, str] = {}
    for info in filter(is_named, infos):
        node, theirs = full_name(info), str(info.topic_type_hash)
        if info.topic_type != name:
            wrong[node] = f"{node} has {info.topic_type} on {topic}, expected {name}: remap one of the two"
        elif ours and theirs not in _NO_HASH and theirs != ours:
            wrong[node] = (
                f"{node} has another {name} on {topic}, {_short(theirs)} instead of {_short(ours)}: "
                "install the same version of neurosurgeon_ros on both sides"
            )
    return wrong


def is_named(info: TopicEndpointInfo) -> bool:
    """Return whether the graph knows an endpoint's node; it learns of the endpoint shortly before the node."""
    return bool(info.node_name != _NO_NAME)


def full_name(info: TopicEndpointInfo) -> str:
    """Return the fully qualified name of the node that an endpoint belongs to."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _short(text: str) -> str:
    return text[:19]
