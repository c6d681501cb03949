# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convert tensors to bytes and back with codecs. An arm is a partition point with one codec.

To add a codec, add one file with a :class:`Codec` and one line in the table below. To add a codec with memory, add one
file with a :class:`StreamCodec` to `streams/` and one line in the second table.
"""

from __future__ import annotations

import torch

from neurosurgeon_ros.codecs.affine import Affine
from neurosurgeon_ros.codecs.camera import AS_RECEIVED, CameraImage, CameraJpeg, CameraPicture
from neurosurgeon_ros.codecs.codec import Codec, CodecError
from neurosurgeon_ros.codecs.half import Fp16
from neurosurgeon_ros.codecs.limits import Limits
from neurosurgeon_ros.codecs.picture import Jpeg, WebP
from neurosurgeon_ros.codecs.raw import Fp32, Raw, Uint8
from neurosurgeon_ros.codecs.streams import delta_codecs
from neurosurgeon_ros.codecs.streams.stream import StreamCodec, StreamDecoder, StreamEncoder
from neurosurgeon_ros.codecs.streams.video import table as video_table
from neurosurgeon_ros.codecs.streams.video.received.codec import AsReceivedVideo
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec
from neurosurgeon_ros.codecs.zstd import Zstd

# If the size depends on the content, `expected` is the mean over the shipped video.
_REGISTERED: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Fp32(),
        Zstd(Fp32(), planes=4, expected=1.8),
        Fp16(),
        Zstd(Fp16(), planes=2, expected=0.9),
        Affine(8),
        Affine(8, per_channel=True),
        Zstd(Affine(8), expected=0.33),
        Zstd(Affine(8, per_channel=True), expected=0.46),
        # One byte per value with zstd is smaller and faster than packing 7, 6 or 5 bits.
        Zstd(Affine(7), expected=0.27),
        Zstd(Affine(7, per_channel=True), expected=0.39),
        Zstd(Affine(6), expected=0.21),
        Zstd(Affine(6, per_channel=True), expected=0.32),
        Zstd(Affine(5), expected=0.17),
        Zstd(Affine(5, per_channel=True), expected=0.25),
        Affine(4),
        Affine(4, per_channel=True),
        Zstd(Affine(4), expected=0.09),
        Zstd(Affine(4, per_channel=True), expected=0.18),
        Zstd(Affine(8, calibrated=True), expected=0.36),
        Zstd(Affine(8, per_channel=True, calibrated=True), expected=0.48),
        Zstd(Affine(6, calibrated=True), expected=0.25),
        Zstd(Affine(6, per_channel=True, calibrated=True), expected=0.36),
        Zstd(Affine(5, calibrated=True), expected=0.21),
        Zstd(Affine(5, per_channel=True, calibrated=True), expected=0.3),
        Zstd(Affine(4, calibrated=True), expected=0.17),
        Zstd(Affine(4, per_channel=True, calibrated=True), expected=0.23),
        Raw(),
        Uint8(),
        Zstd(Uint8(), expected=0.29),
        Jpeg(75, "420", expected=0.07),
        Jpeg(90, "420", expected=0.11),
        Jpeg(95, "420", expected=0.15),
        Jpeg(98, "420", expected=0.21),
        Jpeg(75, "444", expected=0.09),
        Jpeg(90, "444", expected=0.13),
        Jpeg(95, "444", expected=0.18),
        Jpeg(98, "444", expected=0.25),
        WebP(90, expected=0.06),
        WebP(95, expected=0.09),
        WebP(None, expected=0.34),
        CameraJpeg(75, "420", expected=0.11),
        CameraJpeg(80, "420", expected=0.12),
        CameraJpeg(85, "420", expected=0.15),
        CameraJpeg(90, "420", expected=0.19),
        CameraJpeg(95, "420", expected=0.27),
        CameraJpeg(80, "444", expected=0.15),
        CameraJpeg(83, "444", expected=0.16),
        CameraJpeg(88, "444", expected=0.2),
        AS_RECEIVED,
    )
}

#: Registered names of codecs without memory.
CODECS: tuple[str, ...] = tuple(_REGISTERED)

_STREAMS: dict[str, StreamCodec] = {
    codec.name: codec for codec in (*delta_codecs.DELTA_CODECS, *video_table.VIDEO_CODECS, *video_table.RECEIVED_CODECS)
}

#: Registered names of codecs with memory.
STREAM_CODECS: tuple[str, ...] = tuple(_STREAMS)

#: Names of the codecs that forward what a camera sent, without encoding: its JPEG, or the packets of its video.
AS_RECEIVED_IMAGE, AS_RECEIVED_VIDEO = AS_RECEIVED.name, AsReceivedVideo.name
AS_RECEIVED_CODECS = (AS_RECEIVED_IMAGE, AS_RECEIVED_VIDEO)


def get_codec(name: str) -> Codec:
    """
    Return the codec with this name.

    :raises ValueError: there is no such codec.
    """
    codec = _REGISTERED.get(name)
    if codec is None:
        raise ValueError(f"Codec {name!r} is not known; choose one of {', '.join((*CODECS, *STREAM_CODECS))}.")
    return codec


def is_stream_codec(name: str) -> bool:
    """Return whether a codec with memory has this name."""
    return name in _STREAMS


def get_stream_codec(name: str) -> StreamCodec:
    """
    Return the codec with memory that has this name.

    :raises ValueError: there is no such codec.
    """
    codec = _STREAMS.get(name)
    if codec is None:
        raise ValueError(f"Codec with memory {name!r} is not known; choose one of {', '.join(_STREAMS) or 'none'}.")
    return codec


def absent_codecs() -> list[str]:
    """Return why codecs with memory are absent, one sentence for each library that is not installed."""
    return [reason for reason in (delta_codecs.why_absent(), video_table.why_absent()) if reason is not None]


def find_codec(name: str) -> Codec | StreamCodec:
    """
    Return the codec with this name, with or without memory.

    :raises ValueError: there is no such codec.
    """
    return _STREAMS[name] if name in _STREAMS else get_codec(name)


def decode(encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
    """
    Decode a tensor with the codec that it names, like :meth:`Codec.decode`.

    :raises CodecError: the codec is unknown or does not support this tensor, or the encoded tensor does not fit `spec`.
    """
    codec = _REGISTERED.get(encoded.codec)
    if codec is None or not codec.accepts(spec):
        choices = ", ".join(codec.name for codec in _REGISTERED.values() if codec.accepts(spec))
        raise CodecError(
            f"Encoded tensor {encoded.name!r} names codec {encoded.codec!r}, which tensor {spec.name!r} of "
            f"type {spec.dtype} cannot have; choose one of {choices}."
        )
    return codec.decode(encoded, spec)


__all__ = [
    "AS_RECEIVED_CODECS",
    "AS_RECEIVED_IMAGE",
    "AS_RECEIVED_VIDEO",
    "CODECS",
    "STREAM_CODECS",
    "CameraImage",
    "CameraPicture",
    "Codec",
    "CodecError",
    "EncodedTensor",
    "Limits",
    "StreamCodec",
    "StreamDecoder",
    "StreamEncoder",
    "TensorSpec",
    "absent_codecs",
    "decode",
    "find_codec",
    "get_codec",
    "get_stream_codec",
    "is_stream_codec",
]
