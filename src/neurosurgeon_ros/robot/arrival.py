# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What comes into the robot's pipeline: images as they arrive, and how many; nothing of torch or ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class ImageRejected(ValueError):
    """An image that cannot be converted; the message says why in one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """
    An image as it came from the camera.

    :param header: the camera's header, opaque here and handed through untouched.
    :param received_s: when it came, monotonic seconds.
    :param decode: makes the BGR image, uint8, shape (h, w, 3); raises :class:`ImageRejected`.
    :param encoded: the compressed image that it is made of; None if it did not come compressed.
    """

    header: object
    received_s: float
    decode: Callable[[], NDArray[np.uint8]]
    encoded: memoryview | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Images since the start: received = accepted + dropped + rejected, once none waits and none is being converted.

    :param received: came from the camera.
    :param accepted: taken out of the slot and converted; each gives one detections message.
    :param dropped: replaced by a newer one before they were taken.
    :param rejected: could not be converted.
    """

    received: int = 0
    accepted: int = 0
    dropped: int = 0
    rejected: int = 0
