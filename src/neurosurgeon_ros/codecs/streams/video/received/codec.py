# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Forward the packets of a camera's video as received, without encoding and without loss; the edge decodes them.

A frame carries all packets since the frame before, because each builds on the ones before it; a key carries all since
the camera's last key. After the checksum come a byte for the format, two for the number of packets, four for the
length of each, and the packets; the lowest byte comes first.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS, CameraImage
from neurosurgeon_ros.codecs.camera import MOST_BYTES as MOST_PICTURE_BYTES
from neurosurgeon_ros.codecs.codec import CodecError, check_no_quantisation, check_spec, flat_bytes
from neurosurgeon_ros.codecs.streams.stream import StreamCodec, StreamDecoder, StreamEncoder
from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo
from neurosurgeon_ros.codecs.streams.video.packets import CHECKSUM_BYTES
from neurosurgeon_ros.codecs.streams.video.received.chain import MOST_PACKETS, MOST_PIXELS
from neurosurgeon_ros.codecs.streams.video.received.decoder import FORMATS, CameraDecoder, Picture
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Seconds after which a decoder gives up the packets of a frame.
LONGEST_DECODE_S = 3.0

_BEGIN = struct.Struct("<BH")
_FORMATS = tuple(FORMATS)

# Bytes per pixel of a frame and of a key, with FFmpeg's defaults: x264 at crf 23, a key in every tenth picture.
_EXPECTED, _EXPECTED_KEY = 0.03, 0.2


class AsReceivedVideo(StreamCodec):
    """
    Video that the robot forwards as received.

    Its ends do not encode the tensor that the video replaces: see :mod:`neurosurgeon_ros.codecs.streams.camera_stream`.
    """

    name = "as_received-video"
    lossless = True

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept tensors with the shape of one colour image; the caller knows whether it is the network's input."""
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size for a customary camera whose every picture is sent."""
        return round(_EXPECTED * CUSTOMARY_PIXELS)

    def expected_key_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size of a camera's key and a few packets after it."""
        return round(_EXPECTED_KEY * CUSTOMARY_PIXELS)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the maximum size of a frame."""
        return MOST_PICTURE_BYTES

    def encoder(self, spec: TensorSpec) -> AsReceivedEncoder:
        """Return a new robot's end of a stream."""
        self._check_accepts(spec)
        return AsReceivedEncoder(self, spec)

    def decoder(self, spec: TensorSpec) -> AsReceivedDecoder:
        """Return a new edge's end of a stream."""
        self._check_accepts(spec)
        return AsReceivedDecoder(self, spec)

    def _check_accepts(self, spec: TensorSpec) -> None:
        if not self.accepts(spec):
            raise CodecError(
                f"Codec {self.name} cannot replace tensor {spec.name!r} of {spec.shape}, which is no image."
            )


class AsReceivedEncoder(StreamEncoder):
    """Robot's end of a video that is forwarded as received. It holds no memory of its own."""

    def __init__(self, codec: AsReceivedVideo, spec: TensorSpec) -> None:
        self.checksum = 0
        self._codec, self._spec = codec, spec
        self._newest = 0

    @property
    def held_bytes(self) -> int:
        """Return 0: the camera keeps the packets."""
        return 0

    def continues(self, image: CameraImage) -> bool:
        """Return whether an image's packets follow those that were sent last, with no key of the camera between."""
        return image.video is not None and image.video.holds(self._newest)

    def carry(self, image: CameraImage, *, key: bool) -> EncodedTensor:
        """
        Take the packets that the edge needs for an image.

        :param key: take all packets since the camera's last key.
        :raises CodecError: the image is not of a video whose packets are kept, or must be a key.
        """
        chain = image.video
        if chain is None:
            raise CodecError("The image has no video packets that can be forwarded; send it by another codec.")
        if not key and not self.continues(image):
            raise CodecError(f"The packets of {self._codec.name} begin with the camera's own key; encode a key.")
        packets = chain.packets if key else chain.after(self._newest)
        lengths = struct.pack(f"<{len(packets)}I", *(packet.nbytes for packet in packets))
        begin = _BEGIN.pack(_FORMATS.index(chain.format), len(packets)) + lengths
        checksum = zlib.crc32(begin, 0 if key else self.checksum)
        for packet in packets:
            checksum = zlib.crc32(packet, checksum)
        data = memoryview(b"".join((checksum.to_bytes(CHECKSUM_BYTES, "little"), begin, *packets)))
        self._newest, self.checksum = chain.last, checksum
        return EncodedTensor(self._spec.name, self._spec.dtype, self._spec.shape, self._codec.name, data)

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        """Raise :class:`CodecError`: the packets cannot be made from a tensor."""
        raise CodecError(f"Codec {self._codec.name} cannot encode tensor {self._spec.name!r}; give carry() an image.")


