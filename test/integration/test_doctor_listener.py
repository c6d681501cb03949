# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the doctor makes of messages: valid ones are kept, and others are told without ending it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.node import Node
from watcher import watching

from neurosurgeon_ros.doctor.gather.listener import PREFIX, HeardEdge, HeardRobot, Listener
from neurosurgeon_ros.doctor.gather.probe import Prober
from neurosurgeon_ros.msg import EdgeStatus, RobotHello
from neurosurgeon_ros.protocol.presence import EdgeReport, to_id
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.middleware import VARIABLE

WAIT_S = 30.0


@pytest.fixture
def listener(ros_domain: int) -> Iterator[Listener]:
    context = Context()
    rclpy.init(context=context, args=[])
    listener = Listener(context, "/neurosurgeon")
    yield listener
    listener.close()
    context.try_shutdown()


def status(**changes: object) -> EdgeStatus:
    fields = {"protocol_version": PROTOCOL_VERSION, "edge_id": "e", "session": 3, "node": "/edge", "load": 0.5}
    return EdgeStatus(**{**fields, "models": ["m"], "fingerprints": ["f"], **changes})


def hello(**changes: object) -> RobotHello:
    fields = {"protocol_version": PROTOCOL_VERSION, "robot_id": "r", "session": 5, "fingerprint": "f", "node": "/r"}
    return RobotHello(**{**fields, **changes})


def test_without_fast_dds_names_tell_what_runs_on_this_machine(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "rmw_cyclonedds_cpp")
    host = socket.gethostname()
    assert listener.robot_is_near(HeardRobot(hello(host=host)))
    assert not listener.robot_is_near(HeardRobot(hello(host=f"not_{host}")))
    for edge_id, near in ((to_id(f"{host}_/edge"), True), ("other_edge", False)):
        report = EdgeReport(edge_id, 3, {}, {})
        assert listener.edge_is_near(HeardEdge("/edge", report, status(), status())) is near


def test_bad_messages_are_told_and_good_ones_are_kept(listener: Listener) -> None:
    with watching() as watcher:
        node: Node = watcher.node
        statuses = node.create_publisher(EdgeStatus, "/neurosurgeon/status", qos.PRESENCE)
        hellos = node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        reports = node.create_publisher(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        # The watcher subscribes to statuses and diagnostics as well.
        ends = {statuses: 2, hellos: 1, reports: 2}
        listener.spin(WAIT_S, lambda: all(one.get_subscription_count() == count for one, count in ends.items()))
        listener.spin(WAIT_S, listener.machine)
        listener.spin(WAIT_S, lambda: listener.machine_of("/neurosurgeon/status", "/watcher"))

        statuses.publish(b"\x00\x01\x00\x00\xff")
        statuses.publish(status(load=7.0))
        statuses.publish(status(protocol_version=9))
        hellos.publish(hello(protocol_version=9))
        hellos.publish(hello(robot_id=f"{PREFIX}_1"))
        reports.publish(b"\x00\x01\x00\x00\xff")
        listener.spin(WAIT_S, lambda: len(listener.problems) == 4)
        assert not listener.edges and not listener.robots and not listener.reports
        said = "\n".join(sorted(listener.problems))
        assert "/neurosurgeon/status: 5 bytes came that are no EdgeStatus" in said
        assert "has load 7.0, expected 0 to 1" in said
        assert said.count("install the same version of neurosurgeon_ros on both sides") == 2

        for requests, refused in ((10, 1), (30, 4)):
            statuses.publish(status(requests=requests, refused=refused, queue_length=2))
        hellos.publish(hello())
        reports.publish(DiagnosticArray(status=[DiagnosticStatus(name="/r", message="a\nb", level=b"\x01")]))
        listener.spin(WAIT_S, lambda: listener.robots and listener.reports and len(listener.edges.get("e").queues) == 2)
        edge = listener.edges["e"]
        assert (edge.last.requests - edge.first.requests, edge.loads, edge.queues) == (20, [0.5, 0.5], [2, 2])
        assert abs(edge.clock_ahead_s) < 5.0
        assert (listener.reports["/r"].level, listener.reports["/r"].message) == ("warning", "a?b")
        assert listener.machine_of("/neurosurgeon/status", "/watcher") == listener.machine()

        hellos.publish(hello(fingerprint=""))
        listener.spin(WAIT_S, lambda: not listener.robots)
        assert not listener.robots, "a goodbye ends a robot"


def test_an_edge_that_never_answers_is_told_without_waiting_for_ever(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurosurgeon_ros.doctor.gather.probe.MEET_S", 0.2)
    with watching() as watcher:
        statuses = watcher.node.create_publisher(EdgeStatus, "/neurosurgeon/status", qos.PRESENCE)
        listener.spin(WAIT_S, lambda: statuses.get_subscription_count() == 2)
        statuses.publish(status())
        listener.spin(WAIT_S, lambda: listener.edges)
        prober = Prober(listener, listener.edges["e"])
        found = prober.probe()
        prober.close()
    assert found.is_unanswered
    assert not [name for name, _ in listener.node.get_topic_names_and_types() if name.endswith("/delay_feedback")]
