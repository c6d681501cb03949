# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's camera: images as they come, raw or compressed, on the topics that image_transport names."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from neurosurgeon_ros.nodes import qos
from neurosurgeon_ros.nodes.compressed import check_compressed, decode_compressed
from neurosurgeon_ros.nodes.images import COMPRESSED, IMAGE_TOPIC, MAX_BYTES, RAW, check_image, to_bgr, transport_topic
from neurosurgeon_ros.nodes.intake import SMALL_BYTES, Intake
from neurosurgeon_ros.nodes.managed import destroy
from neurosurgeon_ros.nodes.markers import camera_info_topic
from neurosurgeon_ros.nodes.peers import full_name, is_named, type_name
from neurosurgeon_ros.runtime.decision import Arrival, ImageRejected


class Camera:
    """
    Subscribes from its making to :meth:`close`. For the executor's thread.

    :param transport: "raw" or "compressed".
    :param take: is given each image that can be decoded, by its header.
    :param reject: told of each other one why, in one sentence.

    :ivar info: the camera's newest calibration; None if none has come.
    """

    def __init__(
        self, node: Node, transport: str, *, take: Callable[[Arrival], object], reject: Callable[[str], object]
    ) -> None:
        self._node = node
        self._transport = transport
        self._take = take
        self._reject = reject
        self.info: CameraInfo | None = None
        self.topic = transport_topic(node, transport)
        self._kind = CompressedImage if transport == COMPRESSED else Image
        intake = Intake(node)
        self._images = intake.subscribe(
            self._kind,
            self.topic,
            self._on_compressed if transport == COMPRESSED else self._on_image,
            qos.SENSOR_DATA,
            max_bytes=MAX_BYTES + SMALL_BYTES,
            on_refusal=reject,
            overridable=True,
            pixels=True,
        )
        self._infos = intake.subscribe(
            CameraInfo,
            camera_info_topic(node.resolve_topic_name(IMAGE_TOPIC)),
            self._on_info,
            qos.SENSOR_DATA,
            max_bytes=SMALL_BYTES,
        )

    def close(self) -> None:
        """Take no more images."""
        destroy(self._node, self._images, self._infos)

    def mismatch(self) -> str:
        """Say why images will not come although somebody publishes some, by the graph; empty if nothing is wrong."""
        expected = type_name(self._kind)
        for info in filter(is_named, self._node.get_publishers_info_by_topic(self.topic)):
            if info.topic_type != expected:
                return (
                    f"{self.topic} carries {info.topic_type} from {full_name(info)}, expected {expected} "
                    f"for image_transport {self._transport}: remap {IMAGE_TOPIC}, or set image_transport"
                )
        if self._node.count_publishers(self.topic) == 0:
            other = COMPRESSED if self._transport == RAW else RAW
            topic = transport_topic(self._node, other)
            if self._node.count_publishers(topic) > 0:
                return f"nobody publishes {self.topic}, but {topic} is there: set image_transport to {other}"
        return ""

    def _on_image(self, message: Image) -> None:
        try:
            check_image(message)
        except ImageRejected as problem:
            self._reject(str(problem))
            return
        self._take(Arrival(message.header, time.monotonic(), lambda: to_bgr(message)))

    def _on_compressed(self, message: CompressedImage) -> None:
        try:
            check_compressed(message)
        except ImageRejected as problem:
            self._reject(str(problem))
            return
        data = memoryview(message.data)
        self._take(Arrival(message.header, time.monotonic(), lambda: decode_compressed(message), data))

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message
