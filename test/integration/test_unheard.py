# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot, edge and camera on one machine that cannot share memory: they detect this, report it, and switch to UDP."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import camera_driver
import pytest
from other_user import needs_root, nobody
from shared_memory import needs_mounts, own_shared_memory, segments_of
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros.process.dds import SHIPPED

ROBOT = ("--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]")
EDGE = ("--ros-args", "-p", "threads:=1", "-p", "max_batch:=1")
OVER_UDP = "begins again over UDP, without shared memory"


@pytest.fixture
def as_nobody() -> Iterator[tuple[str, ...]]:
    with nobody() as words:
        yield words


def until_they_meet(robot: Process, edge: Process) -> None:
    edge.wait_for_output("is here")
    robot.wait_for_output("uses the edge")


@needs_root
def test_a_robot_and_an_edge_of_different_users_find_each_other(
    as_nobody: tuple[str, ...], processes: Processes
) -> None:
    """The edge in the container belongs to root, and the robot does not. The first to detect this switches to UDP."""
    edge = processes.start("edge_node", *EDGE)
    robot = processes.start(*as_nobody, "robot_node", *ROBOT)
    until_they_meet(robot, edge)
    said = robot.output + edge.output
    assert OVER_UDP in said
    assert "cannot share memory between users" in said


@needs_root
def test_an_edge_of_another_user_finds_the_robot(as_nobody: tuple[str, ...], processes: Processes) -> None:
    edge = processes.start(*as_nobody, "edge_node", *EDGE)
    robot = processes.start("robot_node", *ROBOT)
    until_they_meet(robot, edge)
    assert OVER_UDP in robot.output + edge.output


@needs_root
def test_a_robot_of_another_user_than_its_camera_goes_on_over_udp_as_it_was(
    as_nobody: tuple[str, ...], processes: Processes
) -> None:
    """It keeps its process, its parameters and its state, and receives the images of a driver with default settings."""
    driver = processes.start(sys.executable, Path(camera_driver.__file__), "640", "480", "10", "10000", "reliable")
    words = ("-p", "policy:=on_device", "-p", "confidence:=0.5")
    robot = processes.start(*as_nobody, "robot_node", *ROBOT, *words, keep_signals=True)
    robot.wait_for_output(OVER_UDP)
    assert "belongs to root (uid 0) (mode 644), this process to nobody" in robot.output
    with watching() as watcher:
        watcher.node.destroy_publisher(watcher.camera)
        watcher.until(lambda: len(watcher.decisions) >= 5, "images that were answered")
        assert watcher.state("/robot_node") == "active"
        assert watcher.get("/robot_node", "confidence").double_value == 0.5
        assert watcher.get("/robot_node", "transport").string_value == "auto"
    assert robot.output.count(OVER_UDP) == 1
    assert not segments_of(robot.popen.pid)
    driver.end()
    robot.send(signal.SIGTERM)
    assert robot.popen.wait(10) == 0, robot.output
    assert "Traceback" not in robot.output


@needs_root
def test_a_robot_that_is_told_to_stop_while_it_begins_again_stops(
    as_nobody: tuple[str, ...], processes: Processes
) -> None:
    processes.start(sys.executable, Path(camera_driver.__file__), "640", "480", "10", "10000", "reliable")
    robot = processes.start(*as_nobody, "robot_node", *ROBOT, keep_signals=True)
    robot.wait_for_output(OVER_UDP)
    robot.send(signal.SIGTERM)
    assert robot.popen.wait(20) == 0, robot.output
    assert "Traceback" not in robot.output


@pytest.mark.full
@needs_mounts
def test_an_edge_with_another_shared_memory_is_found(processes: Processes) -> None:
    """As in a container with the host's network and without --ipc=host."""
    robot = processes.start("robot_node", *ROBOT)
    with own_shared_memory(256) as own:
        edge = processes.start(*own.within, "edge_node", *EDGE)
        until_they_meet(robot, edge)
        assert "do not have the same /dev/shm" in robot.output + edge.output
        edge.end()


def test_transport_udp_uses_no_shared_memory(processes: Processes) -> None:
    robot = processes.start("robot_node", *ROBOT, "-p", "policy:=edge_only", "-p", "transport:=udp")
    edge = processes.start("edge_node", *EDGE, "-p", "transport:=udp")
    until_they_meet(robot, edge)
    assert not segments_of(robot.popen.pid) | segments_of(edge.popen.pid)
    with watching() as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
    assert OVER_UDP not in robot.output + edge.output


@needs_root
def test_a_profile_of_the_users_own_is_kept_and_the_cause_is_said(
    as_nobody: tuple[str, ...], processes: Processes, tmp_path: Path
) -> None:
    own = tmp_path / "own.xml"
    own.write_text('<dds xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"><profiles/></dds>')
    profile = dict.fromkeys(SHIPPED, str(own))
    processes.start("edge_node", *EDGE, environment=profile)
    robot = processes.start(*as_nobody, "robot_node", *ROBOT, environment=profile)
    robot.wait_for_output("cannot share memory between users; give both a Fast DDS profile without shared memory")
    assert OVER_UDP not in robot.output
