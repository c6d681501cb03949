# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's camera: receives raw or compressed images, or a video, on the topics that image_transport names."""

from __future__ import annotations

import copy
import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from neurosurgeon_ros.camera.compressed import check_compressed, decode_compressed
from neurosurgeon_ros.camera.image_sources import Silence, other_sources, sources_of, wanted_reliability
from neurosurgeon_ros.camera.images import MAX_BYTES, camera_info_topic, check_image, to_bgr
from neurosurgeon_ros.camera.losses import Losses
from neurosurgeon_ros.camera.packet_gaps import PublicationGaps
from neurosurgeon_ros.camera.transports import (
    FOXGLOVE,
    IMAGE_TOPIC,
    RAW,
    TRANSPORTS,
    VIDEO_TRANSPORTS,
    message_type,
    transport_topic,
)
from neurosurgeon_ros.camera.video_decoding import VideoDecoding
from neurosurgeon_ros.robot.arrival import Arrival, ImageRejected
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy, steady_timer
from neurosurgeon_ros.ros.intake import SMALL_BYTES, Intake, overridden_policies
from neurosurgeon_ros.ros.peers import full_name, is_named
from neurosurgeon_ros.ros.process.dds import profile_advice
from neurosurgeon_ros.ros.process.middleware import is_fast_dds
from neurosurgeon_ros.ros.type_hashes import type_name

#: Seconds between two checks of the images' publishers.
LOOK_PERIOD_S = 0.2

#: Number of recent images to remember, because the other of two subscriptions may deliver them again.
_REMEMBERED = 4


