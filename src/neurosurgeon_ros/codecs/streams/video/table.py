# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The video codecs, and the reason why they are absent where PyAV is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from neurosurgeon_ros.codecs.streams.video.camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video.image import ImageVideo
from neurosurgeon_ros.codecs.streams.video.packets import Video
from neurosurgeon_ros.codecs.streams.video.received.codec import AsReceivedVideo
from neurosurgeon_ros.codecs.streams.video.syntax import AV1, H264, HEVC


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


#: All video codecs; empty if PyAV is not installed. The expected bytes per pixel of a frame and of a key are those of
#: the shipped street video at 8.3 Hz; for the network's input, per pixel of all of it.
VIDEO_CODECS: tuple[Video, ...] = (
    ()
    if why_absent()
    else (
        _image("veryfast", 8, 0.065, 0.21),
        _image("veryfast", 12, 0.041, 0.16),
        _image("veryfast", 15, 0.029, 0.13),
        _image("veryfast", 18, 0.020, 0.10),
        _image("veryfast", 21, 0.014, 0.080),
        _image("veryfast", 24, 0.0095, 0.062),
        _image("ultrafast", 8, 0.11, 0.28),
        _image("ultrafast", 12, 0.075, 0.20),
        _image("ultrafast", 16, 0.051, 0.16),
        _image("ultrafast", 20, 0.034, 0.12),
        _image("ultrafast", 24, 0.022, 0.089),
        _camera("veryfast", 12, 0.071, 0.18),
        _camera("veryfast", 16, 0.043, 0.13),
        _camera("veryfast", 20, 0.027, 0.090),
        _camera("veryfast", 24, 0.017, 0.060),
        _camera("veryfast", 28, 0.011, 0.040),
        _camera("ultrafast", 16, 0.084, 0.13),
        _camera("ultrafast", 20, 0.055, 0.085),
        _camera("ultrafast", 24, 0.035, 0.061),
        CameraVideo("camera-hevc-ultrafast-crf20", HEVC, "ultrafast", 20, expected=(0.029, 0.066)),
        CameraVideo("camera-hevc-ultrafast-crf26", HEVC, "ultrafast", 26, expected=(0.014, 0.034)),
        CameraVideo("camera-av1-preset10-crf23", AV1, "10", 23, expected=(0.046, 0.071)),
        CameraVideo("camera-av1-preset10-crf35", AV1, "10", 35, expected=(0.022, 0.033)),
    )
)

#: The codec that forwards a camera's video; empty if PyAV is not installed.
RECEIVED_CODECS: tuple[AsReceivedVideo, ...] = () if why_absent() else (AsReceivedVideo(),)
