# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The video node as a process: its images, their headers, its end, and its reports about a bad video."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from support import Processes, wait_for
from watcher import watching

from neurosurgeon_ros.camera.compressed import decode_compressed
from neurosurgeon_ros.diagnostics.monitor import Monitor
from neurosurgeon_ros.diagnostics.records import SeenImage
from neurosurgeon_ros.ros import qos

FRAMES = 10


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Write ten frames at 20 Hz, each of another grey."""
    path = tmp_path / "greys.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), 20 * number, dtype=np.uint8))
    writer.release()
    return path


@pytest.fixture
def monitor(ros_domain: int) -> Iterator[Monitor]:
    watching = Monitor()
    yield watching
    watching.close()


def images(monitor: Monitor, number: int, timeout: float = 30.0) -> list[SeenImage]:
    """Wait for images and return them."""
    seen: list[SeenImage] = []

    def enough() -> bool:
        while not monitor.seen.empty():
            one = monitor.seen.get()
            if isinstance(one, SeenImage):
                seen.append(one)
        return len(seen) >= number

    wait_for(enough, timeout, f"{number} images")
    return seen


def grey(seen: SeenImage) -> int:
    return round(float(np.median(seen.image)) / 20.0)


def test_a_file_is_played_again_and_again_while_the_stamps_go_on(
    processes: Processes, monitor: Monitor, video: Path
) -> None:
    node = processes.start(
        "video_node", "--ros-args", "-p", f"video:={video}", "-p", "frame_id:=front", "-p", "rate_hz:=50.0",
        "-p", "wait_for_subscribers:=1",
    )  # fmt: skip
    seen = images(monitor, 2 * FRAMES + 5)

    assert {one.header.frame_id for one in seen} == {"front"}
    assert {one.image.shape for one in seen} == {(48, 64, 3)}
    stamps = [one.header.stamp_ns for one in seen]
    assert stamps == sorted(set(stamps))
    # Sensor data may lose an image, but no image arrives twice or out of order.
    steps = {(grey(after) - grey(before)) % FRAMES for before, after in itertools.pairwise(seen)}
    assert 1 in steps
    assert 0 not in steps
    assert node.end(signal.SIGTERM) == 0
    assert "Traceback" not in node.output


def test_a_file_keeps_its_own_rate(processes: Processes, monitor: Monitor, video: Path) -> None:
    processes.start("video_node", "--ros-args", "-p", f"video:={video}", "-p", "wait_for_subscribers:=1")
    seen = images(monitor, 25)

    # A busy machine makes images late, but never early. Half of the file's 20 Hz leaves room for a late first one.
    assert seen[-1].header.stamp_ns - seen[0].header.stamp_ns >= 0.5e9 * (len(seen) - 1) / 20.0


def test_without_loop_the_node_ends_with_the_video(processes: Processes, monitor: Monitor, video: Path) -> None:
    node = processes.start(
        "video_node", "--ros-args", "-p", f"video:={video}", "-p", "loop:=false", "-p", "wait_for_subscribers:=1"
    )
    wait_for(lambda: node.popen.poll() is not None, 30.0, "the end of the video")

    assert node.popen.returncode == 0
    assert f"the video has ended after {FRAMES} frames" in node.output
    assert "Traceback" not in node.output


def test_one_remapping_moves_compressed_images_too(processes: Processes, ros_domain: int, video: Path) -> None:
    with watching() as watcher:
        seen: list[CompressedImage] = []
        watcher.node.create_subscription(CompressedImage, "/front/image/compressed", seen.append, qos.SENSOR_DATA)
        node = processes.start(
            "video_node", "--ros-args", "-r", "image_raw:=/front/image", "-p", f"video:={video}",
            "-p", "image_transport:=compressed", "-p", "frame_id:=front", "-p", "rate_hz:=50.0",
        )  # fmt: skip
        watcher.until(lambda: len(seen) >= FRAMES, "jpegs")
        assert watcher.node.count_publishers("/front/image") == 0
    for message in seen:
        assert message.header.frame_id == "front"
        assert decode_compressed(message).shape == (48, 64, 3)
    assert node.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("video:=/nowhere.mp4", "does not exist"),
        ("rate_hz:=-1.0", "rate_hz"),
    ],
)
def test_what_cannot_be_played_ends_it_with_one_sentence(processes: Processes, parameter: str, said: str) -> None:
    node = processes.start("video_node", "--ros-args", "-p", parameter)
    wait_for(lambda: node.popen.poll() is not None, 30.0, "the end of the node")

    assert node.popen.returncode == 1
    (sentence,) = [line for line in node.output.splitlines() if "FATAL" in line]
    assert said in sentence
    assert "Traceback" not in node.output
