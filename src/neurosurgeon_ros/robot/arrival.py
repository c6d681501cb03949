# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Input of the robot's pipeline: arriving images and their counts. Independent of torch and ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from neurosurgeon_ros.codecs.streams.video.received.chain import VideoChain


class ImageRejected(ValueError):
    """An image cannot be converted; the message says why in one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """
    An image as received from the camera.

    :param header: the camera's header, opaque here and passed through unchanged.
    :param received_s: when the image arrived, in monotonic seconds.
    :param decode: returns the BGR image, uint8, shape (h, w, 3); raises :class:`ImageRejected`.
    :param encoded: the compressed image as received, or the packets of a video up to this image; None if the image
        did not arrive so, or if the packets are too many to forward.
    """

    header: object
    received_s: float
    decode: Callable[[], NDArray[np.uint8]]
    encoded: memoryview | VideoChain | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Images since the start: received = accepted + dropped + rejected, if no image is waiting or being converted.

    :param received: arrived from the camera.
    :param accepted: taken from the slot and converted; each results in one detections message.
    :param dropped: replaced by a newer image before the worker took them.
    :param rejected: could not be converted.
    """

    received: int = 0
    accepted: int = 0
    dropped: int = 0
    rejected: int = 0
