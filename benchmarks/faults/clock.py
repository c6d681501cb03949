# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clocks that jump or stand still: ROS time under use_sim_time, and the wall clock by libfaketime where it is there."""

from __future__ import annotations

import os
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage import Stage
from neurosurgeon_ros.nodes.dds import PROFILES_FILE, apply_profile

GROUP = "clock"
DAY_S = 86_400.0
DURATIONS = "only durations of the monotonic clock count: nothing is lost or late, and the edge is used on"
LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)


class SimulatedClock:
    """Publishes /clock at 50 Hz until :meth:`close`; `offset_s` None stops it."""

    def __init__(self, stage: Stage) -> None:
        self.offset_s: float | None = 0.0
        self._publisher = stage.node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and join the thread."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(0.02):
            if self.offset_s is not None:
                seconds, rest = divmod(10 * DAY_S + time.monotonic() + self.offset_s, 1.0)
                self._publisher.publish(Clock(clock=Time(sec=int(seconds), nanosec=int(rest * 1e9))))


def _simulated(offset_s: float | None, *, ends: bool) -> Inject:
    def inject(stage: Stage) -> int:
        clock = SimulatedClock(stage)
        pass_time(1.0)
        clock.offset_s = offset_s
        pass_time(4.0)
        if ends:
            clock.offset_s = 0.0
        pass_time(1.0)
        clock.close()
        return 1

    return inject


def _wall(offset: str) -> Inject:
    def inject(stage: Stage) -> int:
        _set_fake_clock(stage.logs, offset)
        pass_time(5.0)
        _set_fake_clock(stage.logs, "+0")
        return 1

    return inject


def fake_clock(logs: Path) -> Path:
    """Where libfaketime reads the time of a stage's nodes, once a second."""
    return logs / "faketime"


def _set_fake_clock(logs: Path, offset: str) -> None:
    """Write what is read in one piece."""
    written = logs / "faketime.new"
    written.write_text(f"{offset}\n")
    written.replace(fake_clock(logs))


def fake_environment(logs: Path) -> dict[str, str] | None:
    """Give the variables that let nodes read the wall clock from a file; None where libfaketime is not there."""
    library = next((path for path in LIBRARIES if Path(path).is_file()), None)
    if library is None:
        return None
    logs.mkdir(parents=True, exist_ok=True)
    _set_fake_clock(logs, "+0")
    return {
        PROFILES_FILE: str(_without_shared_memory(logs / "fastdds.xml")),
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(fake_clock(logs)),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _without_shared_memory(path: Path) -> Path:
    """
    Write the shipped profile without its shared-memory transport.

    Processes whose wall clocks differ are on different machines. On one machine no clock is another's: there Fast DDS
    waits in shared memory until a wall-clock time, and notes in it when it last looked after whom.
    """
    apply_profile()
    ET.register_namespace("", "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles")  # it reads no other prefix
    tree = ET.parse(os.environ[PROFILES_FILE])
    for parent in list(tree.iter()):
        for child in list(parent):
            named = child.find("{*}transport_id") if child.tag.endswith("}transport_descriptor") else child
            if named is not None and named.text == "neurosurgeon_shm":
                parent.remove(child)
    tree.write(path)
    return path


FAULTS = (
    Fault("ROS time a day forward", GROUP, DURATIONS, _simulated(DAY_S, ends=True), stage="sim_time"),
    Fault("ROS time a day back", GROUP, DURATIONS, _simulated(-DAY_S, ends=True), stage="sim_time"),
    Fault("ROS time stands still", GROUP, DURATIONS, _simulated(None, ends=False), stage="sim_time"),
    Fault("ROS time stays a day back", GROUP, DURATIONS, _simulated(-DAY_S, ends=False), stage="sim_time"),
    Fault("wall clock a day forward and back", GROUP, DURATIONS, _wall("+1d"), stage="fake_time"),
    Fault("wall clock a day back and forward", GROUP, DURATIONS, _wall("-1d"), stage="fake_time"),
)
