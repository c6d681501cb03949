# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Too little of the computer for the robot, and too many robots for the edge."""

from __future__ import annotations

import multiprocessing
import time

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from benchmarks.faults.counter import RELIABLE
from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.relay import Fate
from benchmarks.faults.stage import Stage

GROUP = "load"
BOUND = "frames are late by no more than the bound, or dropped before they are accepted"


def _spin(until_s: float) -> None:
    while time.monotonic() < until_s:
        pass


def _fill(until_s: float, size: int) -> None:
    while time.monotonic() < until_s:
        bytearray(size)[::4096] = b"x" * len(range(0, size, 4096))


def _hogs(number: int, *, size: int = 0, seconds: float = 4.0) -> Inject:
    def inject(stage: Stage) -> int:
        until_s = time.monotonic() + seconds
        context = multiprocessing.get_context("spawn")
        hogs = [
            context.Process(target=_fill, args=(until_s, size))
            if size
            else context.Process(target=_spin, args=(until_s,))
            for _ in range(number)
        ]
        for hog in hogs:
            hog.start()
        for hog in hogs:
            hog.join()
        return number

    return inject


def _ten_robots(stage: Stage) -> int:
    injected = 0

    def plan(kind: str, message: bytes) -> Fate:
        nonlocal injected
        if kind != "partial_inference":
            return [(0.0, message)]
        injected += 9
        return [(0.01 * copy, message) for copy in range(10)]

    stage.relay.plan = plan
    pass_time(4.0)
    stage.relay.plan = None
    return injected


def _subscribers(stage: Stage) -> int:
    heard = [
        stage.node.create_subscription(Detection2DArray, "detections", lambda _: None, RELIABLE) for _ in range(15)
    ]
    heard += [stage.node.create_subscription(Image, "detections/image", lambda _: None, RELIABLE) for _ in range(5)]
    pass_time(4.0)
    for one in heard:
        stage.node.destroy_subscription(one)
    return len(heard)


FAULTS = (
    Fault("one core taken", GROUP, BOUND, _hogs(1)),
    Fault("every core taken", GROUP, BOUND, _hogs(multiprocessing.cpu_count())),
    Fault("memory written all the time", GROUP, BOUND, _hogs(1, size=1 << 28)),
    Fault("ten robots' requests at one edge", GROUP, "requests that cannot be met are refused", _ten_robots),
    Fault("twenty more subscribers", GROUP, BOUND, _subscribers),
)
