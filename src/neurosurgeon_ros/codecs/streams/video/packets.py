# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What the video codecs have in common: a stream of pictures, each of which is one packet.

Decoding is exact, so the checksum of a stream is the CRC-32 of all packets since the last key. Each packet begins with
it (4 bytes, the lowest one first). So a damaged packet, and one that follows a lost packet, are never decoded: FFmpeg
decodes some of them to a damaged picture without an error.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.codec import CodecError, check_no_quantisation, check_spec, flat_bytes
from neurosurgeon_ros.codecs.streams.stream import StreamCodec
from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo, PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import Order, Planes, even, write_planes
from neurosurgeon_ros.codecs.streams.video.syntax import Syntax
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

if TYPE_CHECKING:
    from neurosurgeon_ros.codecs.streams.video.pictures import PictureDecoder, PictureEncoder

#: Minimum side of a picture in pixels; some encoders take no smaller one.
LEAST_SIDE = 32

#: Maximum number of pixels of a picture: level 5.2 of H.264, 14 MB each when decoded.
MOST_PIXELS = 4096 * 2304

#: Number of bytes before a packet.
CHECKSUM_BYTES = 4

#: Memory per pixel of an encoder and of a decoder, measured as resident memory at 416 x 312 and 1280 x 720 pixels.
ENCODER_BYTES, DECODER_BYTES = 35, 10


class Video(StreamCodec):
    """
    Video codec.

    :ivar quality: preset and crf.
    :param name: registered name.
    :param preset: preset of the encoder.
    :param crf: quality; a lower one is better.
    :param expected: typical bytes per pixel of a picture that is no key, and of a key, on the shipped street video.
    :param encoder: FFmpeg's name of the encoder; None for the default one.
    """

    def __init__(
        self,
        name: str,
        syntax: Syntax,
        preset: str,
        crf: int,
        *,
        expected: tuple[float, float],
        encoder: str | None = None,
    ) -> None:
        self.name = name
        self.syntax = syntax
        self.quality = preset, crf
        self._expected = expected
        self._encoder = encoder or next(iter(syntax.encoders))

    @abstractmethod
    def typical_pixels(self, spec: TensorSpec) -> int:
        """Return the number of pixels that expected bytes refer to."""

    def encoded_by(self, encoder: str) -> Self:
        """
        Return this codec with another of FFmpeg's encoders, such as ``h264_nvenc``; its name stays.

        :raises CodecError: this build of FFmpeg does not have the encoder, or it does not work on this machine.
        """
        other = type(self)(self.name, self.syntax, *self.quality, expected=self._expected, encoder=encoder)
        other.picture_encoder(PictureSize(320, 240)).encode(key=True)
        return other

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size on the shipped street video."""
        return max(1, round(self._expected[0] * self.typical_pixels(spec)))

    def expected_key_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size of a key on the shipped street video."""
        return max(1, round(self._expected[1] * self.typical_pixels(spec)))

    def picture_encoder(self, size: PictureSize) -> PictureEncoder:
        """
        Return a new encoder of pictures.

        :raises CodecError: this build of FFmpeg does not have it, or it does not work on this machine.
        """
        from neurosurgeon_ros.codecs.streams.video.pictures import PictureEncoder  # PyAV takes 0.2 s to import

        return PictureEncoder(self.syntax, self._encoder, *self.quality, size)

    def picture_decoder(self, size: PictureSize) -> PictureDecoder:
        """
        Return a new decoder of pictures.

        :raises CodecError: this build of FFmpeg does not have it.
        """
        from neurosurgeon_ros.codecs.streams.video.pictures import PictureDecoder  # PyAV takes 0.2 s to import

        return PictureDecoder(self.syntax, size)

    def check_accepts(self, spec: TensorSpec) -> None:
        """
        Check that tensors of this kind can be encoded.

        :raises CodecError: they cannot.
        """
        if not self.accepts(spec):
            raise CodecError(
                f"Codec {self.name} cannot encode tensor {spec.name!r} of {spec.dtype} {spec.shape}; it takes one "
                f"channels-last colour image of {LEAST_SIDE} to {MOST_PIXELS // LEAST_SIDE} pixels per side."
            )