class Camera:
    """
    Subscribes on construction, until :meth:`close`. For the executor's thread.

    The subscription is reliable if every publisher of the images offers it, and best effort otherwise, see
    :func:`neurosurgeon_ros.camera.image_sources.wanted_reliability`; it changes when the publishers do. Parameters
    `qos_overrides` take precedence.

    Packets of a video are decoded in a thread of their own, which calls `take`, `reject` and `skip`.

    :param transport: one of :data:`~neurosurgeon_ros.camera.transports.TRANSPORTS`.
    :param significant_bits: how many of the 16 bits of a value the camera uses, from the lowest; 0: all.
    :param take: called with each image that can be decoded according to its header.
    :param reject: called for each other image with the reason, in one sentence.
    :param skip: called for each packet of a video that comes before a key frame.
    :raises ValueError: what the transport needs is not installed.

    :ivar info: the camera's newest calibration; None before the first one.
    :ivar losses: images that did not reach the robot.
    """

    def __init__(
        self,
        node: Node,
        transport: str,
        *,
        significant_bits: int = 0,
        take: Callable[[Arrival], object],
        reject: Callable[[str], object],
        skip: Callable[[], object] = lambda: None,
    ) -> None:
        self._node = node
        self._transport = transport
        self._significant_bits = significant_bits
        self._take = take
        self._reject = reject
        self._skip = skip
        self._said: set[str] = set()
        self._came = False
        self.info: CameraInfo | None = None
        self.losses = Losses()
        self.topic = transport_topic(node, transport)
        self._kind = message_type(transport)
        self._video: VideoDecoding | None = None
        if transport in VIDEO_TRANSPORTS:
            self._video = VideoDecoding(transport, self.topic, take=take, reject=reject, skip=self._on_skipped)
        self._intake = Intake(node)
        # The newest is last. An older one stays until the newest has matched the publishers.
        self._images = [self._subscribe(self._wanted())]
        self._latest: deque[tuple[Subscription, Any]] = deque(maxlen=_REMEMBERED)
        self._info_topic = camera_info_topic(node.resolve_topic_name(IMAGE_TOPIC))
        self._infos = self._intake.subscribe(
            CameraInfo, self._info_topic, self._on_info, qos.SENSOR_DATA, max_bytes=SMALL_BYTES
        )
        self._timer = steady_timer(node, LOOK_PERIOD_S, self._look)

    def close(self) -> None:
        """Destroy the subscriptions."""
        self._node.destroy_timer(self._timer)
        destroy(self._node, *self._images, self._infos)
        if self._video is not None:
            self._video.close()

    @property
    def profile(self) -> QoSProfile:
        """Return the quality of service that the newest subscription requests for images."""
        return self._images[-1].qos_profile

    def mismatch(self) -> str:
        """Return why images will not arrive although a node publishes some; empty if nothing is wrong."""
        expected = type_name(self._kind)
        for info in filter(is_named, self._node.get_publishers_info_by_topic(self.topic)):
            if info.topic_type != expected:
                return (
                    f"{self.topic} carries {info.topic_type} from {full_name(info)}, expected {expected} "
                    f"for image_transport {self._transport}: remap {IMAGE_TOPIC}, or set image_transport"
                )
        if self._node.count_publishers(self.topic) == 0:
            for other in TRANSPORTS:
                topic = transport_topic(self._node, other)
                if self._node.count_publishers(topic) > 0:
                    return f"nobody publishes {self.topic}, but {topic} is there: set image_transport to {other}"
        return ""

    def waits_for(self) -> str:
        """Return which key frame the robot waits for before it can decode a video; empty if it waits for none."""
        return "" if self._video is None else self._video.waits_for

    def why_silent(self) -> str:
        """Return why no image arrives and what to do, in one sentence that stays the same while the cause does."""
        silence = Silence(
            topic=self.topic,
            transport=self._transport,
            profile=self.profile,
            sources=sources_of(self._node, self.topic),
            others=other_sources(self._node, self.topic),
            came=self._came,
        )
        return self.mismatch() or silence.cause()

    def why_lossy(self) -> str:
        """Return how many images were lost before they reached the robot, and what to do; empty if almost none."""
        lost, sent = self.losses.recent(time.monotonic())
        if not lost or self.profile.reliability == ReliabilityPolicy.RELIABLE:
            return ""
        profile = f", or start it with {profile_advice()}, whose segment holds an image" if is_fast_dds() else ""
        return (
            f"{lost} of the last {sent} images on {self.topic} were lost before they reached the robot, since its "
            f"publisher offers best effort: let the driver publish reliably{profile}"
        )

    # The subscription.

    def _look(self) -> None:
        """Subscribe again if the publishers' offers have changed, and drop the older subscription when it can go."""
        sources = [source for source in sources_of(self._node, self.topic) if source.kind == type_name(self._kind)]
        if len(self._images) > 1 and self._images[-1].get_publisher_count() >= len(sources):
            destroy(self._node, self._images.pop(0))
            self._latest.clear()
        if not self._is_overridden("reliability") and sources:
            wanted = wanted_reliability(sources)
            if wanted != self.profile.reliability:
                while len(self._images) > 1:
                    destroy(self._node, self._images.pop(0))
                self._images.append(self._subscribe(wanted))
        self._count_senders()

    def _wanted(self) -> ReliabilityPolicy:
        return wanted_reliability(
            source for source in sources_of(self._node, self.topic) if source.kind == type_name(self._kind)
        )

    def _subscribe(self, reliability: ReliabilityPolicy) -> Subscription:
        is_video, gaps = self._video is not None, PublicationGaps()
        if is_video:
            profile = qos.video_packets(reliability)
        else:
            profile = copy.copy(qos.RELIABLE_IMAGES if reliability == ReliabilityPolicy.RELIABLE else qos.SENSOR_DATA)
        mine: list[Subscription] = []
        subscription = self._intake.subscribe(
            self._kind,
            self.topic,
            functools.partial(self._receive, mine, gaps),
            profile,
            max_bytes=MAX_BYTES + SMALL_BYTES,
            on_refusal=self._reject,
            overridable=True,
            pixels=self._transport != FOXGLOVE,
            on_number=gaps.count if is_video else None,
        )
        mine.append(subscription)
        return subscription

    def _is_overridden(self, policy: str) -> bool:
        return any(one.name.lower() == policy for one in overridden_policies(self._node, self.topic, "subscription"))

    def _count_senders(self) -> None:
        """Check whether the images' publisher also publishes a camera_info with each image."""
        images = {source.node for source in sources_of(self._node, self.topic)}
        infos = {source.node for source in sources_of(self._node, self._info_topic)}
        self.losses.comparable = len(images) == 1 and images == infos and "" not in images and len(self._images) == 1

    # Received messages.

    def _receive(self, mine: list[Subscription], gaps: PublicationGaps, message: Any) -> None:
        """Handle an image, unless the other of two subscriptions has already delivered it."""
        if len(self._images) > 1:
            if any(other is not mine[0] and _same(message, seen) for other, seen in self._latest):
                return
            self._latest.append((mine[0], message))
        self._came = True
        self.losses.images += 1
        if self._video is not None:
            self._video.put(message, follows=gaps.take())
        elif self._transport == RAW:
            self._on_image(message)
        else:
            self._on_compressed(message)

    def _on_image(self, message: Image) -> None:
        try:
            check_image(message)
        except ImageRejected as problem:
            self._reject(str(problem))
            return
        self._take(Arrival(message.header, time.monotonic(), lambda: to_bgr(message, self._significant_bits)))

    def _on_compressed(self, message: CompressedImage) -> None:
        try:
            check_compressed(message)
        except ImageRejected as problem:
            self._reject(str(problem))
            return
        data = memoryview(message.data)
        self._take(
            Arrival(message.header, time.monotonic(), lambda: decode_compressed(message, self._significant_bits), data)
        )

    def _on_skipped(self, waits_for: str) -> None:
        """Say once which key frame the robot waits for; called from the video's thread."""
        if waits_for not in self._said:
            self._said.add(waits_for)
            self._node.get_logger().warning(waits_for)
        self._skip()

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message
        self.losses.infos += 1


def _same(one: Any, other: Any) -> bool:
    stamped = "timestamp" if hasattr(one, "timestamp") else "header"
    return bool(getattr(one, stamped) == getattr(other, stamped) and one.data == other.data)
