# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Send the camera's own image as a JPEG instead of the network's input; the edge pre-processes it.

The codecs differ in the source of the JPEG: the camera sends it, or the robot makes it from a raw image. A robot that
sends a JPEG does no pre-processing.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import Codec, CodecError, check_no_quantisation, check_spec, flat_bytes
from neurosurgeon_ros.codecs.picture import decode_bgr, jpeg_settings, jpeg_size
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

if TYPE_CHECKING:
    from neurosurgeon_ros.codecs.streams.video.received.chain import VideoChain

#: Maximum size of a picture in bytes; with the rest of the request it stays below the limit of the edge.
MOST_BYTES = 16 * 1024 * 1024

#: Maximum number of pixels of a picture: 200 MB when decoded.
MOST_PIXELS = 8192 * 8192

#: Number of pixels that expected bytes refer to, because the network's input does not give the size of the camera.
CUSTOMARY_PIXELS = 640 * 480


@dataclass(frozen=True, slots=True, eq=False)
class CameraImage:
    """
    Camera image on the robot.

    :param pixels: BGR, uint8, shape (height, width, 3).
    :param received: the JPEG that the camera sent; None if it sent none, or one that cannot be forwarded as it is.
    :param video: the packets of the camera's video up to the image; None if it sent none, or too many to forward.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    received: memoryview | None = field(default=None, repr=False)
    video: VideoChain | None = field(default=None, repr=False)

    @property
    def is_forwardable(self) -> bool:
        """Return whether what the camera sent can be sent as received."""
        return self.received is not None or self.video is not None


class CameraPicture(Codec):
    """
    JPEG of the camera's image.

    It does not encode the tensor that it replaces, so it has its own methods: :meth:`carry` encodes the image, and
    :meth:`image` decodes it. The caller of :meth:`image` must also do the robot's pre-processing.

    :param name: registered name.
    :param lossless: whether the edge gets exactly the pixels that the robot has.
    :param expected: typical bytes per pixel.
    """

    def __init__(self, name: str, *, expected: float, lossless: bool = False) -> None:
        self.name = name
        self.lossless = lossless
        self._expected = expected

    @abstractmethod
    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """
        Encode a picture of the image in place of the network's input.

        :raises CodecError: there is no picture that can be sent.
        """

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept tensors with the shape of one colour image; the caller knows whether it is the network's input."""
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size for an image of :data:`CUSTOMARY_PIXELS`."""
        return round(self._expected * CUSTOMARY_PIXELS)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the maximum size of a picture."""
        return MOST_BYTES

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Raise :class:`CodecError`: the image cannot be recovered from a tensor."""
        raise CodecError(f"Codec {self.name} cannot encode tensor {spec.name!r}; it carries a camera's image.")

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Raise :class:`CodecError`: making the tensor requires the model's pre-processing."""
        raise CodecError(f"Codec {self.name} gives an image, no tensor; pre-process what image() returns.")

    def image(self, encoded: EncodedTensor, spec: TensorSpec) -> NDArray[np.uint8]:
        """
        Decompress a picture from another machine in the same way as the robot decompresses those of its camera.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: the data is not what :meth:`carry` returns.
        """
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        size = sendable_size(data)
        if size is None:
            raise CodecError(f"Encoded tensor {encoded.name!r} is no plain baseline JPEG, or too large.")
        try:
            pixels = decode_bgr(data)
        except cv2.error:
            pixels = None
        if pixels is None or not may_show(size, (pixels.shape[1], pixels.shape[0])):
            raise CodecError(f"Encoded tensor {encoded.name!r} cannot be decoded as JPEG; it was damaged.")
        return pixels


class AsReceived(CameraPicture):
    """Picture that the robot forwards as received, without encoding and without loss."""

    def __init__(self) -> None:
        super().__init__("as_received", expected=0.15, lossless=True)

    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """Return the JPEG that the camera sent."""
        if image.received is None or sendable_size(image.received) is None:
            raise CodecError("The image is no plain baseline JPEG, or too large; send it by another codec.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, image.received)


class CameraJpeg(CameraPicture):
    """
    Picture that the robot makes.

    :param quality: 1 to 100.
    :param chroma: ``420`` for half the colour resolution, ``444`` for full colour resolution.
    :param expected: typical bytes per pixel.
    """

    def __init__(self, quality: int, chroma: str, *, expected: float) -> None:
        super().__init__(f"camera-jpeg{quality}-{chroma}", expected=expected)
        self._settings = jpeg_settings(quality, chroma)

    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """Compress the image with OpenCV."""
        height, width = image.pixels.shape[:2]
        if height * width > MOST_PIXELS:
            raise CodecError(f"The image has {width} x {height} pixels, over {MOST_PIXELS}; send it by another codec.")
        done, data = cv2.imencode(".jpg", image.pixels, self._settings)
        if not done or data.nbytes > MOST_BYTES:
            raise CodecError(f"The image cannot be written by {self.name}; send it by another codec.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, data.data)


def sendable_size(data: memoryview) -> tuple[int, int] | None:
    """
    Return a picture's width and height as stored, see :func:`may_show`; None if it cannot be sent.

    A picture cannot be sent if it is not a plain baseline JPEG (see
    :func:`~neurosurgeon_ros.codecs.picture.jpeg_size`), or if it exceeds the size limits of the edge.
    """
    size = jpeg_size(data) if data.nbytes <= MOST_BYTES else None
    return size if size is not None and 0 < size[0] * size[1] <= MOST_PIXELS else None


def may_show(size: tuple[int, int], image: tuple[int, int]) -> bool:
    """
    Return whether a picture of a stored size can show an image of another size.

    An EXIF orientation may exchange width and height. Only the decoder reads it, so that no second reader can disagree.
    """
    return image in (size, size[::-1])


#: The only instance; it has no state.
AS_RECEIVED = AsReceived()