class AsReceivedDecoder(StreamDecoder):
    """
    Edge's end of a video that is forwarded as received.

    :param clock: returns monotonic seconds.
    """

    def __init__(
        self, codec: AsReceivedVideo, spec: TensorSpec, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.checksum = 0
        self._codec, self._spec, self._clock = codec, spec, clock
        self._decoder: CameraDecoder | None = None
        self._format = -1

    @property
    def held_bytes(self) -> int:
        """Return the memory that the decoder takes, in bytes."""
        return self._decoder.held_bytes if self._decoder else 0

    def image(self, encoded: EncodedTensor, *, key: bool) -> NDArray[np.uint8]:
        """
        Decode all packets from another machine, and return the newest picture.

        :returns: BGR, shape (height, width, 3).
        :raises CodecError: the data is not what :meth:`AsReceivedEncoder.carry` returns; the next must be a key.
        """
        decoder, self._decoder = self._decoder, None  # unless it succeeds
        check_spec(encoded, self._spec, self._codec.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        try:
            if data.nbytes > MOST_PICTURE_BYTES:
                raise DamagedVideo(f"has {data.nbytes} bytes where at most {MOST_PICTURE_BYTES} are accepted")
            checksum = zlib.crc32(data[CHECKSUM_BYTES:], 0 if key else self.checksum)
            if bytes(data[:CHECKSUM_BYTES]) != checksum.to_bytes(CHECKSUM_BYTES, "little"):
                raise DamagedVideo("has another checksum than expected, so it was damaged or one before it was lost")
            number, packets = _split(data[CHECKSUM_BYTES:])
            if key:
                decoder, self._format = CameraDecoder(_FORMATS[number]), number
            elif decoder is None or number != self._format:
                raise DamagedVideo("is not a key and follows no key of its format")
            picture = self._decode(decoder, packets)
        except DamagedVideo as problem:
            raise CodecError(f"Encoded tensor {encoded.name!r} {problem}; send a key.") from None
        self._decoder, self.checksum = decoder, checksum
        return picture.bgr()

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        """Raise :class:`CodecError`: making the tensor requires the model's pre-processing."""
        raise CodecError(f"Codec {self._codec.name} gives an image, no tensor; pre-process what image() returns.")

    def _decode(self, decoder: CameraDecoder, packets: Sequence[memoryview]) -> Picture:
        """Decode every packet; raises DamagedVideo, also if that takes too long."""
        until_s = self._clock() + LONGEST_DECODE_S
        for packet in packets:
            picture = decoder.decode(packet)
            if len(packets) * picture.size.width * picture.size.height > MOST_PIXELS:
                raise DamagedVideo(f"has {len(packets)} packets, too many of {picture.size}")
            if self._clock() > until_s:
                raise DamagedVideo(f"takes over {LONGEST_DECODE_S:.0f} s to decode")
        return picture


def _split(data: memoryview) -> tuple[int, list[memoryview]]:
    """Return the format's number and the packets, as views; raises DamagedVideo."""
    if data.nbytes < _BEGIN.size:
        raise DamagedVideo("has no packet")
    number, count = _BEGIN.unpack_from(data)
    if number >= len(_FORMATS) or not 0 < count <= MOST_PACKETS:
        raise DamagedVideo(
            f"has {count} packets of format {number} where 1 to {MOST_PACKETS} of a known one are expected"
        )
    position = _BEGIN.size + 4 * count
    if data.nbytes < position:
        raise DamagedVideo(f"has no lengths of {count} packets")
    lengths = struct.unpack_from(f"<{count}I", data, _BEGIN.size)
    if min(lengths) == 0 or position + sum(lengths) != data.nbytes:
        raise DamagedVideo("has packets of other lengths than it says")
    packets = []
    for length in lengths:
        packets.append(data[position : position + length])
        position += length
    return number, packets
