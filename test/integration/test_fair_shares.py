# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Three robots ask one edge for three times what it can give: equal shares, and no more is sent than is served."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from fleet import jain
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from slow_network import SLOW_S
from support import Process, Processes

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.msg import DelayFeedback, PartitionDecision
from neurosurgeon_ros.ros import qos

#: Seconds for which a request occupies the edge, and seconds between the images of each robot.
SERVICE_S, PERIOD_S = 0.04, 0.04

#: Each robot's deadline in ms: the shortest one is less than two requests of the edge.
DEADLINES_MS = {"short": 70.0, "middle": 130.0, "long": 400.0}

#: Seconds until the robots have settled, and seconds of the count.
SETTLE_S, COUNT_S = 5.0, 10.0
LONG_S = 60.0


class Cameras:
    """The cameras of all robots, what the robots decided, and what the edge answered."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self._executor = executor
        self.decisions: dict[str, list[PartitionDecision]] = {name: [] for name in DEADLINES_MS}
        self.answers: dict[str, list[DelayFeedback]] = {name: [] for name in DEADLINES_MS}
        self._image = from_bgr(np.zeros((48, 64, 3), dtype=np.uint8), None)
        self._cameras = [node.create_publisher(Image, f"/{name}/image_raw", 10) for name in DEADLINES_MS]
        for name in DEADLINES_MS:
            decisions, answers = f"/{name}/robot_node/decision", f"/neurosurgeon/{name}_robot_node/delay_feedback"
            node.create_subscription(PartitionDecision, decisions, self.decisions[name].append, qos.DECISION)
            node.create_subscription(DelayFeedback, answers, self.answers[name].append, qos.ANSWERS)
        node.create_timer(PERIOD_S, self._show)

    def _show(self) -> None:
        for camera in self._cameras:
            camera.publish(self._image)

    def run(self, seconds: float) -> None:
        """Show images for a time."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    def until_all_are_served(self) -> None:
        """Show images until the edge has answered each robot."""
        end_s = time.monotonic() + LONG_S
        while not all(any(one.status == DelayFeedback.OK for one in kept) for kept in self.answers.values()):
            assert time.monotonic() < end_s, "a robot was never answered"
            self._executor.spin_once(timeout_sec=0.05)


@pytest.fixture
def cameras(ros_domain: int) -> Iterator[Cameras]:
    context = Context()
    rclpy.init(context=context, args=[])
    node = Node("cameras", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield Cameras(node, executor)
    executor.shutdown(timeout_sec=0.5)
    node.destroy_node()
    context.try_shutdown()


def start(processes: Processes, root: Path, program: str, *words: str, slow_s: float = 0.0) -> Process:
    values = ("model:=slow_network:make", "threads:=1", *words)
    arguments = [word for value in values for word in (("-r", value) if value[0] == "_" else ("-p", value))]
    path = os.pathsep.join([str(root / "test"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, SLOW_S: str(slow_s)}
    return processes.start(program, "--ros-args", *arguments, environment=environment, keep_signals=True)


def most_refused(answers: list[DelayFeedback]) -> int:
    """Return how many requests of a robot were refused in a row."""
    most = row = 0
    for one in answers:
        row = row + 1 if one.status == DelayFeedback.OVERLOADED else 0
        most = max(most, row)
    return most


@pytest.mark.full
def test_robots_with_different_deadlines_get_equal_shares(processes: Processes, root: Path, cameras: Cameras) -> None:
    nodes = [start(processes, root, "edge_node", "max_batch:=1", slow_s=SERVICE_S)]
    for name, deadline_ms in DEADLINES_MS.items():
        own = (f"__ns:=/{name}", "policy:=edge_only", "codecs:=[uint8]", f"deadline_ms:={deadline_ms}")
        nodes.append(start(processes, root, "robot_node", *own))
    cameras.until_all_are_served()
    cameras.run(SETTLE_S)
    for kept in (*cameras.answers.values(), *cameras.decisions.values()):
        kept.clear()
    cameras.run(COUNT_S)
    answers = {name: tuple(kept) for name, kept in cameras.answers.items()}
    served = {name: sum(one.status == DelayFeedback.OK for one in kept) for name, kept in answers.items()}
    asked = sum(map(len, answers.values()))
    used_s = sum(
        one.decode_delay + one.compute_delay + one.postprocess_delay for kept in answers.values() for one in kept
    )
    print(f"served {served} of {asked} requests, Jain's index {jain(served.values()):.4f}, used {used_s / COUNT_S:.2f}")
    assert jain(served.values()) >= 0.98
    assert used_s >= 0.5 * COUNT_S, "the edge is used"
    assert all(most_refused(list(kept)) <= 3 for kept in answers.values())
    assert asked < 0.7 * len(DEADLINES_MS) * COUNT_S / PERIOD_S, "what cannot be served is not sent"
    for name, kept in cameras.decisions.items():
        assert any("frames a second of this robot" in one.reason for one in kept)
        assert len(kept) > 1.2 * served[name], "what is not sent is finished on the robot at once"
    assert [node.end(signal.SIGTERM) for node in reversed(nodes)] == [0] * len(nodes)
