# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Packets as a camera's encoder writes them, from the shipped videos, and the messages that carry them."""

from __future__ import annotations

import array
import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from neurosurgeon_ros.models.files import find

#: Encoders that write a picture for each image, as ffmpeg_image_transport sets them up.
ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:rtc=1:lookahead=0:scd=0"}),
}

#: Files of the shipped videos.
STREET, FIXED = "bikes.mp4", "vtest.avi"


@functools.cache
def shipped_frames(file: str, count: int, begin: int = 0) -> tuple[NDArray[np.uint8], ...]:
    """Return successive frames of a shipped video as BGR. Callers must not write to them."""
    capture = cv2.VideoCapture(str(find(file)))
    try:
        for _ in range(begin):
            capture.grab()
        frames = [np.asarray(capture.read()[1], dtype=np.uint8) for _ in range(count)]
    finally:
        capture.release()
    for frame in frames:
        frame.flags.writeable = False
    return tuple(frames)


def encoded(
    frames: Sequence[NDArray[np.uint8]], name: str = "h264", *, gop: int = 6, pix_fmt: str = "yuv420p", **settings: Any
) -> list[bytes]:
    """
    Return a packet for each frame.

    :param gop: number of frames from one key frame to the next.
    :param settings: FFmpeg's options of the encoder; `b_frames`, `colorspace` and `color_range` are the context's.
    """
    import av

    encoder, options = ENCODERS[name]
    context: Any = av.CodecContext.create(encoder, "w")
    context.height, context.width = frames[0].shape[:2]
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, Fraction(1, 25), Fraction(25)
    context.gop_size, context.max_b_frames, context.thread_count = gop, settings.pop("b_frames", 0), 1
    for field in ("colorspace", "color_range"):
        if field in settings:
            setattr(context, field, settings.pop(field))
    context.options = {**options, **settings}
    packets = [packet for frame in frames for packet in context.encode(av.VideoFrame.from_ndarray(frame, "bgr24"))]
    return [bytes(packet) for packet in (*packets, *context.encode(None))]


def ffmpeg_message(
    data: bytes, header: Header, pts: int, encoding: str = "h264", size: tuple[int, int] = (0, 0)
) -> Any:
    """Return a message as ffmpeg_image_transport publishes it."""
    from ffmpeg_image_transport_msgs.msg import FFMPEGPacket

    return FFMPEGPacket(
        header=header, width=size[0], height=size[1], encoding=encoding, pts=pts, data=array.array("B", data)
    )


def foxglove_message(data: bytes, header: Header, video_format: str = "h264") -> Any:
    """Return a message as foxglove_compressed_video_transport publishes it."""
    from foxglove_msgs.msg import CompressedVideo

    return CompressedVideo(
        timestamp=header.stamp, frame_id=header.frame_id, data=array.array("B", data), format=video_format
    )
