# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera that publishes a video, as FFMPEGPacket or CompressedVideo: real nodes over DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from camera_videos import STREET, encoded, ffmpeg_message, foxglove_message, shipped_frames
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.camera.transports import FFMPEG, FOXGLOVE, message_type
from neurosurgeon_ros.robot.decision import Outcome

pytest.importorskip("av", reason="a camera's video needs PyAV")

GOP, FRAMES = 6, 48


class VideoCamera:
    """
    Publishes a video packet by packet.

    :ivar sent: headers of the packets that were published.
    """

    def __init__(self, watcher: Watcher, transport: str) -> None:
        self._watcher, self._transport = watcher, transport
        self._packets = encoded(shipped_frames(STREET, FRAMES, 100), gop=GOP)
        self._next = 0
        self.sent: list[Header] = []
        watcher.node.destroy_publisher(watcher.camera)
        self._publisher = watcher.camera = watcher.node.create_publisher(
            message_type(transport), f"image_raw/{transport}", QoSProfile(depth=2 * GOP)
        )

    @property
    def is_at_key(self) -> bool:
        """Return whether the next packet is a key frame."""
        return self._next % GOP == 0

    def skip(self) -> None:
        """Lose the next packet."""
        self._next += 1

    def show(self) -> None:
        """Publish the next packet."""
        number = self._next
        self._next += 1
        header = Header(frame_id=f"camera_{number}")
        header.stamp.sec, header.stamp.nanosec = 1000 + number, 7 * number
        data = self._packets[number % FRAMES]
        message = (
            ffmpeg_message(data, header, number, "h264;yuv420p;bgr8;bgr8", (640, 272))
            if self._transport == FFMPEG
            else foxglove_message(data, header)
        )
        self.sent.append(header)
        self._publisher.publish(message)

    def step(self) -> Any:
        """Publish a packet whose picture the robot must answer, and return the decision."""
        watcher, number = self._watcher, len(self._watcher.decisions) + 1
        self.show()
        watcher.until(lambda: len(watcher.decisions) == len(watcher.detections) == number, f"answer {number}")
        assert watcher.decisions[-1].header == watcher.detections[-1].header == self.sent[-1]
        return watcher.decisions[-1]


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def told(watcher: Watcher, text: str) -> Callable[[], bool]:
    """Return whether the robot's diagnostics say a text."""
    return lambda: text in watcher.diagnostics.get("/robot_node", "")


@pytest.mark.parametrize("transport", [FFMPEG, FOXGLOVE])
def test_the_robot_joins_at_a_key_frame_and_again_after_a_lost_packet(
    processes: Processes, watcher: Watcher, transport: str
) -> None:
    camera = VideoCamera(watcher, transport)
    processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    robot = processes.start(
        "robot_node",
        *("--ros-args", "-p", f"image_transport:={transport}", "-p", "threads:=1", "-p", "policy:=edge_only"),
        *("-p", "codecs:=[uint8]", "-p", "deadline_ms:=5000.0"),
    )
    watcher.robot_is_there()

    # Packets before the first key frame.
    camera.skip()
    camera.show()
    waits_for = f"waits for a key frame of h264 on /image_raw/{transport}"
    robot.wait_for_output(waits_for)
    watcher.until(told(watcher, waits_for), "the diagnostics")
    while not camera.is_at_key:
        camera.show()
    for _ in range(4):
        camera.step()

    # A packet is missing: those up to the next key frame are of no use.
    camera.skip()
    camera.show()
    assert camera.is_at_key
    watcher.edge_serves()
    while camera.step().outcome != Outcome.EDGE:
        assert len(watcher.decisions) < FRAMES
    assert len(watcher.detections[-1].detections) > 0

    # No picture was answered twice, and all in order.
    stamps = [one.header.stamp.sec for one in watcher.detections]
    assert stamps == sorted(set(stamps))
    assert robot.output.count(waits_for) == 2 - (transport == FOXGLOVE)
    watcher.until(lambda: not told(watcher, "waits for a key frame")(), "diagnostics without the key frame")
