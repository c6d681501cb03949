# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images that must not leave the robot: real nodes, with the requests over DDS recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

FRAMES = 20
#: Names of YOLOv3-tiny's partition points.
POINTS = tuple(point.name for point in Engine.load("yolov3_tiny").partitioned.points)


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def sent_by_a_robot(processes: Processes, watcher: Watcher, *parameters: str) -> list[PartialInference]:
    """Run a robot that shares frames with an edge, and return its requests without probes, whose bytes are random."""
    heard: list[PartialInference] = []
    watcher.node.create_subscription(
        PartialInference, "/neurosurgeon/partial_inference", heard.append, qos.PARTIAL_INFERENCE
    )
    processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    values = ("threads:=1", "deadline_ms:=5000.0", *parameters)
    processes.start("robot_node", "--ros-args", *(word for value in values for word in ("-p", value)))
    watcher.robot_is_there()
    watcher.edge_serves()
    watcher.step_until(Outcome.EDGE)
    for _ in range(FRAMES):
        watcher.step()
    frames = {decision.sequence for decision in watcher.decisions if decision.outcome == Outcome.EDGE}
    assert len(frames) > FRAMES // 2
    # Every frame that the edge answered must also be recorded here, before or after its answer.
    watcher.until(lambda: frames <= {message.sequence for message in heard}, "what the robot sends")
    return [message for message in heard if message.kind != Kind.PROBE]


@pytest.mark.full
def test_without_limits_the_image_itself_is_sent(processes: Processes, watcher: Watcher) -> None:
    sent = sent_by_a_robot(processes, watcher, "policy:=edge_only")
    assert {message.partition_point for message in sent} == {0}
    assert {tuple(tensor.shape) for message in sent for tensor in message.tensors} == {(1, 3, 416, 416)}


@pytest.mark.parametrize(
    "policy",
    ["mu_lin_ucb", *(pytest.param(name, marks=pytest.mark.full) for name in ("adaptive_mu_lin_ucb", "edge_only"))],
)
def test_no_image_and_no_cut_before_the_limit_is_ever_sent(processes: Processes, watcher: Watcher, policy: str) -> None:
    # A slow robot prefers to send the image, which the limit has to prevent.
    sent = sent_by_a_robot(
        processes,
        watcher,
        f"policy:={policy}",
        "robot_speed:=0.5",
        "allow_raw_images:=false",
        "min_partition_point:=pool3",
    )
    assert sent
    assert {POINTS[message.partition_point] for message in sent} <= {"pool3", "pool4"}
    for message in sent:
        for tensor in message.tensors:
            assert tensor.name in ("pool3", "pool4")
            assert tuple(tensor.shape) != (1, 3, 416, 416)
    assert {decision.arm.partition("/")[0] for decision in watcher.decisions} <= {"pool3", "pool4", "on_device"}
