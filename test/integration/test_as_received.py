# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A compressed camera's pictures reach the edge unchanged: real nodes, with the DDS traffic recorded."""

from __future__ import annotations

from pictures import video_frame
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from support import Processes
from vision_msgs.msg import Detection2DArray
from watcher import watching

from neurosurgeon_ros.camera.compressed import to_compressed
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

WORDS = (
    *("-p", "image_transport:=compressed", "-p", "threads:=1", "-p", "policy:=edge_only"),
    *("-p", "codecs:=[as_received]", "-p", "deadline_ms:=5000.0"),
)


def found(message: Detection2DArray) -> list[tuple[float, ...]]:
    """Return boxes and scores without rounding."""
    return [
        (
            *(one.bbox.center.position.x, one.bbox.center.position.y, one.bbox.size_x, one.bbox.size_y),
            one.results[0].hypothesis.score,
        )
        for one in message.detections
    ]


def test_the_very_jpeg_travels_and_the_edge_finds_what_the_robot_would(processes: Processes) -> None:
    picture = to_compressed(video_frame(120), Header(frame_id="camera"))
    with watching() as watcher:
        heard: list[PartialInference] = []
        watcher.node.create_subscription(
            PartialInference, "/neurosurgeon/partial_inference", heard.append, qos.PARTIAL_INFERENCE
        )
        camera = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", 10)

        def answer() -> Outcome:
            number = len(watcher.decisions) + 1
            camera.publish(picture)
            watcher.until(lambda: len(watcher.decisions) == len(watcher.detections) == number, f"answer {number}")
            return Outcome(watcher.decisions[-1].outcome)

        processes.start("robot_node", "--ros-args", *WORDS)
        watcher.until(lambda: camera.get_subscription_count(), "a robot that takes compressed images")
        watcher.until(lambda: "/robot_node" in watcher.diagnostics, "the robot's diagnostics")
        assert answer() is Outcome.ON_DEVICE, "there is no edge yet"
        processes.start("edge_node", "--ros-args", "-p", "threads:=1")
        watcher.edge_serves()
        outcome = answer()
        while outcome is not Outcome.EDGE:
            outcome = answer()
        sequence = watcher.decisions[-1].sequence
        watcher.until(lambda: any(message.sequence == sequence for message in heard), "what the robot sends")
        frames = [message for message in heard if message.kind == Kind.FRAME]
        assert {tensor.codec for message in frames for tensor in message.tensors} == {"as_received"}
        assert all(bytes(message.tensors[0].data) == bytes(picture.data) for message in frames)
        assert watcher.decisions[-1].arm.endswith("/as_received")
        on_device, at_edge = found(watcher.detections[0]), found(watcher.detections[-1])
        assert on_device and at_edge == on_device
