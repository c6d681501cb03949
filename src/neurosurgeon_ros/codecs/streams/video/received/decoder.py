# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check and decode the packets of a camera's own video, on the robot and at the edge.

Before FFmpeg reads a packet, its headers are read: it must be one picture of a bounded size, 8 bits, 4:2:0, that needs
a bounded number of other pictures and is shown at once. Both ends decode with this module, so both have the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo, PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import Colours, Planes, to_bgr
from neurosurgeon_ros.codecs.streams.video.packets import DECODER_BYTES, LEAST_SIDE, MOST_PIXELS
from neurosurgeon_ros.codecs.streams.video.syntax import AV1, H264, HEVC, Syntax

if TYPE_CHECKING:
    from neurosurgeon_ros.codecs.streams.video.pictures import PictureDecoder

#: Formats of a camera's video, by the names that messages give them.
FORMATS: Mapping[str, Syntax] = MappingProxyType({"h264": H264, "hevc": HEVC, "av1": AV1})

#: Maximum size of a packet: bytes per pixel of its picture, and bytes. H.264 allows 1.5 per pixel (A.3.1).
MOST_BYTES_PER_PIXEL, MOST_PACKET_BYTES = 1.5, 16 * 1024 * 1024

# A packet may have so many bytes besides its picture: parameter sets, supplemental information.
_REST_BYTES = 8192


class KeyMissing(DamagedVideo):
    """The packet needs a key that did not come; the message completes "the packet ..."."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """
    A decoded picture.

    :param planes: in the decoder's own memory; do not write to it.
    :param colours: how their values are meant.
    """

    planes: Planes
    colours: Colours

    @property
    def size(self) -> PictureSize:
        """Return the size."""
        height, width = self.planes.luma.shape
        return PictureSize(width, height)

    def bgr(self) -> NDArray[np.uint8]:
        """Return the picture as BGR, shape (height, width, 3)."""
        return to_bgr(self.planes, self.colours)


class CameraDecoder:
    """
    Decodes the packets of a camera's video in order. It belongs to one thread at a time.

    :param name: one of :data:`FORMATS`.

    :ivar is_key: whether the packet that was decoded last is a key.
    """

    def __init__(self, name: str) -> None:
        self.is_key = False
        self._syntax = FORMATS[name]
        self._reader = self._syntax.reader()
        self._pictures: PictureDecoder | None = None

    @property
    def held_bytes(self) -> int:
        """Return the memory that the decoder takes, in bytes."""
        size = self._pictures and self._pictures.size
        return DECODER_BYTES * size.width * size.height if size else 0

    def forget(self) -> None:
        """Drop what is held, so that the next packet must be a key."""
        self._pictures, self._reader = None, self._syntax.reader()

    def decode(self, packet: memoryview) -> Picture:
        """
        Decode a packet.

        :raises KeyMissing: the packet is no key, and follows none.
        :raises DamagedVideo: the packet is not one picture that follows the last one; the next one must be a key.
        :raises CodecError: this build of FFmpeg lacks the decoder.
        """
        pictures, self._pictures, self.is_key = self._pictures, None, False  # unless it succeeds
        try:
            if packet.nbytes > MOST_PACKET_BYTES:
                raise DamagedVideo(f"has {packet.nbytes} bytes where at most {MOST_PACKET_BYTES} are accepted")
            size = self._reader.read(packet).size
            if size is not None:
                pictures = self._begin(pictures, size)
            if pictures is None:
                raise KeyMissing("is no key frame and follows none")
            self._check_bytes(packet, pictures.size)
            picture = Picture(*pictures.decode_camera(packet))
        except DamagedVideo:
            self._reader = self._syntax.reader()
            raise
        self._pictures, self.is_key = pictures, size is not None
        return picture

    def _begin(self, pictures: PictureDecoder | None, size: PictureSize) -> PictureDecoder:
        """Return a decoder of pictures of a key's size; raises DamagedVideo if the size is out of bounds."""
        if pictures is not None and pictures.size == size:
            return pictures
        if min(size) < LEAST_SIDE or size.width * size.height > MOST_PIXELS:
            raise DamagedVideo(f"has {size} where {LEAST_SIDE} per side to {MOST_PIXELS} in all are accepted")
        from neurosurgeon_ros.codecs.streams.video.pictures import PictureDecoder  # PyAV takes 0.2 s to import

        return PictureDecoder(self._syntax, size, of_camera=True)

    @staticmethod
    def _check_bytes(packet: memoryview, size: PictureSize) -> None:
        most = int(MOST_BYTES_PER_PIXEL * size.width * size.height) + _REST_BYTES
        if packet.nbytes > most:
            raise DamagedVideo(f"has {packet.nbytes} bytes where {size} has at most {most}")
