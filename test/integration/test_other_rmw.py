# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot and edge with the branches that they take for another RMW implementation than Fast DDS."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import other_rmw
import pytest
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.robot.decision import Outcome

FIXED = ("--ros-args", "-p", "threads:=1")


def start(processes: Processes, node: str, name: str, *words: str) -> Process:
    return processes.start(sys.executable, Path(other_rmw.__file__), node, name, *FIXED, *words)


def segment_sizes(process: Process) -> list[int]:
    """Return the sizes of the segments in shared memory that a process has mapped, in bytes."""
    maps = Path(f"/proc/{process.popen.pid}/maps").read_text()
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .* /dev/shm/fast\w+_[0-9a-f]{16}$", maps, re.MULTILINE)
    return [int(end, 16) - int(begin, 16) for begin, end in found]


@pytest.mark.parametrize("name", ["rmw_zenoh_cpp", pytest.param("rmw_cyclonedds_cpp", marks=pytest.mark.full)])
def test_robot_and_edge_meet_work_and_miss_each_other_by_the_graph_alone(processes: Processes, name: str) -> None:
    with watching() as watcher:
        robot = start(processes, "robot_node", name, "-p", "policy:=edge_only", "-p", "deadline_ms:=5000.0")
        edge = start(processes, "edge_node", name)
        watcher.robot_is_there()
        watcher.edge_serves()
        watcher.step_until(Outcome.EDGE)
        edge.send(signal.SIGKILL)
        watcher.step_until(Outcome.ON_DEVICE)
        robot.wait_for_output("works without the edge")
        watcher.assert_every_frame_was_answered_once_in_order()
        for node in (robot, edge):
            assert node.output.count(f"{name} runs with its own settings") == 1
        assert max(segment_sizes(robot)) < 1 << 20, "the profile's segment has 32 MB"
