# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot fits beside a camera's driver and navigation on a computer with 4 GB."""

from __future__ import annotations

from support import Process, Processes
from watcher import watching

#: Maximum memory of a robot with yolov3_tiny that the kernel cannot take back, in MiB: all but pages of files.
MOST_MIB = 350

FRAMES = 20


def unreclaimable_mib(process: Process) -> float:
    """Return a process's anonymous and shared memory, in MiB."""
    return (process.memory_kb("RssAnon") + process.memory_kb("RssShmem")) / 1e3


def test_a_robot_returns_what_its_start_needed(processes: Processes) -> None:
    with watching() as watcher:
        robot = processes.start("robot_node", "--ros-args", "-p", "threads:=1")
        watcher.robot_is_there()
        for _ in range(FRAMES):
            watcher.step()
        # The robot returns memory some seconds after its start, while frames come.
        watcher.until(lambda: watcher.step() and unreclaimable_mib(robot) < MOST_MIB, "less memory")
