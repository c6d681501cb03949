# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Listen to the robots and edges of a domain: hellos, statuses, decisions and diagnostics."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from neurosurgeon_ros.doctor.facts import Report
from neurosurgeon_ros.msg import EdgeStatus, PartitionDecision, RobotHello
from neurosurgeon_ros.protocol.presence import EdgeReport, to_id
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.intake import DETECTIONS_BYTES, read, shorten
from neurosurgeon_ros.ros.messages import InvalidMessage, check_version, to_edge_report
from neurosurgeon_ros.ros.peers import full_name, is_named
from neurosurgeon_ros.ros.process.middleware import is_fast_dds

#: Prefix of this command's node names and robot ids. It says hello like a robot, to probe the link.
PREFIX = "neurosurgeon_doctor"

#: Maximum number of robots, edges and reports that are kept, so that invented ones do not fill the memory.
_MOST = 256

#: Stamps up to this many seconds after 1970 are on a simulated clock, or none.
_SIMULATED_S = 1_000_000_000

DIAGNOSTICS = "/diagnostics"

_LEVELS = {DiagnosticStatus.OK: "ok", DiagnosticStatus.WARN: "warning"}


@dataclass(slots=True)
class HeardRobot:
    """
    A robot that sends hellos.

    :param clock_ahead_s: its clock minus this machine's.
    :param stamps_behind_s: this machine's clock minus the newest image's stamp.
    """

    hello: RobotHello
    clock_ahead_s: float = math.nan
    stamps_behind_s: float = math.nan


@dataclass(slots=True)
class HeardEdge:
    """An edge that sends statuses: the newest one, and what changes from one to the next."""

    node: str
    report: EdgeReport
    first: EdgeStatus
    last: EdgeStatus
    clock_ahead_s: float = math.nan
    loads: list[float] = field(default_factory=list)
    queues: list[int] = field(default_factory=list)


