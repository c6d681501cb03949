# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera that publishes a video, which also travels to the edge as received: real nodes over DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from camera_videos import STREET, encoded, ffmpeg_message, foxglove_message, shipped_frames
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from support import Processes
from vision_msgs.msg import Detection2DArray
from watcher import Watcher, watching

from neurosurgeon_ros.camera.transports import FFMPEG, FOXGLOVE, message_type
from neurosurgeon_ros.codecs import AS_RECEIVED_VIDEO
from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

pytest.importorskip("av", reason="a camera's video needs PyAV")

#: Distance between key frames, and frames of the video, which repeats.
GOP, FRAMES = 6, 12


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
    def shown(self) -> int:
        """Return the number of the frame that was shown last, in the video."""
        return (self._next - 1) % FRAMES

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

    def show_bad(self) -> None:
        """Publish a packet that is no picture in place of the next one."""
        header, data = Header(frame_id="bad"), b"no video at all"
        self._publisher.publish(
            ffmpeg_message(data, header, self._next) if self._transport == FFMPEG else foxglove_message(data, header)
        )
        self._next += 1

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


def found(message: Detection2DArray) -> list[tuple[float, ...]]:
    """Return boxes and scores without rounding."""
    return [
        (
            *(one.bbox.center.position.x, one.bbox.center.position.y, one.bbox.size_x, one.bbox.size_y),
            one.results[0].hypothesis.score,
        )
        for one in message.detections
    ]


def carried(request: PartialInference) -> int:
    """Return how many packets a request carries."""
    (tensor,) = request.tensors
    assert tensor.codec == AS_RECEIVED_VIDEO
    return int.from_bytes(bytes(tensor.data[5:7]), "little")


@pytest.mark.parametrize("transport", [FFMPEG, pytest.param(FOXGLOVE, marks=pytest.mark.full)])
def test_a_video_travels_as_received_and_the_robot_joins_at_key_frames(
    processes: Processes, watcher: Watcher, transport: str
) -> None:
    requests: list[PartialInference] = []
    watcher.node.create_subscription(
        PartialInference,
        "/neurosurgeon/partial_inference",
        lambda one: requests.append(one) if one.kind == PartialInference.FRAME else None,
        qos.PARTIAL_INFERENCE,
    )
    camera = VideoCamera(watcher, transport)
    robot = processes.start(
        "robot_node",
        *("--ros-args", "-p", f"image_transport:={transport}", "-p", "threads:=1", "-p", "policy:=edge_only"),
        *("-p", f"codecs:=[{AS_RECEIVED_VIDEO}]", "-p", "deadline_ms:=5000.0"),
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
    on_device = {}
    for number in range(GOP, GOP + 4):
        assert camera.step().outcome == Outcome.ON_DEVICE, "there is no edge yet"
        on_device[number] = found(watcher.detections[-1])

    # A packet is missing: those up to the next key frame are of no use.
    camera.skip()
    camera.show()
    assert camera.is_at_key

    # The same pictures at the edge give the same boxes. It begins with all packets since a key frame of the camera.
    processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    watcher.edge_serves()
    while camera.step().outcome != Outcome.EDGE:
        assert len(watcher.decisions) < 5 * FRAMES
    assert watcher.decisions[-1].arm == f"input/{AS_RECEIVED_VIDEO}"
    watcher.until(lambda: requests, "the request")
    assert requests[0].reference == 0 and carried(requests[0]) == (camera.shown % GOP) + 1
    at_edge = {}
    while at_edge.keys() < on_device.keys():
        is_key, before = camera.is_at_key, requests[-1].sequence
        assert camera.step().outcome == Outcome.EDGE, watcher.decisions[-1].reason
        watcher.until(lambda: requests[-1].sequence == watcher.decisions[-1].sequence, "the request")
        assert (requests[-1].reference, carried(requests[-1])) == (0 if is_key else before, 1)
        if camera.shown in on_device:
            at_edge[camera.shown] = found(watcher.detections[-1])
    assert any(on_device.values()) and at_edge == on_device

    # Pictures that the robot has no time for travel with the next one.
    while not camera.is_at_key:
        camera.step()
    camera.step()
    number = len(requests)
    camera.show(), camera.show(), camera.show()
    watcher.until(lambda: watcher.detections[-1].header == camera.sent[-1], "the newest picture")
    watcher.until(lambda: watcher.decisions[-1].header == camera.sent[-1], "its decision")
    watcher.until(lambda: sum(map(carried, requests[number:])) == 3, "all three packets")
    assert watcher.decisions[-1].outcome == Outcome.EDGE

    # A packet that is no picture: robot and edge go on with the next key frame.
    camera.show_bad()
    robot.wait_for_output("image rejected: the h264 packet does not begin with the start code of a video")
    while not camera.is_at_key:
        camera.show()
    assert camera.step().outcome == camera.step().outcome == Outcome.EDGE

    # No picture was answered twice, and all in order.
    stamps = [one.header.stamp.sec for one in watcher.detections]
    assert stamps == sorted(set(stamps))
    assert robot.output.count(waits_for) == 2 - (transport == FOXGLOVE)
    watcher.until(lambda: not told(watcher, "waits for a key frame")(), "diagnostics without the key frame")
