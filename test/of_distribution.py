# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tests of what a distribution of ROS 2 changes: they get the marker `distribution`."""

from __future__ import annotations

from pathlib import Path

#: Folders and files in test/. They use rclpy, the DDS, messages, images, or set-up.
CHOSEN = (
    "integration/test_begins_again.py",
    "integration/test_camera.py",
    "integration/test_edge_requests.py",
    "integration/test_managed.py",
    "integration/test_robot_and_edge.py",
    "integration/test_video_node.py",
    "setup/test_distributions.py",
    "setup/test_underlay.py",
    "unit/camera",
    "unit/nodes",
    "unit/protocol",
    "unit/recording",
    "unit/ros",
    "unit/test_profile.py",
)

_TESTS = Path(__file__).parent


def depends_on_distribution(path: Path) -> bool:
    """Return whether a file of tests is among the chosen ones."""
    return any(path.is_relative_to(_TESTS / chosen) for chosen in CHOSEN)