class Listener:
    """
    Subscribes on construction, until :meth:`close`. Everything happens in the thread that calls :meth:`spin`.

    :param namespace: namespace of the topics between robot and edge.

    :ivar robots: by robot id.
    :ivar edges: by edge id.
    :ivar reports: newest status on /diagnostics, by the name of its node.
    :ivar problems: what messages were not understood, one sentence each.
    """

    def __init__(self, context: Context, namespace: str) -> None:
        self.namespace = namespace
        self.node = Node(
            f"{PREFIX}_{time.time_ns() & 0xFFFFFFFF:08x}",
            context=context,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.robots: dict[str, HeardRobot] = {}
        self.edges: dict[str, HeardEdge] = {}
        self.reports: dict[str, Report] = {}
        self.problems: set[str] = set()
        # Made at once, so that the edge has discovered it when the link is probed.
        self.hellos = self.node.create_publisher(RobotHello, f"{namespace}/hello", qos.PRESENCE)
        self._decisions: set[str] = set()
        for kind, topic, hear, profile in (
            (RobotHello, f"{namespace}/hello", self._on_hello, qos.HELLOS_OF_ALL),
            (EdgeStatus, f"{namespace}/status", self._on_status, qos.PRESENCE),
            (DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, qos.DIAGNOSTICS),
        ):
            self._subscribe(kind, topic, hear, profile)

    def close(self) -> None:
        """Destroy the node."""
        self.executor.shutdown(timeout_sec=0.5)
        self.node.destroy_node()

    def spin(self, seconds: float, until: Callable[[], object] = lambda: False) -> None:
        """Receive messages for some seconds, or until a condition holds."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0 and not until():
            self.executor.spin_once(timeout_sec=min(0.05, left_s))

    def machine(self) -> bytes:
        """Return the first four bytes of this process's identifiers, which its machine determines; empty at first."""
        return self.machine_of(f"{self.namespace}/hello", self.node.get_fully_qualified_name())

    def machine_of(self, topic: str, node: str) -> bytes:
        """Return the same for another node that publishes a topic; empty if the graph does not show it."""
        infos = self.node.get_publishers_info_by_topic(topic)
        return next((bytes(one.endpoint_gid)[:4] for one in infos if is_named(one) and full_name(one) == node), b"")

    def robot_is_near(self, robot: HeardRobot) -> bool:
        """Return whether a robot runs on this machine: by its host's name, unless identifiers name the machine."""
        said = robot.hello
        return self._is_near("hello", said.node) if is_fast_dds() else bool(said.host == socket.gethostname())

    def edge_is_near(self, edge: HeardEdge) -> bool:
        """Return the same for an edge; its default id begins with its host's name."""
        if is_fast_dds():
            return self._is_near("status", edge.node)
        return edge.report.edge_id == to_id(f"{socket.gethostname()}_{edge.node}")

    def _is_near(self, name: str, node: str) -> bool:
        """Return whether a node that publishes a topic has an identifier of this machine, as Fast DDS makes them."""
        own = self.machine()
        return bool(own) and self.machine_of(f"{self.namespace}/{name}", node) == own

    def _subscribe(self, kind: type[Any], topic: str, hear: Callable[[Any, float], None], profile: QoSProfile) -> None:
        """Call `hear` with each valid message, and with the seconds by which its sender's clock is ahead."""

        def receive(data: bytes, info: dict[str, int]) -> None:
            sent, came = info.get("source_timestamp", 0), info.get("received_timestamp", 0) or time.time_ns()
            try:
                message = read(kind, data, max_bytes=DETECTIONS_BYTES)
                hear(message, (sent - came) / 1e9 if sent > 0 else math.nan)
            except InvalidMessage as problem:
                if topic != DIAGNOSTICS and len(self.problems) < _MOST:  # there, all nodes of the domain publish
                    self.problems.add(f"{topic}: {shorten(str(problem))}")

        self.node.create_subscription(
            kind,
            topic,
            receive,  # type: ignore[arg-type]  # rclpy's annotation only covers callbacks without info
            profile,
            raw=True,
            event_callbacks=qos.QUIET_SUBSCRIPTION,
        )

    def _on_hello(self, message: RobotHello, ahead_s: float) -> None:
        if message.robot_id.startswith(PREFIX):
            return
        check_version(message)
        if not message.fingerprint:  # a goodbye
            self.robots.pop(message.robot_id, None)
            return
        robot = self.robots.get(message.robot_id)
        if robot is None:
            if len(self.robots) >= _MOST:
                return
            robot = self.robots[message.robot_id] = HeardRobot(message)
        robot.hello, robot.clock_ahead_s = message, _sooner(robot.clock_ahead_s, ahead_s)
        topic = f"{message.node}/decision"
        if topic not in self._decisions and len(self._decisions) < _MOST and message.node.startswith("/"):
            self._decisions.add(topic)
            self._subscribe(PartitionDecision, topic, self._on_decision, qos.DECISION)

    def _on_decision(self, message: PartitionDecision, _ahead_s: float) -> None:
        robot, stamp = self.robots.get(message.robot_id), message.header.stamp
        if robot is not None and stamp.sec > _SIMULATED_S:
            robot.stamps_behind_s = time.time() - (stamp.sec + 1e-9 * stamp.nanosec)

    def _on_status(self, message: EdgeStatus, ahead_s: float) -> None:
        report = to_edge_report(message)
        edge = self.edges.get(report.edge_id)
        if edge is None or edge.report.session != report.session:
            if len(self.edges) >= _MOST:
                return
            edge = self.edges[report.edge_id] = HeardEdge(shorten(message.node), report, message, message)
        edge.report, edge.last, edge.clock_ahead_s = report, message, _sooner(edge.clock_ahead_s, ahead_s)
        edge.loads.append(report.load)
        edge.queues.append(report.queue_length)

    def _on_diagnostics(self, message: DiagnosticArray, _ahead_s: float) -> None:
        for status in message.status:
            if status.name in self.reports or len(self.reports) < _MOST:
                values = {shorten(one.key): shorten(one.value) for one in status.values}
                level = _LEVELS.get(status.level, "error")
                self.reports[status.name] = Report(level, shorten(status.message), values)


def _sooner(known: float, ahead_s: float) -> float:
    """Return the offset of the message that was on its way for the shortest time."""
    return ahead_s if math.isnan(known) or ahead_s > known else known
