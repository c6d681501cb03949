# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images from a folder or a video, for commands that run a network on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.footage import spread
from neurosurgeon_ros.camera.picture_folder import PICTURES, picture, picture_paths
from neurosurgeon_ros.camera.video_source import DEFAULT_VIDEO, SHIPPED_VIDEOS
from neurosurgeon_ros.cli.arguments import UsageError
from neurosurgeon_ros.models.files import FileProblem, find

Image = NDArray[np.uint8]


def read_images(source: Path | None, most: int, option: str) -> tuple[list[Image], str]:
    """
    Read images, spread evenly over the source.

    :param source: a folder with pictures, or a video; None for the video that set-up downloads.
    :param most: maximum number of images.
    :param option: name of the option that gave the source, for errors.
    :returns: BGR images of shape (H, W, 3), and their description.
    :raises UsageError: if there is no image.
    """
    path = found(source, option)
    try:
        images = _from_folder(path, most) if path.is_dir() else _from_video(path, most)
    except OSError as problem:
        raise UsageError(f"{option}: {path} cannot be read ({problem.strerror}): give a folder or a video") from problem
    if not images:
        what = f"has no pictures ({', '.join(PICTURES)})" if path.is_dir() else "has no picture that can be decoded"
        raise UsageError(f"{option}: {path} {what}: give a folder with pictures, or a video")
    return images, f"{len(images)} {'pictures' if path.is_dir() else 'frames'} of {path.name}"


def read_all_images(sources: Sequence[Path], most: int, option: str) -> tuple[list[Image], str]:
    """
    Read images of several sources, about as many of each.

    :param sources: folders with pictures, and videos; at least one.
    :param most: maximum number of images, at least the number of sources.
    :param option: name of the option that gave the sources, for errors.
    :returns: BGR images of shape (H, W, 3), and their description.
    :raises UsageError: if a source has no image.
    """
    images: list[Image] = []
    described = []
    for number, source in enumerate(sources):
        more, text = read_images(source, (most - len(images)) // (len(sources) - number), option)
        images += more
        described.append(text)
    return images, " and ".join(described)


def found(source: Path | None, option: str) -> Path:
    """
    Return a source of images; None stands for the video that set-up downloads.

    :raises UsageError: if that video is missing.
    """
    try:
        return find(SHIPPED_VIDEOS[DEFAULT_VIDEO]) if source is None else source
    except FileProblem as problem:
        raise UsageError(f"{problem}; or give others with {option}") from problem


def read_image(source: Path | None, option: str) -> Image:
    """
    Read one image.

    :param source: a picture; None for the middle frame of the video that set-up downloads.
    :raises UsageError: if it cannot be read.
    """
    if source is None:
        return read_images(None, 1, option)[0][0]
    image = picture(source) if source.is_file() else None
    if image is None:
        raise UsageError(f"{option}: {source} is no picture that can be read: give one of {', '.join(PICTURES)}")
    return image


def _from_folder(folder: Path, most: int) -> list[Image]:
    paths = picture_paths(folder)
    images = (picture(paths[index]) for index in spread(len(paths), most))
    return [image for image in images if image is not None]


def _from_video(path: Path, most: int) -> list[Image]:
    with path.open("rb"):  # OpenCV does not say why a file cannot be opened
        pass
    capture = cv2.VideoCapture(str(path))
    try:
        wanted = set(spread(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), most))
        images: list[Image] = []
        for index in range(max(wanted, default=-1) + 1):
            if not capture.grab():
                break
            if index in wanted:
                images.append(np.asarray(capture.retrieve()[1], dtype=np.uint8))
        return images
    finally:
        capture.release()
