# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips of successive frames, collected while a robot runs."""

from __future__ import annotations

import threading

from neurosurgeon_ros.calibration.online.clip import Clip, Image, frames_of
from neurosurgeon_ros.robot.slot import LatestSlot

#: Frames may be this many times as far apart as the first two of a clip, and are successive all the same.
LONGEST_GAP = 3.0


class Clips:
    """
    Collects a clip whenever the last one has been taken. Images are held, not copied.

    Two clips are held at most, one of which is worked on: see :data:`.clip.CLIP_BYTES`.

    :param seen: number of frames of an earlier start.

    :ivar seen: number of frames that the robot saw.
    """

    def __init__(self, seen: int = 0) -> None:
        self.seen = seen
        self._lock = threading.Lock()
        self._slot: LatestSlot[Clip] = LatestSlot()
        self._is_wanted = True
        self._images: list[Image] = []
        self._seen_s: list[float] = []

    def see(self, image: Image, now_s: float) -> None:
        """Take the next frame, if a clip is wanted. Called for each frame, after its detections are published."""
        with self._lock:
            self.seen += 1
            if not self._is_wanted:
                return
            if self._images and not self._follows(image, now_s):
                self._images.clear()
                self._seen_s.clear()
            self._images.append(image)
            self._seen_s.append(now_s)
            if len(self._images) < frames_of(image.nbytes):
                return
            clip = Clip(tuple(self._images), tuple(self._seen_s))
            self._is_wanted = False
            self._images.clear()
            self._seen_s.clear()
        self._slot.put(clip)

    def take(self) -> Clip | None:
        """Wait for a clip, and collect the next one; None once this is closed."""
        clip = self._slot.take()
        with self._lock:
            self._is_wanted = clip is not None
        return clip

    def skip(self) -> None:
        """Drop the clip that is collected now, since the scene is not worth it, until :meth:`go_on`."""
        with self._lock:
            self._is_wanted = False
            self._images.clear()
            self._seen_s.clear()
        self._slot.take_now()

    def go_on(self) -> None:
        """Collect clips again."""
        with self._lock:
            self._is_wanted = True

    def close(self) -> None:
        """Hold no image, and let :meth:`take` return None."""
        self.skip()
        self._slot.close()

    def _follows(self, image: Image, now_s: float) -> bool:
        if image.shape != self._images[0].shape:
            return False
        gaps = len(self._seen_s) - 1
        return gaps < 1 or now_s - self._seen_s[-1] <= LONGEST_GAP * (self._seen_s[-1] - self._seen_s[0]) / gaps
