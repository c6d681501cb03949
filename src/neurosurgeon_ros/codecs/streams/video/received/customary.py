# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Make the packets that a customary camera would send, to measure how long their decoding takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import CodecError
from neurosurgeon_ros.codecs.streams.video.bits import PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import write_planes
from neurosurgeon_ros.codecs.streams.video.pictures import PictureEncoder
from neurosurgeon_ros.codecs.streams.video.received.chain import ChainKeeper, VideoChain
from neurosurgeon_ros.codecs.streams.video.syntax import H264


def chains(images: Sequence[NDArray[np.uint8]]) -> list[VideoChain]:
    """
    Encode images as H.264 with FFmpeg's default quality, the first one as a key.

    :param images: BGR, shape (height, width, 3) each; the sides are even.
    :returns: the chain of each image.
    :raises CodecError: this build of FFmpeg has no encoder that works.
    """
    height, width = images[0].shape[:2]
    size, keeper = PictureSize(width, height), ChainKeeper()
    encoder = PictureEncoder(H264, next(iter(H264.encoders)), "veryfast", 23, size)
    made = []
    for number, image in enumerate(images):
        write_planes(image, encoder.planes, "BGR")
        packet = memoryview(bytes(encoder.encode(key=not number)))
        chain = keeper.add(packet, "h264", size, is_key=not number)
        if chain is None:
            raise CodecError(f"{len(images)} images of {size} are more than a chain may have; give fewer.")
        made.append(chain)
    return made
