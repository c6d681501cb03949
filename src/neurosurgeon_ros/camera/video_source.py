# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the frames of a video file or a camera through OpenCV, without ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

#: Files of the videos that set-up downloads, by the names that stand for them.
SHIPPED_VIDEOS: Mapping[str, str] = MappingProxyType({"street": "bikes.mp4", "fixed": "vtest.avi"})

#: Name of the video to play if none is given.
DEFAULT_VIDEO = "street"

#: Frames per second of a file that does not specify its rate.
USUAL_RATE_HZ = 25.0

#: Maximum plausible rate of a file: containers without a frame rate often report the rate of their clock instead.
HIGHEST_RATE_HZ = 1000.0


class VideoProblem(ValueError):
    """A video that cannot be played; the message is one sentence."""


class VideoSource:
    """
    An open file or camera. Only one thread at a time may use it.

    Its height and width in pixels are those of the first frame; its rate_hz is the rate of the file or the camera.

    :param video: path of a file, or the index of a camera in digits.
    :raises VideoProblem: if the video does not exist, or no frame of it can be decoded.
    """

    def __init__(self, video: str) -> None:
        self.video = video
        self.is_camera = video.isascii() and video.isdigit()
        if not self.is_camera:
            _check_file(video)
        self._capture = self._open()
        self._next = self._decode()
        if self._next is None:
            self._capture.release()
            raise VideoProblem(
                f"camera {video} gives no image: name the index of a camera that is free, or a video file"
                if self.is_camera
                else f"video {video} cannot be decoded: give a file that OpenCV can read, such as MP4, AVI or MKV"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.height, self.width = self._next.shape[:2]
        self.rate_hz: float = rate if math.isfinite(rate) and 0.0 < rate <= HIGHEST_RATE_HZ else USUAL_RATE_HZ

    def read(self) -> NDArray[np.uint8] | None:
        """
        Decode the next frame.

        :returns: BGR, uint8, shape (h, w, 3); None at the end of a file, or when a camera is gone.
        """
        if self._next is None:
            return self._decode()
        frame, self._next = self._next, None
        return frame

    def rewind(self) -> None:
        """Restart the file from the beginning; it is opened again, because seeking is not exact in every container."""
        self._capture.release()
        self._capture, self._next = self._open(), None

    def close(self) -> None:
        """Close the file or the camera."""
        self._capture.release()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> cv2.VideoCapture:
        return cv2.VideoCapture(int(self.video)) if self.is_camera else cv2.VideoCapture(self.video)

    def _decode(self) -> NDArray[np.uint8] | None:
        decoded, frame = self._capture.read()
        return np.ascontiguousarray(frame, dtype=np.uint8) if decoded else None


def named_video(video: str) -> str:
    """
    Return the path of the file if `video` is the name of a shipped video; otherwise `video` as it is.

    :raises VideoProblem: the file is missing, or has other content.
    """
    if video not in SHIPPED_VIDEOS:
        return video
    from neurosurgeon_ros.models.files import FileProblem, find  # imports torch

    try:
        return str(find(SHIPPED_VIDEOS[video]))
    except FileProblem as problem:
        raise VideoProblem(str(problem)) from None


def _check_file(video: str) -> None:
    path = Path(video)
    if not video or not path.exists():
        raise VideoProblem(f"video {video!r} does not exist: give a file, or the index of a camera")
    if not path.is_file():
        raise VideoProblem(f"video {video} is not a file: give a file, or the index of a camera")
    try:
        path.open("rb").close()
    except OSError as problem:
        raise VideoProblem(f"video {video} cannot be read ({problem.strerror}): check its permissions") from None
