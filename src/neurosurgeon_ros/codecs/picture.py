# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Send the image at p = 0 as a compressed JPEG or WebP picture, after resizing to the network's input."""

from __future__ import annotations

import contextlib
from abc import abstractmethod

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import (
    Codec,
    CodecError,
    check_no_quantisation,
    check_spec,
    elements,
    flat_bytes,
    from_memory_order,
    to_memory_order,
)
from neurosurgeon_ros.codecs.jpeg_segments import BEGIN, END, SCAN, DamagedJpeg, segments
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

# JPEG markers: the baseline frame; and tables, restart interval, application data and comments.
_BASELINE = 0xC0
_PLAIN_SEGMENTS = frozenset((0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)))


class Picture(Codec):
    """
    Picture format; the stated size of a picture is checked before it is decoded.

    :param name: registered name.
    :param suffix: file suffix by which OpenCV selects the format.
    :param settings: OpenCV flags, each followed by its value.
    :param expected: typical bytes per pixel, used until the mean of sent data is known.
    :param lossless: whether decoding returns the original pixels.
    """

    def __init__(self, name: str, suffix: str, settings: list[int], *, expected: float, lossless: bool = False) -> None:
        self.name = name
        self.lossless = lossless
        self._suffix = suffix
        self._settings = settings
        self._expected = expected

    @abstractmethod
    def stated_size(self, data: memoryview) -> tuple[int, int] | None:
        """Return width and height from a picture's header; None if it is not a picture of this format."""

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept one channels-last RGB image of at most 16,383 pixels per side."""
        if spec.dtype != "uint8" or not spec.channels_last or len(spec.shape) != 4 or spec.shape[:2] != (1, 3):
            return False
        return max(spec.shape[2:]) <= 16383

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size on the shipped video."""
        return max(1, round(self._expected * elements(spec) / 3))

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return a bound above the size of noise at the best quality."""
        return 2 * elements(spec) + 4096

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Compress the image with OpenCV."""
        pixels = to_memory_order(tensor, spec).numpy()[0]
        done, data = cv2.imencode(self._suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), self._settings)
        if not done:
            raise CodecError(f"OpenCV cannot write {self.name}; install a build of it with this format.")
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, data.data)

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Decompress the picture with OpenCV if it states the size of this tensor."""
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        if data.nbytes > self.max_bytes(spec):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has {data.nbytes} bytes where {self.name} has at most "
                f"{self.max_bytes(spec)}; it belongs to another model."
            )
        size, expected = self.stated_size(data), (spec.shape[3], spec.shape[2])
        if size != expected:
            stated = f"of {size[0]} x {size[1]} pixels" if size else "of another format"
            raise CodecError(
                f"Encoded tensor {encoded.name!r} is a picture {stated} where {self.name} of {expected[0]} x "
                f"{expected[1]} is expected; it was damaged or belongs to another model."
            )
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            pixels = None
        if pixels is None or pixels.shape != (spec.shape[2], spec.shape[3], 3):
            raise CodecError(f"Encoded tensor {encoded.name!r} cannot be decoded as {self.name}; it was damaged.")
        return from_memory_order(torch.from_numpy(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), spec)


class Jpeg(Picture):
    """
    JPEG picture.

    :param quality: 1 to 100.
    :param chroma: ``420`` for half the colour resolution, ``444`` for full colour resolution.
    :param expected: typical bytes per pixel.
    """

    def __init__(self, quality: int, chroma: str, *, expected: float) -> None:
        super().__init__(f"jpeg{quality}-{chroma}", ".jpg", jpeg_settings(quality, chroma), expected=expected)

    def stated_size(self, data: memoryview) -> tuple[int, int] | None:
        """Return the size as :func:`jpeg_size` does."""
        return jpeg_size(data)


class WebP(Picture):
    """
    WebP picture.

    :param quality: 1 to 100; None for lossless.
    :param expected: typical bytes per pixel.
    """

    def __init__(self, quality: int | None, *, expected: float) -> None:
        name = "webp-lossless" if quality is None else f"webp{quality}"
        # OpenCV treats any quality above 100 as lossless.
        settings = [cv2.IMWRITE_WEBP_QUALITY, 101 if quality is None else quality]
        super().__init__(name, ".webp", settings, expected=expected, lossless=quality is None)

    def stated_size(self, data: memoryview) -> tuple[int, int] | None:
        """Return the size from the header of a single image (RFC 9649); reject pictures with several images."""
        if data.nbytes < 30 or bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WEBP":
            return None
        kind = bytes(data[12:16])
        if kind == b"VP8 " and bytes(data[23:26]) == b"\x9d\x01\x2a":
            width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return width, height
        if kind == b"VP8L" and data[20] == 0x2F:
            packed = int.from_bytes(data[21:25], "little")
            return (packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1
        return None


def jpeg_settings(quality: int, chroma: str) -> list[int]:
    """Return the OpenCV flags and values for a JPEG with this quality and chroma, ``420`` or ``444``."""
    sampling = {"420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}[chroma]
    return [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]


def decode_bgr(data: memoryview) -> NDArray[np.uint8] | None:
    """
    Decompress a camera's picture; robot and edge both use this function, so they get the same pixels.

    :returns: BGR, shape (height, width, 3), turned by an EXIF orientation. None if the picture is damaged.
    :raises cv2.error: the decoder rejects the picture.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(pixels, dtype=np.uint8)


def jpeg_size(data: memoryview) -> tuple[int, int] | None:
    """
    Read width and height from the segments of a JPEG (ITU T.81, annex B) up to the scan.

    The function accepts only data that a decoder reads in the same way: one baseline frame with all its components in
    one scan, and only plain segments with a length before it. A second size therefore cannot hide behind the first, and
    a picture cannot have thousands of scans, each of which costs a pass over the whole picture.

    :returns: width and height as stored, without an EXIF orientation; None for any other data.
    """
    if bytes(data[:2]) != BEGIN or bytes(data[-2:]) != END:
        return None
    size, components = None, 0
    with contextlib.suppress(DamagedJpeg):
        for marker, position, _ in segments(data):
            if position + 10 > data.nbytes:
                return None
            if marker == _BASELINE and size is None:
                height, width = (int.from_bytes(data[at : at + 2], "big") for at in (position + 5, position + 7))
                size, components = (width, height), data[position + 9]
            elif marker == SCAN:
                return size if data[position + 4] == components else None
            elif marker not in _PLAIN_SEGMENTS:
                return None
    return None