class PacketEncoder:
    """
    Encodes images of one stream to packets.

    :ivar checksum: CRC-32 of all packets since the last key.
    """

    def __init__(self, codec: Video) -> None:
        self.checksum = 0
        self._codec = codec
        self._pictures: PictureEncoder | None = None

    @property
    def held_bytes(self) -> int:
        """Return the memory that the encoder takes, in bytes."""
        size = self._pictures and self._pictures.size
        return ENCODER_BYTES * size.width * size.height if size else 0

    def continues(self, size: PictureSize) -> bool:
        """Return whether a picture of this size can follow without a key."""
        return self._pictures is not None and self._pictures.size == size

    def encode(self, pixels: NDArray[np.uint8], order: Order, *, key: bool, prefix: bytes = b"") -> memoryview:
        """
        Encode an image.

        :param pixels: shape (height, width, 3).
        :param prefix: bytes to send between checksum and packet.
        :raises CodecError: the first image or the first of another size is not a key, or the encoder failed; the next
            image must be a key.
        """
        size = PictureSize(even(pixels.shape[1]), even(pixels.shape[0]))
        pictures = self._pictures
        if pictures is None or pictures.size != size:
            if not key:
                before = "is the first of a stream" if pictures is None else f"follows {pictures.size}"
                raise CodecError(f"{size} {before} and is not a key of {self._codec.name}; encode it as a key.")
            pictures = self._codec.picture_encoder(size)
        self._pictures = None  # unless it succeeds
        write_planes(pixels, pictures.planes, order)
        packet = pictures.encode(key=key)
        checksum = zlib.crc32(packet, zlib.crc32(prefix, 0 if key else self.checksum))
        self._pictures, self.checksum = pictures, checksum
        return memoryview(b"".join((checksum.to_bytes(CHECKSUM_BYTES, "little"), prefix, packet)))


class PacketDecoder:
    """
    Decodes packets of one stream to pictures.

    :param fits: returns whether a key may have this size, whose sides are even.
    :ivar checksum: CRC-32 of all packets since the last key.
    """

    def __init__(self, codec: Video, spec: TensorSpec, fits: Callable[[PictureSize], bool]) -> None:
        self.checksum = 0
        self._codec, self._spec, self._fits = codec, spec, fits
        self._pictures: PictureDecoder | None = None

    @property
    def held_bytes(self) -> int:
        """Return the memory that the decoder takes, in bytes."""
        size = self._pictures and self._pictures.size
        return DECODER_BYTES * size.width * size.height if size else 0

    def forget(self) -> None:
        """Drop the reference, so that the next packet must be a key."""
        self._pictures = None

    def decode(self, encoded: EncodedTensor, *, key: bool, prefix: int = 0) -> Planes:
        """
        Decode a packet from another machine.

        :param prefix: number of bytes between checksum and packet.
        :returns: the picture, in the decoder's own memory; do not write to it.
        :raises CodecError: the packet is not one picture of this stream; the next one must be a key.
        """
        pictures, self._pictures = self._pictures, None  # unless it succeeds
        check_spec(encoded, self._spec, self._codec.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        try:
            most = self._codec.max_bytes(self._spec)
            if data.nbytes > most:
                raise DamagedVideo(f"has {data.nbytes} bytes where {self._codec.name} has at most {most}")
            checksum = zlib.crc32(data[CHECKSUM_BYTES:], 0 if key else self.checksum)
            if bytes(data[:CHECKSUM_BYTES]) != checksum.to_bytes(CHECKSUM_BYTES, "little"):
                raise DamagedVideo("has another checksum than expected, so it was damaged or one before it was lost")
            packet = data[CHECKSUM_BYTES + prefix :]
            size = self._codec.syntax.check(packet, key=key)
            if size is not None and (pictures is None or pictures.size != size):
                if size.width % 2 or size.height % 2 or not self._fits(size):
                    raise DamagedVideo(f"has {size}, which is not the size of this stream")
                pictures = self._codec.picture_decoder(size)
            if pictures is None:
                raise DamagedVideo("is not a key and follows no key")
            planes = pictures.decode(packet)
        except DamagedVideo as problem:
            raise CodecError(f"Encoded tensor {encoded.name!r} {problem}; send a key.") from None
        self._pictures, self.checksum = pictures, checksum
        return planes
