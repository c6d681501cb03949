# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read from the ROS graph who is not heard, whose quality of service does not match, and where images come from."""

from __future__ import annotations

import time
from collections.abc import Collection

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

from neurosurgeon_ros.camera.image_sources import Silence, other_sources, sources_of
from neurosurgeon_ros.camera.transports import COMPRESSED, RAW
from neurosurgeon_ros.doctor.facts import Mismatch, Report
from neurosurgeon_ros.doctor.gather.listener import PREFIX
from neurosurgeon_ros.msg import EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.ros.peers import foreign, full_name, is_named
from neurosurgeon_ros.ros.type_hashes import type_name

_TRANSPORTS = {type_name(Image): RAW, type_name(CompressedImage): COMPRESSED}

#: Seconds after which a discovered publisher should have a name: less than the nodes themselves allow, since one that
#: has just started is found by looking again.
NAMELESS_S = 1.5


class Nameless:
    """The publishers that are discovered and not heard, see :mod:`neurosurgeon_ros.ros.unheard_peers`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since_s: dict[bytes, float] = {}

    def look(self, topics: Collection[str]) -> tuple[str, bytes] | None:
        """
        Return the topic and the identifier of a publisher that has had no name for a while; call repeatedly.

        :param topics: fully resolved names.
        """
        now_s, since_s = time.monotonic(), {}
        oldest: tuple[float, str, bytes] | None = None
        for topic in topics:
            for info in self._node.get_publishers_info_by_topic(topic):
                if not is_named(info):
                    identifier = bytes(info.endpoint_gid)
                    since_s[identifier] = begin_s = self._since_s.get(identifier, now_s)
                    if now_s - begin_s >= NAMELESS_S and (oldest is None or begin_s < oldest[0]):
                        oldest = begin_s, topic, identifier
        self._since_s = since_s
        return None if oldest is None else oldest[1:]


def image_topics(node: Node) -> list[str]:
    """Return the topics that carry images."""
    return [name for name, kinds in node.get_topic_names_and_types() if any(kind in _TRANSPORTS for kind in kinds)]


def foreign_messages(node: Node, namespace: str) -> tuple[str, ...]:
    """Return one sentence for each node that has other types on the topics between robot and edge."""
    found: dict[str, str] = {}
    for kind, name in ((RobotHello, "hello"), (EdgeStatus, "status"), (PartialInference, "partial_inference")):
        topic = f"{namespace}/{name}"
        infos = [*node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)]
        found |= foreign(kind, topic, infos)
    return tuple(found[name] for name in sorted(found))


def mismatches(node: Node, nodes: Collection[str]) -> tuple[Mismatch, ...]:
    """
    Return the publishers and subscriptions that do not match, on all topics on which one of the nodes takes part.

    :param nodes: fully qualified names.
    """
    found = set()
    for topic, _ in node.get_topic_names_and_types():
        publishers, subscriptions = (
            [info for info in infos if is_named(info) and not info.node_name.startswith(PREFIX)]
            for infos in (node.get_publishers_info_by_topic(topic), node.get_subscriptions_info_by_topic(topic))
        )
        for publisher in publishers:
            for subscription in subscriptions:
                if {full_name(publisher), full_name(subscription)} & set(nodes):
                    found.update(_mismatch(topic, publisher, subscription))
    return tuple(sorted(found, key=lambda one: (one.topic, one.publisher, one.subscriber)))


def camera_of(node: Node, robot: str, report: Report | None) -> Silence | None:
    """
    Return the subscription of a robot to images and who publishes some; None if the graph shows no subscription.

    :param robot: fully qualified name of the robot's node.
    """
    for topic in image_topics(node):
        for info in node.get_subscriptions_info_by_topic(topic):
            if is_named(info) and full_name(info) == robot and info.topic_type in _TRANSPORTS:
                others = {
                    name: [source for source in sources if source.node != robot]
                    for name, sources in other_sources(node, topic).items()
                }
                return Silence(
                    topic=topic,
                    transport=_TRANSPORTS[info.topic_type],
                    profile=_of(info),
                    sources=sources_of(node, topic),
                    others={name: sources for name, sources in others.items() if sources},
                    came=report is not None and report.values.get("frames received", "0") != "0",
                )
    return None


def _mismatch(topic: str, publisher: TopicEndpointInfo, subscription: TopicEndpointInfo) -> list[Mismatch]:
    offered, wanted = _of(publisher), _of(subscription)
    compatibility, reason = qos_check_compatible(offered, wanted)
    if compatibility != QoSCompatibility.ERROR:
        return []
    ends = topic, full_name(publisher), full_name(subscription)
    if (offered.reliability, wanted.reliability) == (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        return [Mismatch(*ends, "reliability", "best effort", "reliable")]
    if (offered.durability, wanted.durability) == (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
        return [Mismatch(*ends, "durability", "volatile", "transient local")]
    return [Mismatch(*ends, "another policy", "less", " ".join(reason.rstrip("; ").split()))]


def _of(info: TopicEndpointInfo) -> QoSProfile:
    profile: QoSProfile = info.qos_profile
    return profile
