# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The ros2 command line works with the nodes as with other ROS 2 nodes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support import Processes
from watcher import watching

from neurosurgeon_ros.robot.decision import Outcome

pytestmark = pytest.mark.skipif(
    shutil.which("ros2") is None,
    reason="the ros2 command line is not installed: it comes with ROS 2 from packages, not with the wheels",
)

#: Time limit of a command, in seconds.
HANGS_S = 60.0


def ros2(*arguments: str) -> str:
    """Run a command in the test's domain, without the daemon, which would outlive it, and return its output."""
    done = subprocess.run(["ros2", *arguments], capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_a_robot_by_the_command_line(processes: Processes, root: Path) -> None:
    processes.start("robot_node", "--ros-args", "-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]")
    with watching() as watcher:
        watcher.robot_is_there()
        waits = ("--no-daemon", "--spin-time", "2")
        assert "/robot_node" in ros2("node", "list", *waits).split()
        assert "/robot_node" in ros2("lifecycle", "nodes", *waits).split()
        assert "active" in ros2("lifecycle", "get", "/robot_node", *waits)
        listed = ros2("topic", "list", "-t", *waits)
        assert "/detections [vision_msgs/msg/Detection2DArray]" in listed
        assert "/robot_node/decision [neurosurgeon_ros/msg/PartitionDecision]" in listed

        described = ros2("param", "describe", "/robot_node", "confidence", *waits)
        assert "minimum score of a detection" in described
        assert "successful" in ros2("param", "set", "/robot_node", "confidence", "0.4", *waits)
        assert "0.4" in ros2("param", "get", "/robot_node", "confidence", *waits)
        # As shown in docs/parameters.md.
        page = (root / "docs" / "parameters.md").read_text(encoding="utf-8")
        for name, value in (("confidence", "2.0"), ("model", "mobilenet_v2")):
            said = ros2("param", "set", "/robot_node", name, value, *waits).strip()
            assert said.startswith("Setting parameter failed: ")
            assert f"    {said}\n" in page
        assert "policy: on_device" in ros2("param", "dump", "/robot_node", *waits)

        echo = subprocess.Popen(
            ["ros2", "topic", "echo", "--once", "--no-daemon", "/detections", "vision_msgs/msg/Detection2DArray"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            watcher.until(lambda: watcher.node.count_subscribers("detections") > 1, "the command's subscription")
            while echo.poll() is None:
                assert watcher.step().outcome == Outcome.ON_DEVICE
            assert echo.stdout is not None
            header = yaml.safe_load(echo.stdout.read().split("---")[0])["header"]
            assert header["frame_id"] in {image.header.frame_id for image in watcher.images}
            assert echo.returncode == 0
        finally:
            if echo.poll() is None:
                echo.kill()
            echo.wait()

        assert "successful" in ros2("lifecycle", "set", "/robot_node", "deactivate", *waits)
        assert "inactive" in ros2("lifecycle", "get", "/robot_node", *waits)
        assert "successful" in ros2("lifecycle", "set", "/robot_node", "cleanup", *waits)
        assert "successful" in ros2("param", "set", "/robot_node", "policy", "edge_only", *waits)
        assert "unconfigured" in ros2("lifecycle", "get", "/robot_node", *waits)
