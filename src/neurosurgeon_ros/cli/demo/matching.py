# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Matching of a frame's image, detections and decision, by the header that all three carry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.diagnostics.records import HeaderKey, Seen, SeenDecision, SeenDetections, SeenImage

#: Maximum bytes of images that are kept for frames that are not complete.
IMAGES_BYTES = 256 * 1024 * 1024

#: Maximum number of decisions that wait for late detections.
MOST_WAITING = 50


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """
    An accepted frame.

    :param image: BGR, uint8, shape (h, w, 3); None if the image was not seen.
    """

    decision: SeenDecision
    detections: SeenDetections
    image: NDArray[np.uint8] | None


class FrameMatcher:
    """
    Takes the messages that a monitor has seen, in any order, and returns complete frames in decision order.

    `published` counts detections messages, and `matched` counts those whose image was also seen.
    """

    def __init__(self) -> None:
        self.published = 0
        self.last_image: HeaderKey | None = None
        self._seen_images: set[HeaderKey] = set()
        self._detected: list[HeaderKey] = []
        self._images: dict[HeaderKey, NDArray[np.uint8]] = {}
        self._images_bytes = 0
        self._detections: dict[HeaderKey, SeenDetections] = {}
        self._decisions: deque[SeenDecision] = deque()

    @property
    def matched(self) -> int:
        """Return the number of detections messages so far whose header was that of an image."""
        return sum(key in self._seen_images for key in self._detected)

    @property
    def waiting(self) -> int:
        """Return the number of decisions whose detections have not arrived yet, or vice versa."""
        return max(len(self._decisions), len(self._detections))

    def take(self, seen: Seen) -> list[Frame]:
        """Take a message, and return the frames that are complete now."""
        if isinstance(seen, SeenImage):
            self._take_image(seen)
        elif isinstance(seen, SeenDetections):
            self.published += 1
            self._detected.append(seen.header)
            self._detections[seen.header] = seen
        elif isinstance(seen, SeenDecision):
            self._decisions.append(seen)
        return self._complete()

    def _take_image(self, seen: SeenImage) -> None:
        self.last_image = seen.header
        self._seen_images.add(seen.header)
        self._images[seen.header] = seen.image
        self._images_bytes += seen.image.nbytes
        while self._images_bytes > IMAGES_BYTES and len(self._images) > 1:
            self._drop_image(next(iter(self._images)))

    def _complete(self) -> list[Frame]:
        frames = []
        while self._decisions:
            decision = self._decisions[0]
            detections = self._detections.pop(decision.header, None)
            if detections is None and len(self._decisions) <= MOST_WAITING:
                break
            self._decisions.popleft()
            image = self._images.get(decision.header)
            # Decisions have the camera's order, so older images were not accepted.
            for key in [key for key in self._images if key.stamp_ns <= decision.header.stamp_ns]:
                self._drop_image(key)
            if detections is not None:
                frames.append(Frame(decision, detections, image))
        return frames

    def _drop_image(self, key: HeaderKey) -> None:
        self._images_bytes -= self._images.pop(key).nbytes
