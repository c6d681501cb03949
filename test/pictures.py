# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the real video, for tests."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.models.files import find


@functools.cache
def video_frame(index: int) -> NDArray[np.uint8]:
    """
    Return one frame of the street video as BGR, shape (272, 640, 3). Callers must not write to it.

    :param index: from 0 to 249
    """
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    try:
        for _ in range(index + 1):
            read, frame = capture.read()
            assert read, f"the video ends before frame {index}"
    finally:
        capture.release()
    frame.flags.writeable = False
    return frame
