# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A network whose tensors cannot be quantised, without a calibration: both are reported once, and no frame is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

FRAMES = 5
NETWORK = """
import torch
from torch import nn


class Infinite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pool = nn.AdaptiveMaxPool2d(4)
        # Enough work behind the cut that the edge is worth it on any machine.
        self.scores = nn.Sequential(nn.Linear(64, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 3))

    def forward(self, image):
        x = self.pool(torch.relu(self.conv(image)) / 0.0)
        return self.scores(torch.flatten(x.nan_to_num(0.0, 1.0), 1))


def make():
    torch.manual_seed(0)
    return Infinite(), torch.zeros(1, 3, 96, 96)
"""


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


@pytest.mark.full
def test_what_cannot_be_quantised_is_said_once_and_arrives(
    processes: Processes, watcher: Watcher, tmp_path: Path
) -> None:
    (tmp_path / "infinite_network.py").write_text(NETWORK)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    heard: list[PartialInference] = []
    watcher.node.create_subscription(
        PartialInference, "/neurosurgeon/partial_inference", heard.append, qos.PARTIAL_INFERENCE
    )
    common = ("--ros-args", "-p", "threads:=1", "-p", "model:=infinite_network:make")
    processes.start("edge_node", *common, environment={"PYTHONPATH": path})
    values = ("codecs:=[fp16]", "allow_raw_images:=false", "policy:=edge_only", "deadline_ms:=5000.0")
    robot = processes.start(
        "robot_node",
        *common,
        *(word for value in values for word in ("-p", value)),
        environment={"PYTHONPATH": path},
    )
    watcher.robot_is_there()
    watcher.edge_serves()
    watcher.step_until(Outcome.EDGE)
    for _ in range(FRAMES):
        assert watcher.step().outcome == Outcome.EDGE
    watcher.assert_every_frame_was_answered_once_in_order()
    watcher.until(lambda: len([message for message in heard if message.tensors]) > FRAMES, "what the robot sends")
    assert {tensor.codec for message in heard for tensor in message.tensors} == {"fp32"}
    assert robot.output.count("gave NaN or infinity, which cannot be quantised and travels as fp32") == 1
    assert robot.output.count("infinite_network:make is calibrated in idle time") == 1
