# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
demo.launch.py starts edge, robot and video; detections arrive; all processes exit with 0 after SIGINT.

If launch_testing is installed, `launch_test test/launch/test_demo_launch.py` runs this test. pytest 7 with
launch_testing's plugin also runs it. pytest 9 cannot load that plugin.
"""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

import pytest

launch_testing = pytest.importorskip(
    "launch_testing", reason="launch_testing is not installed: it comes with ROS 2 from packages, not with the wheels"
)

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes

# launch_test runs in any folder, and only knows this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import hold_domain
from watcher import watching

from neurosurgeon_ros.robot.decision import Outcome

#: Maximum number of seconds until everything has started, on a busy machine.
START_S = 90.0


# The launched nodes and the watcher below share this domain.
hold_domain()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """Include the demo as a user starts it."""
    from ament_index_python.packages import get_package_share_directory

    share = get_package_share_directory("neurosurgeon_ros")
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(f"{share}/launch/demo.launch.py"),
        launch_arguments={"namespace": "robot1", "policy": "edge_only", "robot_speed": "1.0"}.items(),
    )
    return LaunchDescription([SetEnvironmentVariable("OMP_NUM_THREADS", "1"), demo, ReadyToTest()])


class TestDemo(unittest.TestCase):
    """Tests while it runs."""

    def test_detections_come_and_the_edge_gives_them(self) -> None:
        """Each decision has a detections message with the same header, and the edge is used."""
        with watching("robot1") as watcher:
            heard = watcher.decisions
            watcher.until(lambda: sum(d.outcome == Outcome.EDGE for d in heard) >= 5, "the edge in use", START_S)
        self.assertEqual({d.policy for d in watcher.decisions}, {"edge_only"})
        stamps = [(d.header.stamp.sec, d.header.stamp.nanosec) for d in watcher.detections]
        self.assertEqual(stamps, sorted(set(stamps)))


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """Tests after shutdown."""

    def test_every_process_ends_with_0(self, proc_info: object) -> None:
        """No process failed or had to be killed."""
        assertExitCodes(proc_info)
