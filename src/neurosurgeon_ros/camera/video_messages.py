# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the messages that carry a camera's video, one packet each: FFMPEGPacket and CompressedVideo."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header

from neurosurgeon_ros.camera.transports import FFMPEG, FOXGLOVE
from neurosurgeon_ros.codecs.streams.video.received.decoder import FORMATS, MOST_PACKET_BYTES
from neurosurgeon_ros.robot.arrival import ImageRejected

if TYPE_CHECKING:
    from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
    from foxglove_msgs.msg import CompressedVideo

# Names of the formats. Earlier releases of ffmpeg_image_transport put FFmpeg's name of the encoder there.
_NAMES = {
    "h265": "hevc",
    "libx264": "h264",
    "libopenh264": "h264",
    "libx265": "hevc",
    "libsvtav1": "av1",
    "libaom-av1": "av1",
    "librav1e": "av1",
}
_HARDWARE = re.compile(r"(h264|hevc|av1)_[a-z0-9]+")


@dataclass(frozen=True, slots=True, eq=False)
class VideoPacket:
    """
    One packet of a camera's video.

    :param header: the camera's header.
    :param format: one of :data:`~neurosurgeon_ros.codecs.streams.video.received.decoder.FORMATS`.
    :param data: what the camera's encoder wrote.
    :param pts: the encoder's time stamp, in a unit of its own; None if the message has none.
    :param size: width and height that the message states, in pixels; None if it states none.
    """

    header: Header
    format: str
    data: memoryview
    pts: int | None = None
    size: tuple[int, int] | None = None


def read_ffmpeg(message: FFMPEGPacket) -> VideoPacket:
    """
    Read a packet of ffmpeg_image_transport. Its `encoding` begins with the format, or with the encoder's name.

    :raises ImageRejected: the format is not supported, or the packet is empty or too large.
    """
    name = _format(message.encoding.partition(";")[0], "encoding", message.encoding)
    size = (message.width, message.height)
    data = _checked(memoryview(message.data))
    return VideoPacket(message.header, name, data, message.pts, None if size == (0, 0) else size)


def read_foxglove(message: CompressedVideo) -> VideoPacket:
    """
    Read a packet of a foxglove transport, whose header's fields become those of a header.

    :raises ImageRejected: the format is not supported, or the packet is empty or too large.
    """
    name = _format(message.format, "format", message.format)
    header = Header(stamp=message.timestamp, frame_id=message.frame_id)
    return VideoPacket(header, name, _checked(memoryview(message.data)))


#: Reads a message of each transport of videos.
READERS: Mapping[str, Callable[[Any], VideoPacket]] = MappingProxyType({FFMPEG: read_ffmpeg, FOXGLOVE: read_foxglove})


def _format(text: str, field: str, given: str) -> str:
    """Return the format with this name; raises ImageRejected."""
    plain = text.strip().lower()
    found = _NAMES.get(plain, plain)
    hardware = _HARDWARE.fullmatch(found)
    found = hardware.group(1) if hardware else found
    if found not in FORMATS:
        raise ImageRejected(f"the video's {field} is {given!r}: publish h264, h265 or av1")
    return found


def _checked(data: memoryview) -> memoryview:
    if not data.nbytes:
        raise ImageRejected("the video packet is empty")
    if data.nbytes > MOST_PACKET_BYTES:
        raise ImageRejected(f"the video packet has {data.nbytes} bytes, at most {MOST_PACKET_BYTES} are accepted")
    return data.cast("B")
