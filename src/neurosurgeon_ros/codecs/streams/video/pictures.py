# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Turn pictures into packets and back with FFmpeg: one in, one out, on one thread.

This is the only module that needs PyAV. It is imported when a stream is made, because that takes 0.2 s.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange

from neurosurgeon_ros.codecs.codec import CodecError
from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo, PictureSize
from neurosurgeon_ros.codecs.streams.video.colour import Colours, Planes
from neurosurgeon_ros.codecs.streams.video.syntax import Syntax

#: Frames per second that an encoder is told. It only affects how an encoder spreads bits over time.
RATE_HZ = 25

# SVT-AV1 writes a page about its settings to the standard error, and has no other switch.
os.environ.setdefault("SVT_LOG", "0")

# H.273: matrices, as FFmpeg numbers them. A camera that names none means BT.601, as FFmpeg's own converter does.
_BT601 = 6
_CAMERA_601, _CAMERA_709 = (2, 5, 6), 1
_FORMATS = ("yuv420p", "yuvj420p")


class PictureEncoder:
    """
    One of FFmpeg's encoders, for pictures of one size.

    :ivar size: size of the pictures.
    :ivar planes: the picture to encode, in the encoder's own memory; write it before each :meth:`encode`.
    :param name: FFmpeg's name of the encoder, one of ``syntax.encoders``.
    :param preset: preset of x264, or of the encoder itself.
    :param crf: quality; a lower one is better.
    :raises CodecError: the encoder is not in this build of FFmpeg, or does not work on this machine.
    """

    def __init__(self, syntax: Syntax, name: str, preset: str, crf: int, size: PictureSize) -> None:
        self.size = size
        self._syntax, self._name = syntax, name
        self._context = _open_encoder(syntax, name, preset, crf, size)
        self._frame = VideoFrame(size.width, size.height, "yuv420p")
        self._frame.color_range = ColorRange.JPEG
        self._frame.colorspace = _BT601
        self._frame.time_base = Fraction(1, RATE_HZ)
        self.planes = _planes(self._frame)
        self._encoded = 0

    def encode(self, *, key: bool) -> memoryview:
        """
        Encode :attr:`planes`.

        :returns: the packet; it is valid as long as it is referred to.
        :raises CodecError: the encoder failed, or did not return exactly one picture.
        """
        self._frame.pts = self._encoded
        self._encoded += 1
        self._frame.pict_type = PictureType.I if key else PictureType.NONE
        try:
            packets = self._context.encode(self._frame)
        except av.FFmpegError as problem:
            raise CodecError(f"Video encoder {self._name} failed ({problem}); choose another one.") from None
        if len(packets) != 1:
            raise CodecError(
                f"Video encoder {self._name} returned {len(packets)} packets for one picture; choose another one."
            )
        try:
            packet = self._syntax.sent(memoryview(packets[0]))
            size = self._syntax.check(packet, key=key)
        except DamagedVideo as problem:
            raise CodecError(f"Video encoder {self._name} wrote a packet that {problem}; choose another one.") from None
        if size not in (None, self.size):
            raise CodecError(f"Video encoder {self._name} turned {self.size} into {size}; choose another one.")
        return packet


