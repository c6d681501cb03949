# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The two ends of the alternative `h264_stream`, without ROS: one packet for each image.

They use this package's encoder and decoder of camera video: x264 without look-ahead and B frames, on one thread. Each
packet has 5 bytes more than a plain stream's, for a checksum and the parity of the image's sides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, TensorSpec
from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo, nal_units
from neurosurgeon_ros.codecs.streams.video.camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video.h264 import kind
from neurosurgeon_ros.codecs.streams.video.packets import CHECKSUM_BYTES
from neurosurgeon_ros.codecs.streams.video.syntax import H264

#: Number of images from one key to the next, as `gop_size` of ffmpeg_image_transport is documented.
KEY_DISTANCE = 15

#: Images of which the time to encode is measured, and how often each of them is encoded for that.
TIMED_IMAGES, TIMED_PASSES = 8, 3

# A key begins with a sequence parameter set, behind the checksum and one byte for the sides.
_SEQUENCE, _PREFIX = 7, CHECKSUM_BYTES + 1

# Stands for the network's input, which camera video replaces. Both ends check that it is the same.
_SPEC = TensorSpec("image", (1, 3, 480, 640), "uint8", channels_last=True)


class H264Encoder:
    """
    The sender's end of a stream.

    :param preset: preset of x264.
    :param crf: quality; a lower one is better.
    :param key_distance: number of images from one key to the next.
    """

    def __init__(self, preset: str, crf: int, key_distance: int = KEY_DISTANCE) -> None:
        self._encoder = _codec(preset, crf).encoder(_SPEC)
        self._key_distance = key_distance
        self._left = 0

    def is_key(self, image: NDArray[np.uint8]) -> bool:
        """Return whether an image will be a key even if the receiver does not ask for one."""
        return self._left == 0 or not self._encoder.continues(CameraImage(image))

    def encode(self, image: NDArray[np.uint8], *, key: bool = False) -> memoryview:
        """
        Encode an image.

        :param image: BGR, shape (h, w, 3).
        :param key: encode it as a key in any case.
        :raises CodecError: the image is too small or too large, or the encoder failed; the next image will be a key.
        """
        key = key or self.is_key(image)
        left, self._left = self._left, 0  # unless it succeeds
        data = self._encoder.carry(CameraImage(image), key=key).data
        self._left = (self._key_distance if key else left) - 1
        return data


class H264Decoder:
    """The receiver's end of a stream."""

    def __init__(self) -> None:
        # A decoder does not depend on preset and crf.
        self._decoder = _codec("ultrafast", 23).decoder(_SPEC)

    def decode(self, data: memoryview) -> NDArray[np.uint8]:
        """
        Decode a packet.

        :returns: BGR, shape (h, w, 3).
        :raises CodecError: the packet is damaged, or one before it was lost; the next one must be a key.
        """
        encoded = EncodedTensor(_SPEC.name, _SPEC.dtype, _SPEC.shape, _codec("ultrafast", 23).name, data)
        return self._decoder.image(encoded, key=_is_key(data))


def encode_seconds(preset: str, crf: int, images: Sequence[NDArray[np.uint8]]) -> tuple[float, float]:
    """
    Return the seconds that encoding takes, for a key and for any other image.

    Each image is encoded several times, because a time with an interruption is too long. The shortest one counts. For
    other images than the key, the mean over the images is returned.

    :param images: at least two consecutive images.
    """
    seconds = np.full((TIMED_PASSES, min(TIMED_IMAGES, len(images))), np.inf)
    for one_pass in seconds:
        encoder = H264Encoder(preset, crf, key_distance=len(images))
        encoder.encode(images[0])  # opens the encoder
        for number in range(len(one_pass)):
            begin_s = time.perf_counter()
            encoder.encode(images[number], key=number == 0)
            one_pass[number] = time.perf_counter() - begin_s
    least = seconds.min(axis=0)
    return float(least[0]), float(least[1:].mean())


def _codec(preset: str, crf: int) -> CameraVideo:
    # The expected sizes only matter to a policy.
    return CameraVideo("h264", H264, preset, crf, expected=(0.05, 0.1))


def _is_key(data: memoryview) -> bool:
    try:
        return kind(nal_units(data[_PREFIX:], 3)[0]) == _SEQUENCE
    except DamagedVideo as problem:
        raise CodecError(f"The packet {problem}; send a key.") from None
