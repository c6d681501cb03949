# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the frames of a video file, a camera or a folder of pictures through OpenCV, without ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.camera.picture_folder import PICTURES, PictureFolder

#: Files of the videos that set-up downloads, by the names that stand for them.
SHIPPED_VIDEOS: Mapping[str, str] = MappingProxyType({"street": "bikes.mp4", "fixed": "vtest.avi"})

#: Name of the video to play if none is given.
DEFAULT_VIDEO = "street"

#: Frames per second of a file that does not specify its rate.
USUAL_RATE_HZ = 25.0

#: Pictures of a folder per second.
PICTURES_RATE_HZ = 5.0

#: Maximum plausible rate of a file: containers without a frame rate often report the rate of their clock instead.
HIGHEST_RATE_HZ = 1000.0


class VideoProblem(ValueError):
    """A video that cannot be played; the message is one sentence."""


class VideoSource:
    """
    An open file, camera or folder of pictures. Only one thread at a time may use it.

    Its height and width in pixels are those of the first frame; its rate_hz is the rate of the file or the camera.
    Pictures of a folder come in the order of their names, each in its own size.

    :param video: path of a file or folder, or the index of a camera in digits.
    :raises VideoProblem: if the video does not exist, or no frame of it can be decoded.
    """

    def __init__(self, video: str) -> None:
        self.video = video
        self.is_camera = video.isascii() and video.isdigit()
        if not self.is_camera:
            _check_file(video)
        self._is_folder = not self.is_camera and Path(video).is_dir()
        self._capture = self._open()
        self._next = self._decode()
        if self._next is None:
            self._capture.release()
            raise VideoProblem(self._without_frames())
        rate = PICTURES_RATE_HZ if isinstance(self._capture, PictureFolder) else self._capture.get(cv2.CAP_PROP_FPS)
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

    def _without_frames(self) -> str:
        if self.is_camera:
            return f"camera {self.video} gives no image: name the index of a camera that is free, or a video file"
        if self._is_folder:
            return f"folder {self.video} has no picture that can be decoded ({', '.join(PICTURES)}): give one that has"
        return f"video {self.video} cannot be decoded: give a file that OpenCV can read, such as MP4, AVI or MKV"

    def _open(self) -> cv2.VideoCapture | PictureFolder:
        if self._is_folder:
            return PictureFolder(Path(self.video))
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
        raise VideoProblem(f"video {video!r} does not exist: give a file, a folder, or the index of a camera")
    if not path.is_file() and not path.is_dir():
        raise VideoProblem(f"video {video} is not a file: give a file, a folder, or the index of a camera")
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except OSError as problem:
        raise VideoProblem(f"video {video} cannot be read ({problem.strerror}): check its permissions") from None
