# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of load: other processes on the robot's machine, and too many robots for the edge."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from benchmarks.faults.fault import Fault, Load, pass_time
from benchmarks.faults.stage.counter import RELIABLE
from benchmarks.faults.stage.relay import Fate
from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.ros import qos

GROUP = "load"
BOUND = "frames are late by no more than the bound, or dropped before they are accepted"


def _spin() -> None:
    while True:
        pass


def _fill(size: int) -> None:
    while True:
        bytearray(size)[::4096] = b"x" * len(range(0, size, 4096))


def _hogs(number: int, *, size: int = 0) -> Load:
    @contextlib.contextmanager
    def load(stage: Stage) -> Iterator[int]:
        context = multiprocessing.get_context("spawn")
        hogs = [
            context.Process(target=_fill if size else _spin, args=(size,) if size else (), daemon=True)
            for _ in range(number)
        ]
        for hog in hogs:
            hog.start()
        try:
            yield number
        finally:
            for hog in hogs:
                hog.kill()
                hog.join()

    return load


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


@contextlib.contextmanager
def _subscribers(stage: Stage) -> Iterator[int]:
    def ignore(message: object) -> None:
        pass

    heard = [stage.node.create_subscription(Detection2DArray, "detections", ignore, RELIABLE) for _ in range(15)]
    heard += [stage.node.create_subscription(Image, "detections/image", ignore, qos.SENSOR_DATA) for _ in range(5)]
    try:
        yield len(heard)
    finally:
        for one in heard:
            stage.node.destroy_subscription(one)


def _loaded(name: str, load: Load) -> Fault:
    def inject(stage: Stage) -> int:
        with load(stage) as number:
            pass_time(4.0)
        return number

    return Fault(name, GROUP, BOUND, inject, load=load)


FAULTS = (
    _loaded("one core taken", _hogs(1)),
    _loaded("every core taken", _hogs(multiprocessing.cpu_count())),
    _loaded("memory written all the time", _hogs(1, size=1 << 28)),
    Fault("ten robots' requests at one edge", GROUP, "requests that cannot be met are refused", _ten_robots),
    _loaded("twenty more subscribers", _subscribers),
)
