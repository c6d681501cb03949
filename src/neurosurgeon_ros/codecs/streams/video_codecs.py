# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The video codecs, and the reason why they are absent where PyAV is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from neurosurgeon_ros.codecs.streams.video import ImageVideo
from neurosurgeon_ros.codecs.streams.video_camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video_stream import Video
from neurosurgeon_ros.codecs.streams.video_syntax import AV1, H264, HEVC


def why_absent() -> str | None:
    """
    Return why there are no video codecs, for one line in a log; None if they are there.

    It only looks for PyAV, because importing it takes 0.2 s. What its FFmpeg lacks shows when a stream is made.
    """
    if find_spec("av") is not None:
        return None
    return "there are no video codecs, because PyAV is not installed: install it with `pip install av`"


def _image(preset: str, crf: int, *expected: float) -> ImageVideo:
    return ImageVideo(f"h264-{preset}-crf{crf}", H264, preset, crf, expected=(expected[0], expected[1]))


def _camera(preset: str, crf: int, *expected: float) -> CameraVideo:
    return CameraVideo(f"camera-h264-{preset}-crf{crf}", H264, preset, crf, expected=(expected[0], expected[1]))


#: All video codecs; empty if PyAV is not installed. The expected bytes per pixel are those of the shipped street video
#: at 8.3 Hz.
VIDEO_CODECS: tuple[Video, ...] = (
    ()
    if why_absent()
    else (
        _image("veryfast", 12, 0.04, 0.14),
        _image("veryfast", 16, 0.03, 0.11),
        _image("veryfast", 20, 0.02, 0.08),
        _image("veryfast", 22, 0.015, 0.06),
        _image("veryfast", 24, 0.01, 0.05),
        _image("ultrafast", 12, 0.06, 0.2),
        _image("ultrafast", 16, 0.05, 0.15),
        _image("ultrafast", 20, 0.04, 0.1),
        _camera("veryfast", 12, 0.1, 0.2),
        _camera("veryfast", 16, 0.07, 0.15),
        _camera("veryfast", 20, 0.05, 0.1),
        _camera("veryfast", 24, 0.03, 0.07),
        _camera("ultrafast", 16, 0.1, 0.2),
        _camera("ultrafast", 20, 0.07, 0.15),
        CameraVideo("camera-hevc-ultrafast-crf20", HEVC, "ultrafast", 20, expected=(0.05, 0.1)),
        CameraVideo("camera-hevc-ultrafast-crf26", HEVC, "ultrafast", 26, expected=(0.03, 0.07)),
        CameraVideo("camera-av1-preset10-crf23", AV1, "10", 23, expected=(0.04, 0.1)),
        CameraVideo("camera-av1-preset10-crf35", AV1, "10", 35, expected=(0.02, 0.07)),
    )
)
