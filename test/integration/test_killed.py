# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes that are killed repeatedly, with the 64 MB of shared memory that a container has."""

from __future__ import annotations

import os
import signal

import pytest
from shared_memory import OwnSharedMemory, needs_mounts, own_shared_memory, segments_of
from support import Process, Processes, wait_for

pytestmark = needs_mounts


def start_robot(processes: Processes, memory: OwnSharedMemory) -> Process:
    """Start a robot that loads no network, and wait until it has joined the ROS graph."""
    arguments = ("robot_node", "--ros-args", "-p", "autostart:=false")
    robot = processes.start(memory.within[0], *memory.within[1:], *arguments, keep_signals=True)
    wait_for(lambda: robot.popen.poll() is not None or segments_of(robot.popen.pid), 60.0, "shared memory of the robot")
    assert robot.popen.poll() is None, robot.output
    return robot


def assert_shared_memory_after_kills(processes: Processes, kills: int) -> None:
    with own_shared_memory(64) as memory:
        used = []
        for _ in range(kills):
            robot = start_robot(processes, memory)
            robot.send(signal.SIGKILL)
            robot.popen.wait()
            used.append(memory.used_bytes)
        robot = start_robot(processes, memory)
        assert any("port" not in name for name in segments_of(robot.popen.pid)), "it has a segment"
        assert max(used) <= 1.1 * used[0] + (2 << 20), "what the one before left is gone"
        robot.send(signal.SIGINT)
        assert robot.popen.wait(20) == 0, robot.output
        for process in processes.started:
            assert "SHM" not in process.output and "shared memory" not in process.output, process.output


def test_a_robot_that_was_killed_leaves_room_for_the_next(processes: Processes) -> None:
    assert_shared_memory_after_kills(processes, 4)


@pytest.mark.full
def test_a_robot_that_was_killed_twenty_times_keeps_shared_memory(processes: Processes) -> None:
    assert_shared_memory_after_kills(processes, 20)


def test_ports_that_killed_processes_left_half_made_keep_no_robot_from_starting(
    processes: Processes, ros_domain: int
) -> None:
    with own_shared_memory(64) as memory:
        own, common = 7400 + 250 * ros_domain, 7000
        ports = [memory.folder / f"fastrtps_port{base + offset}" for base in (own, common) for offset in range(20)]
        for port in ports:
            port.write_bytes(bytes(52400))
            os.utime(port, (0.0, 0.0))
        robot = start_robot(processes, memory)
        wait_for(lambda: sum("port" in name for name in segments_of(robot.popen.pid)) >= 2, 20.0, "ports of the robot")
        # A robot that runs removes those that are left while it runs.
        late = memory.folder / f"fastrtps_port{own + 50}"
        late.write_bytes(bytes(52400))
        os.utime(late, (0.0, 0.0))
        wait_for(lambda: not late.exists(), 20.0, "the robot's look at its ports")
        robot.send(signal.SIGINT)
        assert robot.popen.wait(20) == 0, robot.output


def test_a_robot_with_too_little_shared_memory_says_so_and_what_mends_it(processes: Processes) -> None:
    with own_shared_memory(3) as memory:
        arguments = ("robot_node", "--ros-args", "-p", "autostart:=false")
        robot = processes.start(memory.within[0], *memory.within[1:], *arguments, keep_signals=True)
        robot.wait_for_output("too little for shared memory")
        robot.send(signal.SIGINT)
        assert robot.popen.wait(20) == 0, robot.output
        assert "--shm-size" in robot.output and "SHM Transport is not supported" not in robot.output
