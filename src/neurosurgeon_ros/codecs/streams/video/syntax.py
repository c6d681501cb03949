# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The video formats: how to check their packets, and which of FFmpeg's encoders and decoders to use, with settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from neurosurgeon_ros.codecs.streams.video import av1, h264, hevc
from neurosurgeon_ros.codecs.streams.video.bits import CameraPacket, PictureSize

#: A key's quantiser relative to that of the other pictures. A static background is sent once, with the key, so a good
#: key gives a better agreement at fewer bytes.
KEY_RATIO = 2.0

Options = Mapping[str, str]


class Check(Protocol):
    """Check that a packet is one picture."""

    def __call__(self, data: memoryview, *, key: bool) -> PictureSize | None:
        """
        Return the size of a key's picture; None for another packet.

        :raises DamagedVideo: the packet is anything else.
        """


class Reader(Protocol):
    """Reads the headers of a camera's packets, in order."""

    def read(self, data: memoryview) -> CameraPacket:
        """
        Check that a packet is one picture that a decoder can hold.

        :raises DamagedVideo: the packet is anything else.
        """


@dataclass(frozen=True, slots=True)
class Encoder:
    """
    One of FFmpeg's encoders.

    :param options: its options, from a preset of x264 (or of the encoder's own) and a quality (crf).
    :param device: kind of hardware that must be opened first; None: none, or the encoder opens it.
    :param quantiser: whether the quality is set as a fixed quantiser, because the encoder has no option for it.
    """

    options: Callable[[str, int], Options] = field(repr=False)
    device: str | None = None
    quantiser: bool = False


@dataclass(frozen=True, slots=True)
class Syntax:
    """
    A video format.

    :param title: its name for people.
    :param decoder: FFmpeg's decoder.
    :param decoder_options: what makes the decoder refuse damaged packets, and return each picture at once.
    :param encoders: FFmpeg's encoders that can be chosen, the default first.
    :param check: check of a packet.
    :param sent: takes an encoder's packet, and returns the parts that are sent.
    :param reader: makes a reader of a camera's packets.
    :param camera_options: the decoder's options for a camera's packets, whose pictures may have several slices.
    """

    title: str
    decoder: str
    decoder_options: Options = field(repr=False)
    encoders: Mapping[str, Encoder] = field(repr=False)
    check: Check = field(repr=False)
    sent: Callable[[memoryview], memoryview] = field(repr=False)
    reader: Callable[[], Reader] = field(repr=False)
    camera_options: Options = field(repr=False)


def _x264(preset: str, crf: int) -> Options:
    # Without a scene cut, only forced keys are keys.
    return {
        "preset": preset,
        "tune": "zerolatency",
        "crf": str(crf),
        "forced-idr": "1",
        "x264-params": f"keyint=infinite:scenecut=0:repeat-headers=1:ipratio={KEY_RATIO:g}",
    }


def _x265(preset: str, crf: int) -> Options:
    return {
        "preset": preset,
        "tune": "zerolatency",
        "crf": str(crf),
        "forced-idr": "1",
        "x265-params": "keyint=-1:scenecut=0:open-gop=0:repeat-headers=1:info=0:pools=none:frame-threads=1:wpp=0:"
        f"ipratio={KEY_RATIO:g}:log-level=none",
    }


def _svt_av1(preset: str, crf: int) -> Options:
    parameters = "pred-struct=1:rtc=1:lookahead=0:scd=0:keyint=-1:lp=1"
    return {"preset": preset, "crf": str(crf), "svtav1-params": parameters}


def _nvenc(preset: str, crf: int) -> Options:
    quality = "p1" if preset == "ultrafast" else "p4"
    quantisers = {"rc": "constqp", "qp": str(crf)}
    return {"preset": quality, "tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1", **quantisers}


def _vaapi(preset: str, crf: int) -> Options:
    return {"rc_mode": "CQP", "qp": str(crf), "async_depth": "1", "idr_interval": "0"}


def _no_options(preset: str, crf: int) -> Options:
    return {}


# The decoder must not conceal errors: robot and edge would hold different pictures.
_STRICT = MappingProxyType({"err_detect": "explode", "ec": "0"})

# Only with its concealment does FFmpeg's decoder of H.264 know which slices are missing. It marks what it concealed as
# damaged, and without concealment it marks every picture of several slices so.
_STRICT_SLICES = MappingProxyType({"err_detect": "explode", "ec": "deblock"})

_LOW_DELAY = MappingProxyType({"max_frame_delay": "1", "filmgrain": "0"})

H264 = Syntax(
    title="H.264",
    decoder="h264",
    decoder_options=_STRICT,
    encoders=MappingProxyType(
        {
            "libx264": Encoder(_x264),
            "h264_nvenc": Encoder(_nvenc),
            "h264_v4l2m2m": Encoder(_no_options, quantiser=True),
            "h264_vaapi": Encoder(_vaapi, device="vaapi"),
        }
    ),
    check=h264.check,
    sent=h264.sent,
    reader=h264.CameraReader,
    camera_options=_STRICT_SLICES,
)

HEVC = Syntax(
    title="HEVC",
    decoder="hevc",
    decoder_options=_STRICT,
    encoders=MappingProxyType(
        {
            "libx265": Encoder(_x265),
            "hevc_nvenc": Encoder(_nvenc),
            "hevc_v4l2m2m": Encoder(_no_options, quantiser=True),
            "hevc_vaapi": Encoder(_vaapi, device="vaapi"),
        }
    ),
    check=hevc.check,
    sent=hevc.sent,
    reader=hevc.CameraReader,
    camera_options=_STRICT,
)

AV1 = Syntax(
    title="AV1",
    decoder="libdav1d",
    decoder_options=_LOW_DELAY,
    encoders=MappingProxyType({"libsvtav1": Encoder(_svt_av1), "av1_nvenc": Encoder(_nvenc)}),
    check=av1.check,
    sent=av1.sent,
    reader=av1.CameraReader,
    camera_options=_LOW_DELAY,
)
