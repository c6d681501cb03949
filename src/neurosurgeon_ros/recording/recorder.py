# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Record robots' topics to an MCAP file in the layout of rosbag2, without decoding the messages."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from diagnostic_msgs.msg import DiagnosticArray
from mcap.writer import Writer
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.validate_full_topic_name import validate_full_topic_name
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from neurosurgeon_ros.camera.transports import COMPRESSED, RAW
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.recording.schemas import schema_text
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.process import StartError, run
from neurosurgeon_ros.ros.type_hashes import type_hash

#: Maximum number of a topic's messages that wait while a chunk is compressed; further messages are missing in the file.
DEPTH = 1000
IMAGES_DEPTH = 100

#: Bytes of messages in a chunk: kill -9 loses the last chunk, which is some seconds of a run without images.
CHUNK_BYTES = 64 * 1024

#: Seconds between writes of finished chunks to the file.
FLUSH_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """
    The options of a recording.

    :param path: path of the file, which is overwritten.
    :param robots: fully qualified names of the robots' nodes; each robot's topics are in the namespace of its node.
    :param image_topic: topic of each camera, relative to its robot's namespace.
    :param images: raw, compressed, or empty for none.
    """

    path: Path
    robots: tuple[str, ...] = ("/robot_node",)
    image_topic: str = "image_raw"
    images: str = ""


class RecorderNode(Node):
    """
    Records from construction until :meth:`close`.

    :raises StartError: if the file cannot be written, or a topic's name is not valid.
    """

    def __init__(self, options: RecorderOptions) -> None:
        super().__init__("recorder", start_parameter_services=False)
        self._path = options.path
        self._counts: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._failed = False
        topics = _topics(options)
        try:
            for _, topic, _ in topics:
                validate_full_topic_name(topic)
            self._stream = options.path.open("wb")
        except InvalidTopicNameException as problem:
            self.destroy_node()
            raise StartError(f"{topic} cannot be recorded: {str(problem).splitlines()[0].rstrip(':')}") from None
        except OSError as problem:
            self.destroy_node()
            raise StartError(f"{options.path} cannot be written ({problem.strerror})") from None
        self._writer = Writer(self._stream, chunk_size=CHUNK_BYTES)
        self._writer.start(profile="ros2", library="neurosurgeon_ros")
        for kind, topic, profile in topics:
            self._record(kind, topic, profile)
        self.create_timer(FLUSH_PERIOD_S, self._flush)
        self.get_logger().info(f"records {', '.join(self._counts)} to {options.path}")

    def close(self) -> None:
        """Record messages that have arrived but were not taken yet, complete the file, and log its contents."""
        for subscription in self.subscriptions:
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
                    subscription.callback(taken[0])
        try:
            self._writer.finish()
            self._stream.close()
        except OSError as problem:
            self.get_logger().error(f"{self._path} could not be completed ({problem.strerror})")
            return
        counts = ", ".join(f"{topic} {count}" for topic, count in self._counts.items())
        self.get_logger().info(f"recorded to {self._path}: {counts}")

    def _record(self, kind: Any, topic: str, profile: QoSProfile) -> None:
        type_name = kind.__module__.split(".")[0] + "/msg/" + kind.__name__
        name = self.resolve_topic_name(topic)
        schema = self._writer.register_schema(type_name, "ros2msg", schema_text(type_name).encode())
        metadata = {"offered_qos_profiles": qos_text(profile), "topic_type_hash": type_hash(type_name)}
        channel = self._writer.register_channel(name, "cdr", schema, metadata)
        self._counts[name] = 0
        self._heard[name] = 0
        self.create_subscription(
            kind,
            name,
            functools.partial(self._write, channel, name),
            _patient(profile),
            event_callbacks=SubscriptionEventCallbacks(matched=functools.partial(self._on_matched, name)),
            raw=True,
        )

    def _on_matched(self, topic: str, event: Any) -> None:
        if event.current_count > self._heard[topic]:
            self.get_logger().info(f"hears {topic}")
        self._heard[topic] = event.current_count

    def _write(self, channel: int, topic: str, message: bytes) -> None:
        now_ns = time.time_ns()
        try:
            self._writer.add_message(
                channel, log_time=now_ns, data=message, publish_time=now_ns, sequence=self._counts[topic]
            )
            self._counts[topic] += 1
        except OSError as problem:
            self._say_failed(problem)

    def _flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as problem:
            self._say_failed(problem)

    def _say_failed(self, problem: OSError) -> None:
        if not self._failed:
            self._failed = True
            self.get_logger().error(f"{self._path} cannot be written on ({problem.strerror}): messages are lost")


def _topics(options: RecorderOptions) -> list[tuple[Any, str, QoSProfile]]:
    """Return type, name and profile of each topic to record, without duplicates: robots may share a camera."""
    topics: dict[str, tuple[Any, QoSProfile]] = {"/diagnostics": (DiagnosticArray, qos.DIAGNOSTICS)}
    for robot in options.robots:
        namespace = robot.rpartition("/")[0]
        topics[f"{namespace}/detections"] = (Detection2DArray, qos.DETECTIONS)
        topics[f"{robot}/decision"] = (PartitionDecision, qos.DECISION)
        topics[f"{namespace}/label_info"] = (LabelInfo, qos.LABELS)
        images = options.image_topic if options.image_topic.startswith("/") else f"{namespace}/{options.image_topic}"
        if options.images == RAW:
            topics[images] = (Image, qos.SENSOR_DATA)
        elif options.images == COMPRESSED:
            topics[f"{images}/compressed"] = (CompressedImage, qos.SENSOR_DATA)
    return [(kind, topic, profile) for topic, (kind, profile) in topics.items()]


def _patient(offered: QoSProfile) -> QoSProfile:
    """Return the profile of a subscription that receives everything that a publisher with this profile sends."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=DEPTH if offered.reliability == ReliabilityPolicy.RELIABLE else IMAGES_DEPTH,
        reliability=offered.reliability,
        durability=offered.durability,
    )


def qos_text(profile: QoSProfile) -> str:
    """Return a profile as rosbag2 stores it with a topic: YAML, a list with one entry."""
    unlimited = {"sec": 9223372036, "nsec": 854775807}
    return str(
        yaml.safe_dump(
            [
                {
                    "history": "keep_last",
                    "depth": profile.depth,
                    "reliability": profile.reliability.name.lower(),
                    "durability": profile.durability.name.lower(),
                    "deadline": unlimited,
                    "lifespan": unlimited,
                    "liveliness": "automatic",
                    "liveliness_lease_duration": unlimited,
                    "avoid_ros_namespace_conventions": False,
                }
            ],
            sort_keys=False,
        )
    )


def record(options: RecorderOptions) -> int:
    """Record until the process is told to stop; returns the exit code."""
    return run(lambda: RecorderNode(options), [])
