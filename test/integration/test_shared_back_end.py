# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several robots that send requests to one edge at once: they share its back-end, and each gets its own detections."""

from __future__ import annotations

import array
import math
import re
import signal
from collections.abc import Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from pictures import video_frame
from rclpy.qos import QoSProfile
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Letterbox
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.result_messages import from_detections

ROBOTS = 5
#: Maximum difference of a box in pixels; maximum difference of a score. Batches round differently.
PIXELS, SCORE = 1e-3, 1e-4


class Crowd:
    """Robots played by the test, which all request the back-end of the whole network."""

    def __init__(self, watcher: Watcher, engine: Engine) -> None:
        self.watcher, self.engine = watcher, engine
        self.image = engine.arms(["uint8"])[0]
        self.names = [f"robot_{number}" for number in range(ROBOTS)]
        self.feedback: dict[tuple[str, int], DelayFeedback] = {}
        self.detections: dict[tuple[str, int], EdgeDetections] = {}
        self.batched = 0
        node = watcher.node
        self._hello = node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        self._requests = node.create_publisher(
            PartialInference, "/neurosurgeon/partial_inference", QoSProfile(depth=2 * ROBOTS)
        )
        self._heard = []
        for name in self.names:
            for kind, topic, heard in (
                (DelayFeedback, "delay_feedback", self.feedback),
                (EdgeDetections, "detections", self.detections),
            ):
                self._heard.append(
                    node.create_subscription(
                        kind,
                        f"/neurosurgeon/{name}/{topic}",
                        lambda message, heard=heard: heard.update({(message.robot_id, message.sequence): message}),
                        qos.ANSWERS,
                    )
                )
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)
        node.create_timer(0.2, self.hello)

    def hello(self) -> None:
        for name in self.names:
            self._hello.publish(
                RobotHello(
                    protocol_version=PROTOCOL_VERSION, robot_id=name, session=5, fingerprint=self.engine.fingerprint
                )
            )

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.batched = next((int(one.value) for one in status.values if one.key == "batched"), self.batched)

    def meet(self) -> None:
        """Wait until the edge serves all of them, and every topic's endpoints are matched."""
        self.watcher.edge_serves(ROBOTS)
        self.watcher.until(
            lambda: (
                self._requests.get_subscription_count() > 0
                and all(self.watcher.node.count_publishers(one.topic_name) > 0 for one in self._heard)
            ),
            "an edge that serves the test",
        )

    def ask(self, sequence: int) -> None:
        """Send a request of each robot at once, each with its own picture, and wait for the answers."""
        for index, name in enumerate(self.names):
            x, fitted = self.engine.model.preprocess(video_frame(picture_of(index, sequence)))
            (encoded,) = self.engine.encode(self.image, [x])
            self._requests.publish(request(name, sequence, self.engine.fingerprint, encoded, fitted))
        keys = [(name, sequence) for name in self.names]
        self.watcher.until(
            lambda: all(key in self.feedback and key in self.detections for key in keys),
            f"answers to request {sequence}",
        )


def picture_of(robot: int, sequence: int) -> int:
    return 40 * robot + sequence


def request(name: str, sequence: int, fingerprint: str, image: EncodedTensor, fitted: Letterbox) -> PartialInference:
    return PartialInference(
        protocol_version=PROTOCOL_VERSION,
        robot_id=name,
        session=5,
        sequence=sequence,
        fingerprint=fingerprint,
        image_width=fitted.image_width,
        image_height=fitted.image_height,
        scale_x=fitted.scale_x,
        scale_y=fitted.scale_y,
        pad_x=fitted.pad_x,
        pad_y=fitted.pad_y,
        confidence_threshold=0.25,
        iou_threshold=0.45,
        tensors=[
            Tensor(
                name=image.name,
                dtype=image.dtype,
                shape=list(image.shape),
                codec=image.codec,
                data=array.array("B", image.data.tobytes()),
            )
        ],
    )


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


@pytest.mark.full
def test_robots_that_ask_at_once_share_a_back_end_and_get_their_own(processes: Processes, watcher: Watcher) -> None:
    edge = processes.start("edge_node", "--ros-args", "-p", "threads:=1", "-p", "max_batch:=4")
    engine = Engine.load("yolov3_tiny")
    crowd = Crowd(watcher, engine)
    crowd.meet()
    shares = re.search(r"robots may share: .*\binput by", edge.output) is not None
    for sequence in range(1, 6):
        crowd.ask(sequence)
    found = 0
    for index, name in enumerate(crowd.names):
        for sequence in range(1, 6):
            feedback = crowd.feedback[name, sequence]
            assert (feedback.status, feedback.error) == (DelayFeedback.OK, "")
            assert feedback.compute_delay > 0.0 and feedback.queue_delay >= 0.0
            x, fitted = engine.model.preprocess(video_frame(picture_of(index, sequence)))
            outputs = engine.partitioned.run_whole(x)
            wanted = engine.model.postprocess(outputs, fitted, confidence=0.25, iou=0.45)
            boxes = from_detections(wanted, engine.model.labels, None).detections
            got = crowd.detections[name, sequence].detections.detections
            found += len(got)
            assert len(got) == len(boxes)
            for one, other in zip(got, boxes, strict=True):
                assert one.results[0].hypothesis.class_id == other.results[0].hypothesis.class_id
                assert math.isclose(one.results[0].hypothesis.score, other.results[0].hypothesis.score, abs_tol=SCORE)
                for mine, theirs in (
                    (one.bbox.center.position.x, other.bbox.center.position.x),
                    (one.bbox.center.position.y, other.bbox.center.position.y),
                    (one.bbox.size_x, other.bbox.size_x),
                    (one.bbox.size_y, other.bbox.size_y),
                ):
                    assert math.isclose(mine, theirs, abs_tol=PIXELS)
    assert found > ROBOTS, "something is found in the pictures"
    if shares:  # if the edge found at its start that sharing is faster
        watcher.until(lambda: crowd.batched > 0, "requests that shared a back-end")
    assert edge.end(signal.SIGTERM) == 0
