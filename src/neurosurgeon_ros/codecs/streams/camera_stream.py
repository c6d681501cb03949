# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Ends of streams that send the camera's own image in place of the network's input.

Such a codec is a :class:`~neurosurgeon_ros.codecs.streams.stream.StreamCodec` whose ends have these methods; the edge
pre-processes the image as the robot would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.camera import CameraImage
from neurosurgeon_ros.codecs.streams.stream import StreamCodec
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec


@runtime_checkable
class ImageEncoder(Protocol):
    """The robot's end of a stream of images."""

    def continues(self, image: CameraImage) -> bool:
        """Return whether an image can be encoded without a key."""

    def carry(self, image: CameraImage, *, key: bool) -> EncodedTensor:
        """
        Encode an image in place of the network's input, and advance the reference.

        :raises CodecError: the image cannot be encoded, or does not continue the stream and is not a key.
        """


@runtime_checkable
class ImageDecoder(Protocol):
    """The edge's end of a stream of images."""

    def image(self, encoded: EncodedTensor, *, key: bool) -> NDArray[np.uint8]:
        """
        Decode an image from another machine, and advance the reference.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: the data cannot be decoded; the next image must be a key.
        """


def sends_images(codec: StreamCodec, specs: Sequence[TensorSpec]) -> bool:
    """Return whether a codec sends the camera's image in place of one of these tensors."""
    return any(codec.accepts(spec) and isinstance(codec.encoder(spec), ImageEncoder) for spec in specs)
