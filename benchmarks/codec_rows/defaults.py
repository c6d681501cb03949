# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is measured by default, and the families that the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurosurgeon_ros.codecs import CODECS, STREAM_CODECS

#: Rates of each shipped video, in Hz, the highest first.
RATES: dict[str, tuple[float, ...]] = {"fixed": (10.0, 2.5), "street": (25.0, 8.3, 4.2)}

#: Families: how the page and the picture name them.
INPUT, CAMERA = "input, each alone", "camera's image, each alone"
MAPS, CHANGES = "feature maps, each alone", "changes of feature maps"
INPUT_VIDEO, CAMERA_VIDEO = "input as a video", "camera's image as a video"
FAMILIES = (INPUT, CAMERA, MAPS, CHANGES, INPUT_VIDEO, CAMERA_VIDEO)

_INPUT = ("jpeg75-420", "jpeg95-420", "jpeg98-444", "webp90", "webp95")
_CAMERA = ("camera-jpeg75-420", "camera-jpeg95-420", "camera-jpeg80-444", "camera-jpeg88-444")
_MAPS = {
    "pool3": ("int5c-zstd",),
    "pool4": ("int4-zstd", "int5-zstd", "int6-zstd", "int4c-zstd", "int5c-zstd", "int6c-zstd"),
}
_CHANGES = {
    "pool3": ("int5-delta-d0.75",),
    "pool4": (
        *("int4-delta-d0.75", "int4-delta-d0.5", "int5-delta-d0.75", "int5-delta-d0.5"),
        *("int6-delta-d1", "int6-delta-d0.75", "int6-delta-d0.5"),
    ),
}
_INPUT_VIDEO = (
    *("h264-veryfast-crf8", "h264-veryfast-crf12", "h264-veryfast-crf15", "h264-veryfast-crf18"),
    *("h264-veryfast-crf21", "h264-ultrafast-crf20"),
)
_CAMERA_VIDEO = (
    *("camera-h264-veryfast-crf12", "camera-h264-veryfast-crf16", "camera-h264-veryfast-crf20"),
    *("camera-h264-veryfast-crf24", "camera-hevc-ultrafast-crf20", "camera-av1-preset10-crf23"),
)

_REGISTERED = frozenset((*CODECS, *STREAM_CODECS))

#: Arms in groups of similar work; each group is measured at once. What is not installed is left out.
GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(f"{point}/{codec}" for point, codecs in group.items() for codec in codecs if codec in _REGISTERED)
    for group in (_CHANGES, {"input": _CAMERA_VIDEO}, {"input": _INPUT_VIDEO}, {"input": _INPUT + _CAMERA}, _MAPS)
)


def has_memory(arm: str) -> bool:
    """Return whether the codec of an arm has memory."""
    return arm.partition("/")[2] in STREAM_CODECS


def family(row: Mapping[str, Any]) -> str:
    """Return the family of a measured row. Only a codec with memory sends keys."""
    memory = row["key_bytes"] > 0
    if row["codec"].startswith("camera-"):
        return CAMERA_VIDEO if memory else CAMERA
    if row["point"] == "input":
        return INPUT_VIDEO if memory else INPUT
    return CHANGES if memory else MAPS


def split(arms: Sequence[str]) -> list[tuple[str, ...]]:
    """Return arms in groups that are measured at once: those with memory, and the others."""
    groups = (tuple(arm for arm in arms if has_memory(arm) is memory) for memory in (True, False))
    return [group for group in groups if group]
