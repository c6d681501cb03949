# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Send the image at p = 0 as a video, after resizing to the network's input.

Only the part of the input that the image covers is sent; the edge fills in the grey around it again. This takes fewer
bytes and less time, and moves no pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import CodecError, elements, from_memory_order, memory_shape, to_memory_order
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder, StreamEncoder
from neurosurgeon_ros.codecs.streams.video.bits import PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import even, read_planes
from neurosurgeon_ros.codecs.streams.video.packets import LEAST_SIDE, MOST_PIXELS, PacketDecoder, PacketEncoder, Video
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Value around the image in the network's input, as in ``models.letterbox``.
GREY = 128


class Margins(NamedTuple):
    """
    Grey around the image.

    :param rows: above the image, and as many below.
    :param columns: on the left, and as many on the right.
    """

    rows: int
    columns: int

    def inside(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a view of the image inside the margins."""
        height, width = pixels.shape[:2]
        return pixels[self.rows : height - self.rows, self.columns : width - self.columns]

    def are_grey(self, pixels: NDArray[np.uint8]) -> bool:
        """Return whether there is only grey outside the image."""
        rows, columns = self
        borders = (
            pixels[:rows],
            pixels[len(pixels) - rows :],
            pixels[:, :columns],
            pixels[:, pixels.shape[1] - columns :],
        )
        return all(bool((border == GREY).all()) for border in borders if border.size)


class ImageVideo(Video):
    """Video of the network's input."""

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept one channels-last RGB image of at least 32 pixels per side."""
        if spec.dtype != "uint8" or not spec.channels_last or len(spec.shape) != 4 or spec.shape[:2] != (1, 3):
            return False
        height, width = spec.shape[2:]
        return min(height, width) >= LEAST_SIDE and even(height) * even(width) <= MOST_PIXELS

    def typical_pixels(self, spec: TensorSpec) -> int:
        """Return the number of pixels of the network's input."""
        return elements(spec) // 3

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return a bound above the size of noise at the best quality."""
        return elements(spec) + 4096

    def encoder(self, spec: TensorSpec) -> ImageVideoEncoder:
        """Return a new robot's end of a stream."""
        return ImageVideoEncoder(self, spec)

    def decoder(self, spec: TensorSpec) -> ImageVideoDecoder:
        """Return a new edge's end of a stream."""
        return ImageVideoDecoder(self, spec)


class ImageVideoEncoder(StreamEncoder):
    """Robot's end of a video of the network's input."""

    def __init__(self, codec: ImageVideo, spec: TensorSpec) -> None:
        codec.check_accepts(spec)
        self.checksum = 0
        self._codec, self._spec = codec, spec
        self._packets = PacketEncoder(codec)
        self._margins = Margins(0, 0)

    @property
    def held_bytes(self) -> int:
        """Return the memory that the encoder takes, in bytes."""
        return self._packets.held_bytes

    def continues(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor can be encoded without a key: it has the same grey margins as the last key."""
        pixels = to_memory_order(tensor, self._spec).numpy()[0]
        return self.held_bytes > 0 and self._margins.are_grey(pixels)

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        """
        Encode an image.

        :raises CodecError: also if the image covers more of the input than the last key did, and is not a key.
        """
        pixels = to_memory_order(tensor, self._spec).numpy()[0]
        if key:
            self._margins = _margins(pixels)
        elif not self._margins.are_grey(pixels):
            raise CodecError(
                f"Tensor {self._spec.name!r} has no grey where the last key of {self._codec.name} has its margins; "
                "encode a key."
            )
        data = self._packets.encode(self._margins.inside(pixels), "RGB", key=key)
        self.checksum = self._packets.checksum
        return EncodedTensor(self._spec.name, self._spec.dtype, self._spec.shape, self._codec.name, data)


class ImageVideoDecoder(StreamDecoder):
    """Edge's end of a video of the network's input."""

    def __init__(self, codec: ImageVideo, spec: TensorSpec) -> None:
        codec.check_accepts(spec)
        self.checksum = 0
        self._spec = spec
        self._packets = PacketDecoder(codec, spec, self._fits)

    @property
    def held_bytes(self) -> int:
        """Return the memory that the decoder takes, in bytes."""
        return self._packets.held_bytes

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        """Decode an image, and put grey around it."""
        planes = self._packets.decode(encoded, key=key)
        self.checksum = self._packets.checksum
        canvas = np.full(memory_shape(self._spec), GREY, dtype=np.uint8)
        height, width = planes.luma.shape
        read_planes(planes, self._margins(PictureSize(width, height)).inside(canvas[0]), "RGB")
        return from_memory_order(torch.from_numpy(canvas), self._spec)

    def _margins(self, size: PictureSize) -> Margins:
        height, width = self._spec.shape[2:]
        return Margins((even(height) - size.height) // 2, (even(width) - size.width) // 2)

    def _fits(self, size: PictureSize) -> bool:
        return min(size) >= LEAST_SIDE and min(self._margins(size)) >= 0


def _margins(pixels: NDArray[np.uint8]) -> Margins:
    """Return the largest margins of grey that leave a picture that can be encoded."""
    other = (pixels != GREY).any(axis=2)
    return Margins(_margin(other.any(axis=1)), _margin(other.any(axis=0)))


def _margin(covered: NDArray[np.bool_]) -> int:
    """Return how many rows (or columns) are grey on both sides; 0 if all of them are."""
    if not covered.any():
        return 0
    before, behind = int(np.argmax(covered)), int(np.argmax(covered[::-1]))
    return min(before, behind, (len(covered) - LEAST_SIDE) // 2)
