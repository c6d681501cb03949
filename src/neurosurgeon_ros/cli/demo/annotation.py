# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A run as a video: each accepted frame once, with its boxes, and below it the choice and the delay."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.cli.demo.matching import Frame
from neurosurgeon_ros.diagnostics.drawing import draw_detections

#: Number of frames that determine the video's rate before the first of them is written.
FRAMES_FOR_RATE = 20

#: Rate of a video of fewer than two frames, and the limits that players accept, in frames per second.
USUAL_RATE_HZ, LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 10.0, 1.0, 120.0


class AnnotatedVideo:
    """
    Writes MPEG-4 as frames arrive, at the rate at which the first frames were accepted.

    :param path: output file; it is not created before the first frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[int, NDArray[np.uint8]]] = []
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.written = 0

    def add(self, frame: Frame) -> NDArray[np.uint8] | None:
        """
        Draw a frame, if its image was seen.

        :returns: BGR, uint8, shape (h + 22, w, 3); None if the image was not seen.
        :raises OSError: if the video cannot be written.
        """
        if frame.image is None:
            return None
        decision, detections = frame.decision, frame.detections
        status = (
            f"{decision.sequence}  {decision.arm}  {1e3 * decision.total_delay:.0f} ms  {decision.outcome}"
            f"{'  key frame' if decision.key_frame else ''}{'  forced' if decision.forced else ''}"
        )
        drawn = draw_detections(frame.image, detections.boxes, detections.names, detections.scores, status)
        if self._writer is not None:
            self._write(drawn)
            return drawn
        self._waiting.append((decision.header.stamp_ns, drawn))
        if len(self._waiting) == FRAMES_FOR_RATE:
            self._begin()
        return drawn

    def close(self) -> None:
        """Write the waiting frames, and finish the file; raise OSError if it cannot be written."""
        if self._writer is None and self._waiting:
            self._begin()
        if self._writer is not None:
            self._writer.release()

    def _begin(self) -> None:
        stamps = [stamp for stamp, _ in self._waiting]
        seconds = (stamps[-1] - stamps[0]) * 1e-9
        rate = (len(stamps) - 1) / seconds if seconds > 0.0 else USUAL_RATE_HZ
        height, width = self._waiting[0][1].shape[:2]
        # MPEG-4 supports only even sides.
        self._size = (width + width % 2, height + height % 2)
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(
            str(self._path), fourcc, min(max(rate, LOWEST_RATE_HZ), HIGHEST_RATE_HZ), self._size
        )
        if not self._writer.isOpened():
            raise OSError(f"{self._path} cannot be written by OpenCV as MPEG-4")
        for _, drawn in self._waiting:
            self._write(drawn)
        self._waiting.clear()

    def _write(self, drawn: NDArray[np.uint8]) -> None:
        assert self._writer is not None
        height, width = drawn.shape[:2]
        if (width + width % 2, height + height % 2) != self._size:
            # The camera changed its image size during the run.
            drawn = np.asarray(cv2.resize(drawn, self._size), dtype=np.uint8)
        elif (width, height) != self._size:
            drawn = np.asarray(
                cv2.copyMakeBorder(drawn, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), dtype=np.uint8
            )
        self._writer.write(drawn)
        self.written += 1
