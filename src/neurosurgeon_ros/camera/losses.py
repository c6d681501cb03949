# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Count images that a camera has published and the middleware has lost, by their camera_info messages."""

from __future__ import annotations

from collections import deque

#: Length of the observed window, seconds.
WINDOW_S = 5.0

#: Number of messages, and share of them, up to which a difference is attributed to timing.
_FEW, _HARDLY = 2, 0.1


class Losses:
    """
    Compares images with camera_info messages, which are small and rarely lost.

    :ivar images: number of received images.
    :ivar infos: number of received camera_info messages.
    :ivar comparable: whether one node publishes both, so that each image has one camera_info.
    """

    def __init__(self) -> None:
        self.images = self.infos = 0
        self.comparable = False
        self._marks: deque[tuple[float, int, int]] = deque()

    @property
    def lost(self) -> str:
        """Return how many images were lost in the last seconds, for display."""
        if not self._marks:
            return "unknown"
        sent, came = self.infos - self._marks[0][1], self.images - self._marks[0][2]
        return f"{max(0, sent - came)} of {sent}"

    def recent(self, now_s: float) -> tuple[int, int]:
        """
        Return how many images were lost in the last seconds, and of how many; (0, 0) if this is unknown.

        :param now_s: monotonic seconds.
        """
        if not self.comparable:
            self._marks.clear()
            return 0, 0
        self._marks.append((now_s, self.infos, self.images))
        while len(self._marks) > 2 and now_s - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()
        _, infos, images = self._marks[0]
        sent, came = self.infos - infos, self.images - images
        lost = sent - came
        return (lost, sent) if lost > max(_FEW, _HARDLY * sent) else (0, sent)
