# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Send the camera's own image as a video instead of the network's input; the edge pre-processes it.

A packet has one more byte before its video: its lowest bit is 1 if the width is odd, the next one if the height is. A
picture of the video has even sides, so its last pixels are left out then.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS, MOST_BYTES, CameraImage
from neurosurgeon_ros.codecs.codec import CodecError, flat_bytes
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder, StreamEncoder
from neurosurgeon_ros.codecs.streams.video.bits import PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import even, read_planes
from neurosurgeon_ros.codecs.streams.video.packets import (
    CHECKSUM_BYTES,
    LEAST_SIDE,
    MOST_PIXELS,
    PacketDecoder,
    PacketEncoder,
    Video,
)
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

_ODD_WIDTH, _ODD_HEIGHT = 1, 2


class CameraVideo(Video):
    """
    Video of the camera's image.

    Its ends do not encode the tensor that the video replaces, so they have their own methods, as
    :class:`~neurosurgeon_ros.codecs.camera.CameraPicture` has: :meth:`CameraVideoEncoder.carry` encodes the image, and
    :meth:`CameraVideoDecoder.image` decodes it. The caller of the latter must also do the robot's pre-processing.
    """

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept tensors with the shape of one colour image; the caller knows whether it is the network's input."""
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def typical_pixels(self, spec: TensorSpec) -> int:
        """Return the number of pixels of a customary camera."""
        return CUSTOMARY_PIXELS

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the maximum size of a picture."""
        return MOST_BYTES

    def encoder(self, spec: TensorSpec) -> CameraVideoEncoder:
        """Return a new robot's end of a stream."""
        return CameraVideoEncoder(self, spec)

    def decoder(self, spec: TensorSpec) -> CameraVideoDecoder:
        """Return a new edge's end of a stream."""
        return CameraVideoDecoder(self, spec)


class CameraVideoEncoder(StreamEncoder):
    """Robot's end of a video of the camera's image."""

    def __init__(self, codec: CameraVideo, spec: TensorSpec) -> None:
        codec.check_accepts(spec)
        self.checksum = 0
        self._codec, self._spec = codec, spec
        self._packets = PacketEncoder(codec)
        self._flags = -1

    @property
    def held_bytes(self) -> int:
        """Return the memory that the encoder takes, in bytes."""
        return self._packets.held_bytes

    def continues(self, image: CameraImage) -> bool:
        """Return whether an image can be encoded without a key: it has the size of the last one."""
        height, width = image.pixels.shape[:2]
        return self._packets.continues(PictureSize(even(width), even(height))) and self._flags == _odd_sides(
            height, width
        )

    def carry(self, image: CameraImage, *, key: bool) -> EncodedTensor:
        """
        Encode an image in place of the network's input, and advance the reference.

        :param key: encode without the reference. The first image of a stream, and of another size, must be a key.
        :raises CodecError: the image is too small or too large, or must be a key, or the encoder failed.
        """
        height, width = image.pixels.shape[:2]
        if min(height, width) < LEAST_SIDE or even(height) * even(width) > MOST_PIXELS:
            raise CodecError(
                f"The image has {width} x {height} pixels where {self._codec.name} takes {LEAST_SIDE} per side to "
                f"{MOST_PIXELS} in all; send it by another codec."
            )
        flags = _odd_sides(height, width)
        if not key and flags != self._flags:
            raise CodecError(
                f"The image of {width} x {height} pixels has another size than the last one of {self._codec.name} and "
                "is not a key; encode it as a key."
            )
        data = self._packets.encode(image.pixels, "BGR", key=key, prefix=bytes((flags,)))
        self._flags, self.checksum = flags, self._packets.checksum
        return EncodedTensor(self._spec.name, self._spec.dtype, self._spec.shape, self._codec.name, data)

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        """Raise :class:`CodecError`: the image cannot be recovered from a tensor."""
        raise CodecError(
            f"Codec {self._codec.name} cannot encode tensor {self._spec.name!r}; give carry() a camera's image."
        )


class CameraVideoDecoder(StreamDecoder):
    """Edge's end of a video of the camera's image."""

    def __init__(self, codec: CameraVideo, spec: TensorSpec) -> None:
        codec.check_accepts(spec)
        self.checksum = 0
        self._codec, self._spec = codec, spec
        self._packets = PacketDecoder(codec, spec, _fits)
        self._flags = -1

    @property
    def held_bytes(self) -> int:
        """Return the memory that the decoder takes, in bytes."""
        return self._packets.held_bytes

    def image(self, encoded: EncodedTensor, *, key: bool) -> NDArray[np.uint8]:
        """
        Decode an image from another machine, and advance the reference.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: the data is not what :meth:`CameraVideoEncoder.carry` returns; the next must be a key.
        """
        data = flat_bytes(encoded)
        flags = data[CHECKSUM_BYTES] if data.nbytes > CHECKSUM_BYTES else -1
        if flags not in (range(4) if key else (self._flags,)):
            self._packets.forget()
            raise CodecError(
                f"Encoded tensor {encoded.name!r} states size {flags}, which is not the one of this stream; send a key."
            )
        planes = self._packets.decode(encoded, key=key, prefix=1)
        self._flags, self.checksum = flags, self._packets.checksum
        height, width = planes.luma.shape
        pixels = np.empty((height - flags // _ODD_HEIGHT, width - flags % _ODD_HEIGHT, 3), dtype=np.uint8)
        read_planes(planes, pixels, "BGR")
        return pixels

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        """Raise :class:`CodecError`: making the tensor requires the model's pre-processing."""
        raise CodecError(f"Codec {self._codec.name} gives an image, no tensor; pre-process what image() returns.")


def _odd_sides(height: int, width: int) -> int:
    return _ODD_WIDTH * (width % 2) + _ODD_HEIGHT * (height % 2)


def _fits(size: PictureSize) -> bool:
    return min(size) >= LEAST_SIDE and size.width * size.height <= MOST_PIXELS
