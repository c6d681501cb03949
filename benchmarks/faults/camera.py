# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera that can be told to misbehave, played by the harness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.ros import qos


@dataclass(frozen=True, slots=True)
class Key:
    """What tells one image from another: the harness makes sure that no two images have both alike."""

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, slots=True)
class Shown:
    """
    An image that was published.

    :param number: from 0, in the order of publishing.
    :param at_s: monotonic seconds.
    """

    number: int
    key: Key
    at_s: float


Bend = Callable[[Image, int], None]


class Camera:
    """
    Publishes `image_raw` from a thread of its own, from :meth:`start` to :meth:`close`.

    :ivar bend: changes an image before it is published; is given the image and its number.
    :ivar period_s: seconds from image to image; 0 publishes as fast as it can.
    """

    def __init__(self, node: Node, *, period_s: float, seed: int) -> None:
        self.period_s = period_s
        self.bend: Bend | None = None
        self.shown: list[Shown] = []
        self._random = np.random.default_rng(seed)
        self._publisher = node.create_publisher(Image, "image_raw", qos.SENSOR_DATA)
        self._playing = threading.Event()
        self._ending = False
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def watchers(self) -> int:
        """How many subscribe."""
        return self._publisher.get_subscription_count()

    def play(self) -> None:
        """Show images until :meth:`pause`."""
        self._playing.set()

    def pause(self) -> None:
        """Show no more images; returns once the last is out."""
        self._playing.clear()
        self._idle.wait(2.0)

    def close(self) -> None:
        """Stop, and join the thread."""
        self._ending = True
        self._playing.set()
        self._thread.join()

    def show(self) -> None:
        """Publish one image."""
        number = len(self.shown)
        side = self._random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        message = from_bgr(np.ascontiguousarray(side.repeat(10, axis=0).repeat(10, axis=1)), None)
        now_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 1_000_000_000)
        message.header.frame_id = f"image_{number}"
        if self.bend is not None:
            self.bend(message, number)
        stamp = message.header.stamp
        key = Key(stamp.sec * 1_000_000_000 + stamp.nanosec, message.header.frame_id)
        # Noted first, so that no answer comes before the image is known.
        self.shown.append(Shown(number, key, time.monotonic()))
        self._publisher.publish(message)

    def _run(self) -> None:
        while True:
            self._idle.set()
            self._playing.wait()
            if self._ending:
                return
            self._idle.clear()
            begin_s = time.monotonic()
            self.show()
            left_s = self.period_s - (time.monotonic() - begin_s)
            if left_s > 0.0:
                time.sleep(left_s)
