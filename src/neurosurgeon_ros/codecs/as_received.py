# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The camera's own JPEG in the place of the network's input: it travels as it came, and the edge pre-processes it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import Codec, CodecError, check_no_quantisation, check_spec, flat_bytes
from neurosurgeon_ros.codecs.picture import decode_bgr, jpeg_size
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Bytes of a picture at most; with the rest of the request it stays below what edges take.
MOST_BYTES = 16 * 1024 * 1024

#: Pixels of a picture at most: 200 MB once decoded.
MOST_PIXELS = 8192 * 8192

#: Bytes per pixel that are usual.
_EXPECTED = 0.15


class AsReceived(Codec):
    """
    A picture that the robot has not made, so that there is nothing to encode: :meth:`wrap` takes it as it is.

    Nor is the picture the tensor that it stands for: what decodes it to :meth:`image` has to do the robot's
    pre-processing, too. The outputs then are the whole network's on that picture, bit for bit.
    """

    name = "as_received"
    lossless = True

    def accepts(self, spec: TensorSpec) -> bool:
        """Take what is made of one colour image; whether it is the network's input has to be known elsewhere."""
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Give what is usual for a customary camera's picture, which the network's input does not tell the size of."""
        return round(_EXPECTED * 640 * 480)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Give what the largest picture may have."""
        return MOST_BYTES

    def size(self, data: memoryview) -> tuple[int, int] | None:
        """
        Read a picture's width and height; None where it cannot travel as it is.

        That is, where it is no plain baseline JPEG (see :func:`~neurosurgeon_ros.codecs.picture.jpeg_size`), or is
        larger than an edge takes.
        """
        size = jpeg_size(data) if data.nbytes <= MOST_BYTES else None
        return size if size is not None and 0 < size[0] * size[1] <= MOST_PIXELS else None

    def wrap(self, data: memoryview, spec: TensorSpec) -> EncodedTensor:
        """
        Let a picture stand for the network's input.

        :raises CodecError: it cannot travel as it is.
        """
        if self.size(data) is None:
            raise CodecError("The image is no plain baseline JPEG, or too large; send it by another codec.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, data)

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Raise :class:`CodecError`: no tensor gives back the picture that it was made of."""
        raise CodecError(f"Codec {self.name} cannot encode tensor {spec.name!r}; it carries what came from a camera.")

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Raise :class:`CodecError`: the tensor takes the model's pre-processing."""
        raise CodecError(f"Codec {self.name} gives an image, no tensor; pre-process what image() returns.")

    def image(self, encoded: EncodedTensor, spec: TensorSpec) -> NDArray[np.uint8]:
        """
        Decompress a picture that came from another machine, as the robot itself does with its camera's.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: it is not what :meth:`wrap` gives.
        """
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        size = self.size(data)
        if size is None:
            raise CodecError(f"Encoded tensor {encoded.name!r} is no plain baseline JPEG, or too large.")
        try:
            pixels = decode_bgr(data)
        except cv2.error:
            pixels = None
        if pixels is None or pixels.shape != (size[1], size[0], 3):
            raise CodecError(f"Encoded tensor {encoded.name!r} cannot be decoded as JPEG; it was damaged.")
        return pixels


#: It has no state, so that there is one.
AS_RECEIVED = AsReceived()
