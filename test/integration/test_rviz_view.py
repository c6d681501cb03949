# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""config/detections.rviz, without RViz: its topics are those of a robot, and its QoS is compatible with theirs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from watcher import watching

from neurosurgeon_ros.nodes.robot_outputs import RobotOutputs
from neurosurgeon_ros.protocol.requests import Identity

TYPES = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
}
RELIABILITIES = {"Best Effort": ReliabilityPolicy.BEST_EFFORT, "Reliable": ReliabilityPolicy.RELIABLE}


@pytest.fixture
def displays(root: Path) -> list[dict[str, Any]]:
    view = yaml.safe_load((root / "config" / "detections.rviz").read_text())
    found: list[dict[str, Any]] = view["Visualization Manager"]["Displays"]
    return found


def outputs(node: Node) -> RobotOutputs:
    identity = Identity("robot", 1)
    return RobotOutputs(node, identity, ("car",), confidence=0.5, camera_info=lambda: None, say=lambda _: None)


def test_each_display_finds_its_topic(ros_domain: int, displays: list[dict[str, Any]]) -> None:
    with watching() as watcher:
        made = outputs(watcher.node)
        for display in displays:
            topic = display["Topic"]["Value"]
            watcher.until(lambda topic=topic: watcher.node.count_publishers(topic), f"a publisher of {topic}")
            (publisher,) = watcher.node.get_publishers_info_by_topic(topic)
            assert publisher.topic_type == TYPES[display["Class"]]
            wanted = QoSProfile(
                depth=display["Topic"]["Depth"],
                reliability=RELIABILITIES[display["Topic"]["Reliability Policy"]],
                durability=DurabilityPolicy.VOLATILE,
            )
            # The graph does not contain a publisher's history, which can cause a warning.
            assert qos_check_compatible(publisher.qos_profile, wanted)[0] != QoSCompatibility.ERROR
        made.close()


def test_the_launch_file_takes_every_topic_into_the_robots_namespace(
    root: Path, displays: list[dict[str, Any]]
) -> None:
    launch = (root / "launch" / "demo.launch.py").read_text()
    remapped = re.search(r'remappings=\[\(f"/\{topic\}", topic\) for topic in \((.*)\)\]', launch)
    assert remapped is not None
    assert {f"/{name}" for name in re.findall(r'"([^"]+)"', remapped[1])} == {
        display["Topic"]["Value"] for display in displays
    }
