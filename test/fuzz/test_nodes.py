# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A node survives any bytes that are published on the topics that it subscribes to: it neither ends nor hangs.

After every few messages the test reads a parameter of the node, which shows that it has taken all of them. At the end,
a valid frame must get its detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from asker import SIDE, Asker
from fuzz import messages
from fuzz.cases import LONGEST_S, Case, Fuzz
from mcap.reader import make_reader
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.camera.compressed import to_compressed
from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.codecs import TensorSpec, get_stream_codec
from neurosurgeon_ros.msg import (
    DelayFeedback,
    EdgeDetections,
    EdgeStatus,
    PartialInference,
    PartitionDecision,
    RobotHello,
)
from neurosurgeon_ros.ros import qos

#: Maximum number of messages between two checks of the node, unless its queue holds fewer.
MOST_AT_ONCE = 15


@dataclass(frozen=True)
class Topic:
    """
    A topic that a node subscribes to.

    :param good: valid messages, to be damaged.
    """

    kind: type[Any]
    name: str
    profile: QoSProfile
    good: tuple[Any, ...]


class Asked:
    """
    A running node that is checked repeatedly.

    :param name: name of the node.
    """

    def __init__(self, watcher: Watcher, process: Process, name: str) -> None:
        self._watcher = watcher
        self._process = process
        self._client = watcher.node.create_client(GetParameters, f"{name}/get_parameters")
        watcher.until(self._client.service_is_ready, name)

    def is_there(self) -> None:
        """Wait for a response, which follows everything that was published before."""
        before_s = self._busy_s()
        future = self._client.call_async(GetParameters.Request(names=["use_sim_time"]))
        self._watcher.until(future.done, "the node's answer")
        assert self._process.popen.poll() is None
        took_s = self._busy_s() - before_s
        assert took_s < LONGEST_S, f"the node was busy for {took_s:.1f} s of processor time with a few messages"

    def _busy_s(self) -> float:
        """Return the processor time of the thread that receives messages, in seconds."""
        pid = self._process.popen.pid
        return next(one.user_time + one.system_time for one in psutil.Process(pid).threads() if one.id == pid)


def storm(fuzz: Fuzz, watcher: Watcher, node: Asked, topic: Topic, *, last: Any = None) -> None:
    """Publish the damaged messages of a topic, and finally a valid one."""
    publisher = watcher.node.create_publisher(topic.kind, topic.name, topic.profile)
    watcher.until(lambda: publisher.get_subscription_count() > 0, f"a node that hears {topic.name}")
    good = [serialize_message(message) for message in topic.good]
    at_once = max(1, min(MOST_AT_ONCE, topic.profile.depth - 1))
    published = 0

    def attempt(case: Case) -> None:
        nonlocal published
        publisher.publish(case.damaged(case.choice(good)))
        published += 1
        if published % at_once == 0:
            node.is_there()

    fuzz(attempt, part=topic.name)
    if last is not None:
        publisher.publish(last)
        assert publisher.wait_for_all_acked(Duration(seconds=10.0))
    watcher.node.destroy_publisher(publisher)


def test_an_edge_outlives_any_bytes(fuzz: Fuzz, processes: Processes) -> None:
    process = processes.start("edge_node", "--ros-args", "-p", "threads:=1", "-p", "max_request_rate:=1e6")
    with watching() as watcher:
        asker = Asker(watcher)
        asker.meet()
        asker.ask()
        node = Asked(watcher, process, "edge_node")
        key: dict[str, Any] = {"robot_id": "asker", "session": 5}
        spec = messages.IMAGE_SPEC
        image = TensorSpec("image", (1, 3, SIDE, SIDE), "uint8", channels_last=True)
        requests = (
            *(messages.probe(**key), messages.request(spec, fingerprint=asker.fingerprint, **key)),
            *messages.stream(get_stream_codec("h264-veryfast-crf18"), image, fingerprint=asker.fingerprint, **key),
        )
        for topic in (
            Topic(RobotHello, "/neurosurgeon/hello", qos.PRESENCE, (messages.hello(**key),)),
            Topic(PartialInference, "/neurosurgeon/partial_inference", qos.PARTIAL_INFERENCE, requests),
        ):
            storm(fuzz, watcher, node, topic)
        # A damaged hello may have taken the last place for a moment, and a damaged request may have filled the queue.
        watcher.until(lambda: asker.ask().status == DelayFeedback.OK, "an answer to a good frame")
        watcher.until(lambda: asker.detections[-1:] and asker.detections[-1].sequence == asker.sequence, "detections")


