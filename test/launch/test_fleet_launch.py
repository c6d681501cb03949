# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
fleet.launch.py starts an edge and two robots with cameras; each robot is served, changes its state, survives its edge.

If launch_testing is installed, `launch_test test/launch/test_fleet_launch.py` runs this test. pytest 7 with
launch_testing's plugin also runs it. pytest 9 cannot load that plugin. test/integration has the same scenarios.
"""

from __future__ import annotations

import signal
import sys
import unittest
from pathlib import Path

import psutil
import pytest

launch_testing = pytest.importorskip(
    "launch_testing", reason="launch_testing is not installed: it comes with ROS 2 from packages, not with the wheels"
)

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import EXIT_OK, assertExitCodes

# launch_test runs in any folder, and only knows this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import hold_domain
from watcher import Watcher, watching

from neurosurgeon_ros.robot.decision import Outcome

#: Maximum number of seconds until everything has started, on a busy machine.
START_S = 120.0

ROBOTS = ("left", "right")

# The launched nodes and the watcher below share this domain.
hold_domain()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """Include the fleet as a user starts it."""
    from ament_index_python.packages import get_package_share_directory

    share = get_package_share_directory("neurosurgeon_ros")
    fleet = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(f"{share}/launch/fleet.launch.py"),
        launch_arguments={
            "robots": ",".join(ROBOTS),
            "play": "true",
            "policy": "edge_only",
            "image_transport": "compressed",
            "respawn": "true",
        }.items(),
    )
    return LaunchDescription([SetEnvironmentVariable("OMP_NUM_THREADS", "1"), fleet, ReadyToTest()])


def use_of_edge(watcher: Watcher, number: int) -> None:
    """Wait for this number of further frames that the edge answers."""
    before = len(watcher.decisions)
    watcher.until(
        lambda: sum(d.outcome == Outcome.EDGE for d in watcher.decisions[before:]) >= number, "the edge in use", START_S
    )


class TestFleet(unittest.TestCase):
    """Tests while it runs."""

    def test_each_robot_is_served(self) -> None:
        """The edge answers each robot's frames under the robot's own id."""
        for robot in ROBOTS:
            with watching(robot) as watcher:
                use_of_edge(watcher, 5)
                self.assertEqual({d.robot_id for d in watcher.decisions}, {f"{robot}_robot_node"})

    def test_a_robot_walks_its_lifecycle(self) -> None:
        """An inactive robot publishes nothing, and an active one publishes detections again."""
        with watching("left") as watcher:
            node = "/left/robot_node"
            use_of_edge(watcher, 1)
            self.assertTrue(watcher.transition(node, "deactivate"))
            self.assertEqual(watcher.state(node), "inactive")
            self.assertTrue(watcher.transition(node, "activate"))
            use_of_edge(watcher, 1)

    def test_the_edge_is_killed_and_comes_back(self) -> None:
        """Its robots continue without it, no frame is lost, and the respawned edge is used again."""
        with watching("right") as watcher:
            use_of_edge(watcher, 5)
            (edge,) = (
                process
                for process in psutil.Process().children(recursive=True)
                if any(part.endswith("/edge_node") for part in process.cmdline())
            )
            edge.send_signal(signal.SIGKILL)
            watcher.until(lambda: watcher.decisions[-1].outcome != Outcome.EDGE, "frames without the edge", START_S)
            use_of_edge(watcher, 5)
            sequences = [decision.sequence for decision in watcher.decisions]
            self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(sequences))))


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """Tests after shutdown."""

    def test_every_process_ends_with_0(self, proc_info: object) -> None:
        """No process failed or had to be killed, except the edge that the test killed."""
        assertExitCodes(proc_info, allowable_exit_codes=[EXIT_OK, -signal.SIGKILL])
