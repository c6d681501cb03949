# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Find who publishes images in the ROS graph.

The publishers determine the quality of service to subscribe with, and the sentence that explains why no image arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo

from neurosurgeon_ros.camera.transports import IMAGE_TOPIC, RAW, TYPE_NAMES
from neurosurgeon_ros.ros.peers import full_name, is_named

#: Maximum number of topics, and of publishers, that one sentence names.
_MOST_NAMED = 4

_KINDS = {name: transport for transport, name in TYPE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """
    A publisher.

    :param node: fully qualified name of its node; empty until the graph knows it.
    :param kind: type of its messages, such as sensor_msgs/msg/Image.
    :param profile: quality of service that it offers.
    """

    node: str
    kind: str
    profile: QoSProfile

    @property
    def about(self) -> str:
        """Return the node's name, and the reliability, durability and depth in ROS terms."""
        words = [
            {ReliabilityPolicy.RELIABLE: "reliable", ReliabilityPolicy.BEST_EFFORT: "best effort"}.get(
                self.profile.reliability, ""
            ),
            {DurabilityPolicy.VOLATILE: "volatile", DurabilityPolicy.TRANSIENT_LOCAL: "transient local"}.get(
                self.profile.durability, ""
            ),
            f"depth {self.profile.depth}" if self.profile.depth else "",
        ]
        return f"{self.node or 'a node that has no name yet'} ({', '.join(word for word in words if word)})"


@dataclass(frozen=True, slots=True)
class Silence:
    """
    The subscription and the publishers at a time when no image arrives.

    :param topic: topic on which images are expected, fully resolved.
    :param transport: one of :data:`~neurosurgeon_ros.camera.transports.TRANSPORTS`.
    :param profile: quality of service of the subscription.
    :param sources: publishers of the topic.
    :param others: publishers of images on other topics, by topic.
    :param came: whether an image has arrived before.
    """

    topic: str
    transport: str
    profile: QoSProfile
    sources: Sequence[Source]
    others: Mapping[str, Sequence[Source]]
    came: bool

    def cause(self) -> str:
        """Return why no image arrives and what to do, in one sentence that stays the same while the cause does."""
        if not self.sources:
            return f"{self._nobody()}{self._elsewhere()}"
        deaf = [(source, reason) for source in self.sources if (reason := _incompatible(source.profile, self.profile))]
        if len(deaf) == len(self.sources):
            return (
                f"{_named([source for source, _ in deaf])} publishes {self.topic} with a quality of service that the "
                f"robot's does not match, {deaf[0][1]}: remove what qos_overrides.{self.topic}.subscription asks for"
            )
        last = "sends none any more" if self.came else "has sent none yet"
        return (
            f"{_named(self.sources)} publishes {self.topic}, but {last}: see whether "
            f"`ros2 topic hz {self.topic}` shows any on its machine"
        )

    def _nobody(self) -> str:
        gone = "its publisher is gone" if self.came else "nobody publishes it"
        return f"the robot takes images from {self.topic}, and {gone}"

    def _elsewhere(self) -> str:
        fitting = {
            topic: sources
            for topic, sources in self.others.items()
            if any(_KINDS.get(source.kind) == self.transport for source in sources)
        }
        if not self.others:
            return ": start the camera's driver, and see that both have the same ROS_DOMAIN_ID"
        first = min(fitting or self.others)
        other = self.transport if fitting else _KINDS[self.others[first][0].kind]
        shown = [
            f"{topic} by {_named(sources)}"
            for topic, sources in sorted((fitting or self.others).items())
            if fitting or any(_KINDS[source.kind] == other for source in sources)
        ]
        listed = "; ".join(shown[:_MOST_NAMED]) + ("; …" if len(shown) > _MOST_NAMED else "")
        if not fitting:
            return f"; there are {other} images on {listed}: set image_transport to {other}"
        base = first if self.transport == RAW else first.removesuffix(f"/{self.transport}")
        return f"; there are images on {listed}: remap with -r {IMAGE_TOPIC}:={base}, or image_topic:={base} by launch"


def wanted_reliability(sources: Iterable[Source]) -> ReliabilityPolicy:
    """
    Return the reliability to subscribe with: RELIABLE if every publisher offers it, otherwise BEST_EFFORT.

    With best effort, a large image is lost as soon as one of its fragments is lost. With reliable, the publisher sends
    that fragment again. `ros2 topic echo` and rosbag2 choose in the same way. If there is no publisher, the result is
    BEST_EFFORT, which matches any.
    """
    offered = [source.profile.reliability for source in sources]
    every = bool(offered) and all(one == ReliabilityPolicy.RELIABLE for one in offered)
    return ReliabilityPolicy.RELIABLE if every else ReliabilityPolicy.BEST_EFFORT


def sources_of(node: Node, topic: str) -> list[Source]:
    """Return the publishers of a topic."""
    return [_source(info) for info in node.get_publishers_info_by_topic(topic)]


def other_sources(node: Node, topic: str) -> dict[str, list[Source]]:
    """Return the publishers of images on all other topics, except those of the node itself, by topic."""
    found = {}
    for name, kinds in node.get_topic_names_and_types():
        if name == topic or not any(kind in _KINDS for kind in kinds):
            continue
        theirs = [
            source
            for source in sources_of(node, name)
            if source.kind in _KINDS and source.node != node.get_fully_qualified_name()
        ]
        if theirs:
            found[name] = theirs
    return found


def _source(info: TopicEndpointInfo) -> Source:
    return Source(full_name(info) if is_named(info) else "", info.topic_type, info.qos_profile)


def _incompatible(offered: QoSProfile, asked: QoSProfile) -> str:
    compatibility, reason = qos_check_compatible(offered, asked)
    return " ".join(reason.rstrip("; ").split()) if compatibility == QoSCompatibility.ERROR else ""


def _named(sources: Sequence[Source]) -> str:
    names = sorted({source.about for source in sources})
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
