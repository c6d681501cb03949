# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the clock: ROS time under use_sim_time jumps or stops, and a preloaded library shifts the wall clock."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.ros.process.dds import make_profile, profile_variable, shipped_profile

GROUP = "clock"
DAY_S = 86_400.0
DURATIONS = "only durations of the monotonic clock count: nothing is lost or late, and the edge is used on"
#: Source of the library that shifts the wall clock of a process that preloads it.
SHIFT = Path(__file__).with_name("wall_clock.c")


class SimulatedClock:
    """Publishes /clock at 50 Hz until :meth:`close`; an `offset_s` of None stops it."""

    def __init__(self, stage: Stage) -> None:
        self.offset_s: float | None = 0.0
        self._publisher = stage.node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and join it."""
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


def _wall(offset_s: float) -> Inject:
    def inject(stage: Stage) -> int:
        set_wall_clock(stage.logs, offset_s)
        pass_time(5.0)
        set_wall_clock(stage.logs, 0.0)
        return 1

    return inject


def wall_clock_environment(logs: Path) -> dict[str, str] | None:
    """Return the variables that give a stage's nodes their own wall clock; None if there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    logs.mkdir(parents=True, exist_ok=True)
    library = logs / "wall_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SHIFT, "-ldl"], check=True)
    _wall_clock(logs).write_bytes(bytes(8))
    return {
        **_without_shared_memory(logs),
        "LD_PRELOAD": str(library.resolve()),
        "WALL_CLOCK_FILE": str(_wall_clock(logs).resolve()),
    }


def _wall_clock(logs: Path) -> Path:
    return logs / "wall_clock"


def set_wall_clock(logs: Path, offset_s: float) -> None:
    """Write the offset in one piece into the file that the nodes have mapped."""
    with _wall_clock(logs).open("r+b", buffering=0) as stream:
        stream.write(int(offset_s).to_bytes(8, sys.byteorder, signed=True))


def _without_shared_memory(folder: Path) -> dict[str, str]:
    """
    Write the shipped profile without its shared-memory transport; return the variable that names it.

    Processes whose wall clocks differ must behave as if they were on different machines. On one machine all processes
    share one clock, and Fast DDS relies on it: in shared memory it waits until a wall-clock time, and it stores there
    when it last checked each process.
    """
    shipped = shipped_profile()
    assert shipped is not None, "this package is installed"
    written = folder / shipped.name
    written.write_text(make_profile(shipped, 0), encoding="utf-8")
    return {profile_variable(): str(written.resolve())}


FAULTS = (
    Fault("ROS time a day forward", GROUP, DURATIONS, _simulated(DAY_S, ends=True), stage="sim_time"),
    Fault("ROS time a day back", GROUP, DURATIONS, _simulated(-DAY_S, ends=True), stage="sim_time"),
    Fault("ROS time stands still", GROUP, DURATIONS, _simulated(None, ends=False), stage="sim_time"),
    Fault("ROS time stays a day back", GROUP, DURATIONS, _simulated(-DAY_S, ends=False), stage="sim_time"),
    Fault("wall clock a day forward and back", GROUP, DURATIONS, _wall(DAY_S), stage="wall_clock"),
    Fault("wall clock a day back and forward", GROUP, DURATIONS, _wall(-DAY_S), stage="wall_clock"),
)
