# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the camera."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import Image

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage.camera import Bend
from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.camera.images import from_bgr

GROUP = "camera"


def _stall(stage: Stage) -> int:
    stage.camera.pause()
    pass_time(3.0)
    stage.camera.play()
    pass_time(1.0)
    return 1


def _burst(stage: Stage) -> int:
    before = len(stage.camera.shown)
    period_s, stage.camera.period_s = stage.camera.period_s, 0.005
    pass_time(3.0)
    stage.camera.period_s = period_s
    return len(stage.camera.shown) - before


def _bending(bend: Bend, every: int = 1) -> Inject:
    def inject(stage: Stage) -> int:
        bent = 0

        def apply(message: Image, number: int) -> None:
            nonlocal bent
            if number % every == 0:
                bend(message, number)
                bent += 1

        stage.camera.bend = apply
        pass_time(3.0)
        stage.camera.bend = None
        return bent

    return inject


def _encoding(message: Image, number: int) -> None:
    message.encoding = ("rainbow8", "32FC1", "", "bayer_rggb16")[number % 4]


def _short(message: Image, number: int) -> None:
    message.data = array.array("B", message.data[: len(message.data) // 2])


def _resolution(message: Image, number: int) -> None:
    height, width = ((48, 64), (480, 640), (240, 320), (100, 1000))[number % 4]
    other = from_bgr(np.full((height, width, 3), number % 256, dtype=np.uint8), None)
    message.height, message.width, message.step, message.data = other.height, other.width, other.step, other.data


def _same_stamp(message: Image, number: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = 1000, 0


def _backwards(message: Image, number: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = 10**9 - number, 0


def _no_frame_id(message: Image, number: int) -> None:
    message.header.frame_id = ""


ONCE = "each accepted frame is answered once, with its own header"
FAULTS = (
    Fault("camera stalls for 3 s", GROUP, "the robot goes on with the next image", _stall),
    Fault("burst of 200 images a second", GROUP, "the newest waits, older ones are dropped and counted", _burst),
    Fault("wrong encodings", GROUP, "the image is rejected and counted", _bending(_encoding, 2)),
    Fault("images cut short", GROUP, "the image is rejected and counted", _bending(_short, 2)),
    Fault("resolution changes in mid-stream", GROUP, ONCE, _bending(_resolution)),
    Fault("stamps that repeat", GROUP, ONCE, _bending(_same_stamp)),
    Fault("stamps that go back", GROUP, ONCE, _bending(_backwards)),
    Fault("empty frame id", GROUP, ONCE, _bending(_no_frame_id)),
)
