# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The camera's own image as a JPEG, in the place of the network's input: the edge pre-processes it.

Where the JPEG comes from is what tells the codecs apart: the camera, or the robot, which makes it of a raw image. So a
robot that sends one has no pre-processing to do.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import Codec, CodecError, check_no_quantisation, check_spec, flat_bytes
from neurosurgeon_ros.codecs.picture import decode_bgr, jpeg_settings, jpeg_size
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Bytes of a picture at most; with the rest of the request it stays below what edges take.
MOST_BYTES = 16 * 1024 * 1024

#: Pixels of a picture at most: 200 MB once decoded.
MOST_PIXELS = 8192 * 8192

#: Pixels of the image that expected bytes are given for, since the network's input does not tell the camera's size.
CUSTOMARY_PIXELS = 640 * 480


@dataclass(frozen=True, slots=True, eq=False)
class CameraImage:
    """
    An image as the robot has it.

    :param pixels: BGR, uint8, shape (height, width, 3).
    :param received: the JPEG that the camera sent; None if it sent none, or one that cannot travel as it is.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    received: memoryview | None = field(default=None, repr=False)


class CameraPicture(Codec):
    """
    A JPEG of the camera's image.

    It is not the tensor that it stands for, so that there is another way in and out: :meth:`carry` takes the image, and
    what decodes it to :meth:`image` has to do the robot's pre-processing, too.

    :param name: registered name.
    :param lossless: whether the edge sees the very pixels that the robot sees.
    :param expected: bytes per pixel that are usual.
    """

    def __init__(self, name: str, *, expected: float, lossless: bool = False) -> None:
        self.name = name
        self.lossless = lossless
        self._expected = expected

    @abstractmethod
    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """
        Let a picture of the image stand for the network's input.

        :raises CodecError: there is none that could travel.
        """

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept what is made of one colour image; the caller knows whether it is the network's input."""
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return what is usual for an image of :data:`CUSTOMARY_PIXELS`."""
        return round(self._expected * CUSTOMARY_PIXELS)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return what the largest picture may have."""
        return MOST_BYTES

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Raise :class:`CodecError`: no tensor gives back the image that it was made of."""
        raise CodecError(f"Codec {self.name} cannot encode tensor {spec.name!r}; it carries a camera's image.")

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Raise :class:`CodecError`: the tensor takes the model's pre-processing."""
        raise CodecError(f"Codec {self.name} gives an image, no tensor; pre-process what image() returns.")

    def image(self, encoded: EncodedTensor, spec: TensorSpec) -> NDArray[np.uint8]:
        """
        Decompress a picture that came from another machine, as the robot itself does with its camera's.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: it is not what :meth:`carry` gives.
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
        if pixels is None or pixels.shape != (size[1], size[0], 3):
            raise CodecError(f"Encoded tensor {encoded.name!r} cannot be decoded as JPEG; it was damaged.")
        return pixels


class AsReceived(CameraPicture):
    """A picture that the robot has not made: it travels as it came, so that nothing is encoded and nothing lost."""

    def __init__(self) -> None:
        super().__init__("as_received", expected=0.15, lossless=True)

    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """Return what the camera sent."""
        if image.received is None or sendable_size(image.received) is None:
            raise CodecError("The image is no plain baseline JPEG, or too large; send it by another codec.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, image.received)


class CameraJpeg(CameraPicture):
    """
    A picture that the robot makes.

    :param quality: 1 to 100.
    :param chroma: ``420`` for colours at half the resolution, ``444`` for all of it.
    :param expected: bytes per pixel that are usual.
    """

    def __init__(self, quality: int, chroma: str, *, expected: float) -> None:
        super().__init__(f"camera-jpeg{quality}-{chroma}", expected=expected)
        self._settings = jpeg_settings(quality, chroma)

    def carry(self, image: CameraImage, spec: TensorSpec) -> EncodedTensor:
        """Compress with OpenCV."""
        height, width = image.pixels.shape[:2]
        if height * width > MOST_PIXELS:
            raise CodecError(f"The image has {width} x {height} pixels, over {MOST_PIXELS}; send it by another codec.")
        done, data = cv2.imencode(".jpg", image.pixels, self._settings)
        if not done or data.nbytes > MOST_BYTES:
            raise CodecError(f"The image cannot be written by {self.name}; send it by another codec.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, data.data)


def sendable_size(data: memoryview) -> tuple[int, int] | None:
    """
    Read a picture's width and height; None where it cannot travel.

    That is, where it is no plain baseline JPEG (see :func:`~neurosurgeon_ros.codecs.picture.jpeg_size`), or is larger
    than an edge takes.
    """
    size = jpeg_size(data) if data.nbytes <= MOST_BYTES else None
    return size if size is not None and 0 < size[0] * size[1] <= MOST_PIXELS else None


#: It has no state, so that there is one.
AS_RECEIVED = AsReceived()
