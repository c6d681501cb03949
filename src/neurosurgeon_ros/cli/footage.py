# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Successive frames from a video, or from the pictures of a folder in the order of their names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from neurosurgeon_ros.calibration.footage import Footage
from neurosurgeon_ros.camera.picture_folder import picture, picture_paths
from neurosurgeon_ros.camera.video_source import HIGHEST_RATE_HZ
from neurosurgeon_ros.cli.arguments import UsageError
from neurosurgeon_ros.cli.images import Image


def read_all_footage(sources: Sequence[Path], rate_hz: float | None, option: str) -> list[Footage]:
    """
    Read the sources that are successive frames, as :func:`read_footage` does; the others are left out.

    :raises UsageError: see :func:`read_footage`.
    """
    footage = (read_footage(source, rate_hz, option) for source in sources)
    return [one for one in footage if one is not None]


def read_footage(path: Path, rate_hz: float | None, option: str) -> Footage | None:
    """
    Read a video, or the pictures of a folder, as successive frames.

    :param path: a folder with pictures, or a video.
    :param rate_hz: frames per second; None for the rate of the video. Pictures of a folder are single images then.
    :param option: name of the option that gave the path, for errors.
    :returns: None if they are single images.
    :raises UsageError: if the video has no rate, or the pictures are not successive frames of one camera.
    """
    if not path.is_dir():
        return _of_video(path, rate_hz, option)
    return None if rate_hz is None else _of_folder(path, rate_hz, option)


def _of_video(path: Path, rate_hz: float | None, option: str) -> Footage:
    capture = cv2.VideoCapture(str(path))
    own_hz, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    known_hz = own_hz if rate_hz is None else rate_hz
    if not (math.isfinite(known_hz) and 0.0 < known_hz <= HIGHEST_RATE_HZ):
        raise UsageError(f"{option}: {path} has a rate of {own_hz:g} frames per second: give its rate with --rate")

    def read(begin: int) -> Iterator[Image]:
        capture = cv2.VideoCapture(str(path))
        try:
            # Which frame comes first need not be exact, but those after it have to be successive.
            capture.set(cv2.CAP_PROP_POS_FRAMES, begin)
            while True:
                decoded, frame = capture.read()
                if not decoded:
                    return
                yield np.ascontiguousarray(frame, dtype=np.uint8)
        finally:
            capture.release()

    return Footage(known_hz, count, read)


def _of_folder(path: Path, rate_hz: float, option: str) -> Footage:
    paths = picture_paths(path)
    first = _frame(paths[0], option).shape
    for other in paths[1:]:
        shape = _frame(other, option).shape
        if shape != first:
            raise UsageError(
                f"{option}: {other} has {shape[1]} x {shape[0]} pixels where the first picture has {first[1]} x "
                f"{first[0]}: give successive pictures of one camera, or leave out --rate"
            )

    def read(begin: int) -> Iterator[Image]:
        return (_frame(one, option) for one in paths[begin:])

    return Footage(rate_hz, len(paths), read)


def _frame(path: Path, option: str) -> Image:
    image = picture(path)
    if image is None:
        raise UsageError(f"{option}: {path} cannot be decoded: remove it and leave out --rate, or give it again")
    return image
