# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publish the frames of a video file or a real camera at a steady rate, stamped with the clock's time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.event_handler import PublisherEventCallbacks, QoSPublisherMatchedInfo
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from neurosurgeon_ros.camera.compressed import to_compressed
from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.camera.transports import COMPRESSED, IMAGE_TRANSPORTS, RAW, transport_topic
from neurosurgeon_ros.camera.video_source import DEFAULT_VIDEO, VideoProblem, VideoSource, named_video
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.parameters import declare, parameter, unknown_names
from neurosurgeon_ros.ros.process.process import StartError, run

#: Maximum seconds that shutdown waits for the player, which a camera may block.
JOIN_S = 1.0


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """Parameters of video_node."""

    video: str = parameter(
        "",
        "path of a video file or of a folder with pictures, index of a camera, or `street` or `fixed` for a video that "
        "set-up downloads; empty: `street`",
    )
    rate_hz: float = parameter(
        0.0,
        "frame rate: exact for a file, a maximum for a camera; 0: the source's own rate",
        unit="Hz",
        low=0.0,
        high=1000.0,
    )
    loop: bool = parameter(True, "repeat a file, with increasing stamps; otherwise the node ends with it")
    frame_id: str = parameter("camera", "frame_id of the images' headers")
    image_transport: str = parameter(
        RAW, "publish raw images on `image_raw`, or jpeg on `image_raw/compressed`", choices=IMAGE_TRANSPORTS
    )
    wait_for_subscribers: int = parameter(
        0, "number of subscribers to wait for before the first image", low=0, high=1000
    )


class VideoNode(Node):
    """Publishes BGR images on `image_raw`, or jpeg on `image_raw/compressed`, from a separate thread."""

    def __init__(self) -> None:
        super().__init__("video_node")
        self._settings = declare(self, VideoParameters)
        for sentence in unknown_names(self):
            self.get_logger().warning(sentence)
        try:
            self._source = VideoSource(named_video(self._settings.video or DEFAULT_VIDEO))
        except VideoProblem as problem:
            raise StartError(str(problem)) from None
        self._ending = threading.Event()
        self._begin = threading.Event()
        if self._settings.wait_for_subscribers == 0:
            self._begin.set()
        compressed = self._settings.image_transport == COMPRESSED
        self._message = to_compressed if compressed else from_bgr
        self._images = self.create_publisher(
            CompressedImage if compressed else Image,
            transport_topic(self, self._settings.image_transport),
            qos.SENSOR_DATA,
            event_callbacks=PublisherEventCallbacks(matched=self._on_matched),
        )
        self._player = threading.Thread(target=self._play, name="player", daemon=True)
        self._player.start()

    def close(self) -> None:
        """Stop playing."""
        self._ending.set()
        self._begin.set()
        self._player.join(JOIN_S)

    def _on_matched(self, info: QoSPublisherMatchedInfo) -> None:
        if info.current_count >= self._settings.wait_for_subscribers:
            self._begin.set()

    def _play(self) -> None:
        source, settings = self._source, self._settings
        self._begin.wait()
        as_they_come = source.is_camera and settings.rate_hz == 0.0
        rate_hz = settings.rate_hz or source.rate_hz
        kind = "camera" if source.is_camera else "video"
        pace = "as its frames come" if as_they_come else f"at {rate_hz:g} Hz"
        self.get_logger().info(f"plays {kind} {source.video}, {source.width} x {source.height}, {pace}")
        try:
            published = self._publish_all(0.0 if as_they_come else 1.0 / rate_hz)
            if not self._ending.is_set():
                self.get_logger().info(f"the {kind} has ended after {published} frames")
        except Exception as problem:  # no exception may leave a silent node behind
            self.get_logger().fatal(f"playing has failed: {type(problem).__name__}: {problem}")
        finally:
            source.close()
            if not self._ending.is_set():
                self.context.try_shutdown()

    def _publish_all(self, period_s: float) -> int:
        """
        Publish frames until the video or the node ends.

        :param period_s: seconds between frames; 0 to publish frames as they arrive.
        :returns: number of published frames.
        """
        published = 0
        due_s = time.monotonic()
        while not self._ending.is_set():
            # Decode the frame before it is due, so that decoding does not delay it.
            frame = self._next_frame()
            if frame is None:
                break
            now_s = time.monotonic()
            if self._source.is_camera and now_s < due_s:
                continue
            if now_s - due_s > period_s:
                # More than one frame late: continue from now instead of sending a burst.
                due_s = now_s
            if self._ending.wait(max(0.0, due_s - now_s)):
                break
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._settings.frame_id)
            self._images.publish(self._message(frame, header))
            published += 1
            due_s += period_s
        return published

    def _next_frame(self) -> NDArray[np.uint8] | None:
        frame = self._source.read()
        if frame is None and self._settings.loop and not self._source.is_camera:
            self._source.rewind()
            frame = self._source.read()
        return frame


def main(args: list[str] | None = None) -> int:
    """Run the video node until it is told to stop, or the video ends; returns the exit code."""
    return run(VideoNode, args, polls=True)
