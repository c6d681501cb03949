# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The camera of a stage, which can be made to misbehave."""

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
    """Identifies an image by its header. The camera gives no two images the same key, unless a fault changes them."""

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True, slots=True)
class Shown:
    """
    A published image.

    :param number: number of the image in the order of publishing, from 0.
    :param at_s: when it was published, monotonic seconds.
    """

    number: int
    key: Key
    at_s: float


Bend = Callable[[Image, int], None]


class Camera:
    """
    Publishes `image_raw` from its own thread, from :meth:`play` until :meth:`pause` or :meth:`close`.

    :ivar bend: changes an image before it is published; called with the image and its number.
    :ivar period_s: seconds between images; 0 publishes as fast as possible.
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
        """Return the number of subscribers."""
        return self._publisher.get_subscription_count()

    def play(self) -> None:
        """Publish images until :meth:`pause`."""
        self._playing.set()

    def pause(self) -> None:
        """Stop publishing images, and wait up to two seconds until the last one is published."""
        self._playing.clear()
        self._idle.wait(2.0)

    def close(self) -> None:
        """Stop the thread and join it."""
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
        # Recorded before publishing, so that no answer arrives for an unknown image.
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