class PictureDecoder:
    """
    FFmpeg's decoder, for pictures of one size.

    :ivar size: size of the pictures.
    :param of_camera: whether the packets are a camera's own.
    :raises CodecError: the decoder is not in this build of FFmpeg.
    """

    def __init__(self, syntax: Syntax, size: PictureSize, *, of_camera: bool = False) -> None:
        self.size = size
        self._syntax, self._of_camera = syntax, of_camera
        if syntax.decoder not in av.codecs_available:
            raise CodecError(
                f"Video decoder {syntax.decoder} is not in this build of FFmpeg; install PyAV's wheel from PyPI."
            )
        context = cast(VideoCodecContext, VideoCodecContext.create(syntax.decoder, "r"))
        context.thread_count = 1
        context.flags |= int(Flags.low_delay)
        # The decoder's own limit is on the padded picture; the exact size is checked before and after.
        most = (size.width + 128) * (size.height + 128)
        options = syntax.camera_options if of_camera else syntax.decoder_options
        context.options = {**options, "max_pixels": str(most)}
        context.open()
        self._context = context

    def decode(self, packet: memoryview) -> Planes:
        """
        Decode a packet that has been checked.

        :returns: the picture, in the decoder's own memory; do not write to it. It stays valid while referred to.
        :raises DamagedVideo: FFmpeg cannot decode it, or it does not give exactly one picture.
        """
        frame = self._decode(packet)
        if frame.color_range != ColorRange.JPEG or frame.colorspace != _BT601:
            raise DamagedVideo("gives a picture in other colours than BT.601 with full range")
        return _planes(frame)

    def decode_camera(self, packet: memoryview) -> tuple[Planes, Colours]:
        """
        Decode a camera's packet that has been checked, as :meth:`decode` does.

        :returns: the picture, and how its values are meant.
        """
        frame = self._decode(packet)
        if frame.colorspace not in (*_CAMERA_601, _CAMERA_709):
            raise DamagedVideo(f"gives a picture with colour matrix {int(frame.colorspace)}: publish BT.601 or BT.709")
        is_full = frame.color_range == ColorRange.JPEG or frame.format.name == "yuvj420p"
        return _planes(frame), Colours(is_full=is_full, is_709=frame.colorspace == _CAMERA_709)

    def _decode(self, packet: memoryview) -> VideoFrame:
        # FFmpeg reads beyond the end of a packet, so it must be in memory with a margin.
        padded = av.Packet(packet.nbytes)
        memoryview(padded)[:] = packet
        try:
            frames = self._context.decode(padded)
        except (av.FFmpegError, ValueError, MemoryError) as problem:
            raise DamagedVideo(f"cannot be decoded as {self._syntax.title} ({type(problem).__name__})") from None
        if len(frames) != 1:
            late = ", as with B frames: let the camera's encoder write none" if self._of_camera else ""
            raise DamagedVideo(f"gives {len(frames)} pictures where one is expected{late}")
        (frame,) = frames
        size = PictureSize(frame.width, frame.height)
        if frame.format.name not in _FORMATS or size != self.size or frame.is_corrupt:
            raise DamagedVideo(f"gives a damaged picture or {size}")
        return frame


def _open_encoder(syntax: Syntax, name: str, preset: str, crf: int, size: PictureSize) -> VideoCodecContext:
    encoder = syntax.encoders.get(name)
    if encoder is None or name not in av.codecs_available:
        present = [other for other in syntax.encoders if other in av.codecs_available]
        raise CodecError(
            f"Video encoder {name!r} of {syntax.title} is not in this build of FFmpeg; "
            f"{'choose one of ' + ', '.join(present) if present else 'it has none: use another codec'}."
        )
    try:
        device = HWAccel(encoder.device) if encoder.device else None
        context = cast(VideoCodecContext, VideoCodecContext.create(name, "w", device))
        context.width, context.height, context.pix_fmt = size.width, size.height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, RATE_HZ), Fraction(RATE_HZ)
        context.color_range, context.colorspace = ColorRange.JPEG, _BT601
        context.thread_count, context.max_b_frames = 1, 0
        # The largest distance between keys that FFmpeg can hold, for encoders without an option of their own for it.
        context.gop_size = 2**31 - 1
        if encoder.quantiser:
            context.qmin = context.qmax = crf
        context.options = dict(encoder.options(preset, crf))
        context.open()
    except (av.FFmpegError, NotImplementedError, RuntimeError, ValueError) as problem:
        raise CodecError(
            f"Video encoder {name} does not work on this machine ({problem}); choose another one."
        ) from None
    return context


def _planes(frame: VideoFrame) -> Planes:
    views = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return Planes(*views)
