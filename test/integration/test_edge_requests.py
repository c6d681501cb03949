# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An edge's answers to requests that no correct robot sends, and a robot with another model."""

from __future__ import annotations

import array
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest
from asker import SIDE, Asker
from std_msgs.msg import String
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import DelayFeedback, EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

#: Maximum memory of an edge, in bytes: mostly torch and the network, and no memory reserved for bounded messages.
EDGE_BYTES = 900 << 20


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def edge_of(processes: Processes, *values: str) -> Process:
    return processes.start("edge_node", "--ros-args", "-p", "threads:=1", *(w for v in values for w in ("-p", v)))


def tensor(**fields: object) -> Callable[[PartialInference], None]:
    def change(request: PartialInference) -> None:
        for name, value in fields.items():
            setattr(request.tensors[0], name, value)

    return change


def field(name: str, value: object) -> Callable[[PartialInference], None]:
    return lambda request: setattr(request, name, value)


BAD: tuple[tuple[Callable[[PartialInference], object], int, str], ...] = (
    (field("fingerprint", "0" * 64), DelayFeedback.MODEL_MISMATCH, "000000000000"),
    (field("partition_point", 60000), DelayFeedback.INVALID, "partition point 60000"),
    (field("tensors", []), DelayFeedback.INVALID, "0 tensors"),
    (field("image_width", 0), DelayFeedback.INVALID, "image_width"),
    (field("scale_x", float("nan")), DelayFeedback.INVALID, "scale_x"),
    (field("confidence_threshold", float("nan")), DelayFeedback.INVALID, "confidence_threshold"),
    (tensor(shape=[1, 3, 2**31, 2**31]), DelayFeedback.INVALID, "2147483648"),
    (tensor(dtype="float64"), DelayFeedback.INVALID, "float64"),
    (tensor(codec="pickle"), DelayFeedback.INVALID, "pickle"),
    (tensor(data=array.array("B", b"1234")), DelayFeedback.INVALID, "4 bytes"),
    (tensor(data=array.array("B", bytes(SIDE * SIDE * 3 + 1))), DelayFeedback.INVALID, "519169 bytes"),
)


def test_a_bad_request_gets_its_reason_and_the_edge_lives(processes: Processes, watcher: Watcher) -> None:
    edge = edge_of(processes)
    asker = Asker(watcher)
    asker.meet()
    good = asker.ask()
    assert (good.status, good.error) == (DelayFeedback.OK, "")
    assert good.compute_delay > 0.0
    watcher.until(lambda: asker.detections, "detections, which may come after the feedback")
    assert [message.sequence for message in asker.detections] == [good.sequence]

    for change, status, said in BAD:
        feedback = asker.ask(change)
        assert (feedback.status, feedback.compute_delay) == (status, 0.0), said
        assert said in feedback.error
    watcher.until(lambda: "requests were invalid" in watcher.diagnostics.get("/edge_node", ""), "the edge's warning")
    # Messages of another version, kind or session are not answered, and do no harm.
    for name, value in (("protocol_version", 99), ("kind", 7), ("session", 6)):
        asker.send(field(name, value))
    again = asker.ask()
    assert again.status == DelayFeedback.OK
    answered = [message.sequence for message in asker.feedback]
    assert answered == [*range(1, len(BAD) + 2), again.sequence]
    watcher.until(lambda: len(asker.detections) == 2, "detections of the good requests alone")
    assert "FATAL" not in edge.output
    assert psutil.Process(edge.popen.pid).memory_info().rss < EDGE_BYTES
    watcher.until(lambda: watcher.statuses[-1].refused == len(BAD), "the edge's own count")
    assert watcher.statuses[-1].robots == ["asker"]
    assert edge.end(signal.SIGTERM) == 0


def test_peers_of_another_version_or_type_are_named_and_not_listened_to(processes: Processes, watcher: Watcher) -> None:
    edge = edge_of(processes)
    node = watcher.node
    hello = node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
    watcher.until(lambda: watcher.statuses and hello.get_subscription_count() == 1, "the edge")
    other = RobotHello(protocol_version=99, robot_id="asker", session=5, fingerprint="f" * 64)
    hellos = node.create_timer(0.5, lambda: hello.publish(other))
    watcher.until(lambda: "/neurosurgeon/hello is published by /watcher" in edge.output, "the peer's name")
    node.destroy_timer(hellos)
    assert "RobotHello has protocol version 99, this node speaks" in edge.output

    # Messages with another layout would be delivered if topic and type name are equal. The graph shows the difference.
    node.create_publisher(String, "/neurosurgeon/partial_inference", 10)
    edge.wait_for_output("not listened to: /watcher has std_msgs/msg/String on /neurosurgeon/partial_inference")
    watcher.statuses.clear()
    hello.publish(
        RobotHello(
            protocol_version=PROTOCOL_VERSION, robot_id="asker", session=5, node="/watcher", fingerprint="f" * 64
        )
    )
    watcher.until(lambda: len(watcher.statuses) > 2, "statuses after the hello")
    assert watcher.statuses[-1].robots == []
    assert edge.end(signal.SIGTERM) == 0


def test_another_model_is_said_on_both_sides_and_the_robot_works_alone(processes: Processes, watcher: Watcher) -> None:
    robot = processes.start(
        "robot_node",
        *("--ros-args", "-p", "threads:=1", "-p", "policy:=edge_only", "-p", "codecs:=[uint8]"),
    )
    asker = Asker(watcher)
    watcher.robot_is_there()
    # The test acts as an edge with another model ...
    statuses = watcher.node.create_publisher(EdgeStatus, "/neurosurgeon/status", qos.PRESENCE)
    other = EdgeStatus(
        protocol_version=PROTOCOL_VERSION, edge_id="other", models=["large"], fingerprints=["0" * 64], robots=[]
    )
    watcher.node.create_timer(0.2, lambda: statuses.publish(other))
    watcher.until(lambda: "has no model" in robot.output, "the robot's error")
    assert "start both with the same model and weights" in robot.output
    assert watcher.step().outcome == Outcome.ON_DEVICE
    assert "has no model" in watcher.decisions[-1].reason

    # ... and as a robot with another model.
    edge = edge_of(processes)
    asker.hello()
    watcher.until(lambda: "robot asker runs model" in edge.output, "the edge's error")
    assert "start both with the same model and weights" in edge.output
    # The robot prefers an edge with its own model.
    watcher.step_until(Outcome.EDGE)