@pytest.mark.parametrize(
    "of",
    [
        "camera",
        pytest.param("peers", marks=pytest.mark.full),
        pytest.param("compressed camera", marks=pytest.mark.full),
    ],
)
def test_a_robot_outlives_any_bytes(fuzz: Fuzz, processes: Processes, of: str) -> None:
    compressed = of == "compressed camera"
    process = processes.start(
        *("robot_node", "--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]", "-p", "marker_range:=5.0"),
        *("-p", f"image_transport:={'compressed' if compressed else 'raw'}"),
    )
    with watching() as watcher:
        node = Asked(watcher, process, "robot_node")
        sessions: dict[str, int] = {}
        watcher.node.create_subscription(
            RobotHello, "/neurosurgeon/hello", lambda m: sessions.update({m.robot_id: m.session}), qos.PRESENCE
        )
        watcher.until(lambda: "robot_node" in sessions, "the robot's hello")
        key: dict[str, Any] = {"robot_id": "robot_node", "session": sessions["robot_node"]}
        base, picture = "/neurosurgeon/robot_node", np.full((16, 24, 3), 99, np.uint8)
        small = from_bgr(picture, Header(frame_id="small"))
        jpeg = to_compressed(picture, small.header)
        feedback = (
            messages.feedback(**key),
            messages.feedback(**key, status=DelayFeedback.NOT_HELD, held=1),
            messages.feedback(**key, status=DelayFeedback.DIVERGED),
        )
        topics = {
            "camera": (
                Topic(Image, "image_raw", qos.SENSOR_DATA, (small,)),
                Topic(CameraInfo, "camera_info", qos.SENSOR_DATA, (messages.camera_info(),)),
            ),
            "compressed camera": (Topic(CompressedImage, "image_raw/compressed", qos.SENSOR_DATA, (jpeg,)),),
            "peers": (
                Topic(RobotHello, "/neurosurgeon/hello", qos.PRESENCE, (messages.hello(),)),
                Topic(EdgeStatus, "/neurosurgeon/status", qos.PRESENCE, (messages.status(**key),)),
                Topic(EdgeDetections, f"{base}/detections", qos.ANSWERS, (messages.detections(**key),)),
                Topic(DelayFeedback, f"{base}/delay_feedback", qos.ANSWERS, feedback),
            ),
        }
        for topic in topics[of]:
            storm(fuzz, watcher, node, topic)
        _gets_detections(watcher, compressed)


@pytest.mark.full
def test_a_link_and_a_recorder_pass_on_any_bytes(fuzz: Fuzz, processes: Processes, tmp_path: Path) -> None:
    """Neither reads what it passes on, so nothing is lost. The test reads a parameter of the link."""
    path = tmp_path / "run.mcap"
    processes.start("neurosurgeon", "record", path, keep_signals=True).wait_for_output("records ")
    recorder = processes.started[-1]
    process = processes.start("link_node", "--ros-args", "-p", "uplink_mbps:=100000.0")
    with watching() as watcher:
        node = Asked(watcher, process, "link_node")
        last = PartitionDecision(sequence=2**40)
        decisions = Topic(PartitionDecision, "robot_node/decision", qos.DECISION, (PartitionDecision(sequence=7),))
        requests = Topic(PartialInference, "/neurosurgeon/uplink", qos.PARTIAL_INFERENCE, (messages.probe(),))
        storm(fuzz, watcher, node, requests)
        storm(fuzz, watcher, node, decisions, last=last)
        watcher.until(lambda: last in watcher.decisions, "a good decision")
    assert recorder.end() == 0
    with path.open("rb") as stream:
        recorded = [message.data for *_, message in make_reader(stream).iter_messages(["/robot_node/decision"])]
    assert deserialize_message(recorded[-1], PartitionDecision) == last


def _gets_detections(watcher: Watcher, compressed: bool) -> None:
    """Publish a camera's images until one of them gets its detections."""
    publisher: Any = watcher.camera
    if compressed:
        publisher = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", qos.SENSOR_DATA)
    picture, shown = np.full((480, 640, 3), 99, np.uint8), Header(frame_id="good")

    def answered() -> bool:
        return any(message.header == shown for message in watcher.detections)

    def show() -> None:
        publisher.publish(to_compressed(picture, shown) if compressed else from_bgr(picture, shown))

    timer = watcher.node.create_timer(0.3, show)
    watcher.until(answered, "detections of a good image")
    watcher.node.destroy_timer(timer)
    decided: list[PartitionDecision] = watcher.decisions
    watcher.until(lambda: any(decision.header == shown for decision in decided), "its decision")
