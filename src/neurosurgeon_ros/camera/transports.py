# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The transports of a camera's images, named as in image_transport: topics, message types, and what they need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from rclpy.node import Node

from neurosurgeon_ros.ros.process.installed import apt_package

#: The transports of single images.
RAW, COMPRESSED = "raw", "compressed"
IMAGE_TRANSPORTS = (RAW, COMPRESSED)

#: The transports of videos, whose packets build on each other.
FFMPEG, FOXGLOVE = "ffmpeg", "foxglove"
VIDEO_TRANSPORTS = (FFMPEG, FOXGLOVE)

TRANSPORTS = (*IMAGE_TRANSPORTS, *VIDEO_TRANSPORTS)

#: Topic of the images before remapping.
IMAGE_TOPIC = "image_raw"

#: Name of each transport's message type, as the graph shows it.
TYPE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        RAW: "sensor_msgs/msg/Image",
        COMPRESSED: "sensor_msgs/msg/CompressedImage",
        FFMPEG: "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        FOXGLOVE: "foxglove_msgs/msg/CompressedVideo",
    }
)


def transport_topic(node: Node, transport: str) -> str:
    """
    Return the fully qualified topic of a transport.

    One remapping of `image_raw` moves all of them. A remapping of a transport's own topic moves it alone, as in
    image_transport.
    """
    base: str = node.resolve_topic_name(IMAGE_TOPIC)
    if transport == RAW:
        return base
    topic: str = node.resolve_topic_name(f"{base}/{transport}")
    return topic


def message_type(transport: str) -> type[Any]:
    """
    Return the type of a transport's messages.

    :raises ValueError: what the transport needs is not installed.
    """
    lacking = why_unusable(transport)
    if lacking:
        raise ValueError(lacking)
    package, folder, name = TYPE_NAMES[transport].split("/")
    found: type[Any] = getattr(importlib.import_module(f"{package}.{folder}"), name)
    return found


def why_unusable(transport: str) -> str:
    """Return what has to be installed for a transport, in one sentence; empty if everything is there."""
    if transport not in VIDEO_TRANSPORTS:
        return ""
    if not _is_there("av"):
        return f"image_transport {transport} needs PyAV, which is not installed: install it with `pip install av`"
    package = TYPE_NAMES[transport].partition("/")[0]
    if not _is_there(package):
        apt = apt_package(package)
        return f"image_transport {transport} needs {package}, which is not installed: apt install {apt}"
    return ""


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # Python raises this for a module that was blocked
        return False
