# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The edge: runs back-ends for the robots that send hellos, and answers each with detections and delay feedback."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.parameter import Parameter
from rclpy.publisher import Publisher

from neurosurgeon_ros.diagnostics.edge_health import EdgeHealth, edge_level, stream_values
from neurosurgeon_ros.edge.places.making import load_engine, make_place
from neurosurgeon_ros.edge.places.place import Place
from neurosurgeon_ros.edge.robots import RequestBudget, RobotRegistry
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.edge.shares import parse_weights
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.network_notes import log_network
from neurosurgeon_ros.protocol.presence import session_of, to_id
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION, Feedback, Reply, Status
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy, steady_timer
from neurosurgeon_ros.ros.intake import SMALL_BYTES, Intake, shorten
from neurosurgeon_ros.ros.making import make
from neurosurgeon_ros.ros.managed import ManagedNode
from neurosurgeon_ros.ros.messages import from_edge_detections, from_feedback, to_request
from neurosurgeon_ros.ros.peers import LOOK_PERIOD_S, Peers
from neurosurgeon_ros.ros.process.process import run

#: Seconds between status messages.
STATUS_PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class _Robot:
    """The publishers that the edge has made for one robot."""

    detections: Publisher
    feedback: Publisher


class EdgeNode(ManagedNode[EdgeParameters]):
    """The ROS interface of :class:`neurosurgeon_ros.edge.server.EdgeServer`."""

    def __init__(self, overrides: Sequence[Parameter] = ()) -> None:
        super().__init__("edge_node", EdgeParameters, overrides)
        self._session = secrets.randbits(64)
        self._engine: Engine | None = None
        self._place: Place | None = None
        self._server: EdgeServer | None = None
        self._registry = RobotRegistry()
        self._intake = Intake(self)
        self._peers = Peers(self)
        self._foreign: dict[str, str] = {}
        self._budget = RequestBudget(rate=1.0)
        self._health = EdgeHealth(time.monotonic())
        self._robots: dict[str, _Robot] = {}
        self._robots_lock = threading.Lock()
        self._status: Publisher | None = None
        self._entities: list[object] = []

    @property
    def edge_id(self) -> str:
        """Return the name of this edge, [a-z0-9_]."""
        return to_id(self.parameters.edge_id or f"{socket.gethostname()}_{self.get_fully_qualified_name()}")

    def configure(self) -> None:
        """Load the network and warm it up."""
        parameters = self.parameters
        source, settings = parameters.source, parameters.place
        self._engine = load_engine(source, settings)
        self._place = make_place(self._engine, source, settings, on_problem=self.say_error)
        self.get_logger().info(
            f"serves {parameters.model} {self._engine.fingerprint[:12]} as {self.edge_id} on {self._engine.device}"
            f" in {self._place.where}"
        )
        points, batching = self._engine.partitioned.points, self._place.batching(self._engine.fingerprint)
        shared = [f"{points[p].name} by {max(sizes)}" for p, sizes in batching.stretch.items() if sizes]
        self.get_logger().info(f"back-ends that robots may share: {', '.join(shared) or 'none'}")
        log_network(self.get_logger(), self._engine, random_weights=parameters.random_weights)

    def activate(self) -> None:
        """Start the server and subscribe."""
        assert self._engine is not None and self._place is not None
        self._registry = RobotRegistry(max_robots=self.parameters.max_robots)
        self._health = EdgeHealth(time.monotonic())
        self._budget = RequestBudget(rate=self.parameters.max_request_rate)
        self._server = EdgeServer(
            {self._engine.fingerprint: self._engine},
            self._reply,
            on_problem=self.say_error,
            max_queue=self.parameters.max_queue,
            threads=self.parameters.place.gateway_threads,
            place=self._place,
            stream_bytes=self.parameters.stream_memory_mib << 20,
            weights=parse_weights(self.parameters.robot_weights),
        )
        self._server.start()
        namespace = self.parameters.edge_namespace
        self._status = self.create_publisher(
            EdgeStatus, f"{namespace}/status", qos.PRESENCE, event_callbacks=qos.QUIET_PUBLISHER
        )
        self._entities = [
            self._status,
            self._intake.subscribe(
                RobotHello, f"{namespace}/hello", self._on_hello, qos.HELLOS_OF_ALL, max_bytes=SMALL_BYTES
            ),
            self._intake.subscribe(
                PartialInference,
                f"{self.parameters.base(self.edge_id)}/partial_inference",
                self._on_request,
                qos.requests_of(self.parameters.max_robots),
                max_bytes=self.parameters.max_request_bytes,
            ),
            steady_timer(self, STATUS_PERIOD_S, self._publish_status),
            steady_timer(self, LOOK_PERIOD_S, self._check_peers),
        ]
        self._publish_status()

    def deactivate(self) -> None:
        """Stop the server after it has answered the requests in progress."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        destroy(self, *self._entities)
        self._entities, self._status = [], None
        with self._robots_lock:
            robots, self._robots = self._robots, {}
        for robot in robots.values():
            destroy(self, robot.detections, robot.feedback)

    def cleanup(self) -> None:
        """Free the network and what runs it."""
        place, self._place, self._engine = self._place, None, None
        if place is not None:
            place.stop()

    def expected_from(self) -> tuple[str, ...]:
        """Return the topic of hellos while the server runs."""
        return (f"{self.parameters.edge_namespace}/hello",) if self._server is not None else ()

    def diagnostics(self) -> tuple[bytes, str, dict[str, object]]:
        """Return the diagnostics: which robots the edge serves, and how busy it is."""
        assert self._server is not None
        robots = sorted(self._registry.sessions())
        recent, health = self._health.look(time.monotonic())
        values: dict[str, object] = {
            "robots": ", ".join(robots),
            **health,
            "batched": self._server.counts.batched,
            "queue length": self._server.queue_length,
            "load": f"{self._server.load():.2f}",
            "load by robot": ", ".join(f"{name} {share:.2f}" for name, share in sorted(self._server.used().items())),
            **stream_values(self._server.streams.counts),
            **self._intake.diagnostics(),
        }
        return *edge_level(recent, len(robots)), values

    def _on_hello(self, message: RobotHello) -> None:
        assert self._engine is not None
        self._peers.check_version(message, f"{self.parameters.edge_namespace}/hello")
        if not message.fingerprint:
            self._on_goodbye(message)
            return
        if message.robot_id not in self._robots:
            self._check_peers()
        if message.node in self._foreign:
            self._intake.refused["of a node with other message types"] += 1
            return
        name = message.robot_id
        before = self._registry.sessions().get(name)
        refused = self._registry.hello(name, message.session, message.fingerprint, time.monotonic())
        if refused:
            self._intake.refuse("robot", refused)
            return
        if before not in (None, message.session) and self._server is not None:
            self._server.forget(name)  # its predecessor fell silent
        if message.fingerprint != self._engine.fingerprint:
            theirs = shorten(f"{message.model} {message.fingerprint[:12]}")
            self.get_logger().error(
                f"robot {name} runs model {theirs}, this edge serves "
                f"{self.parameters.model} {self._engine.fingerprint[:12]}: start both with the same model and weights",
                throttle_duration_sec=5.0,
            )
        if name not in self._robots:
            base = f"{self.parameters.base(self.edge_id)}/{name}"
            robot = _Robot(
                self.create_publisher(
                    EdgeDetections, f"{base}/detections", qos.ANSWERS, event_callbacks=qos.QUIET_PUBLISHER
                ),
                self.create_publisher(
                    DelayFeedback, f"{base}/delay_feedback", qos.ANSWERS, event_callbacks=qos.QUIET_PUBLISHER
                ),
            )
            with self._robots_lock:
                self._robots[name] = robot
            self.get_logger().info(f"robot {name} is here")
            self._publish_status()

    def _on_goodbye(self, message: RobotHello) -> None:
        if self._registry.leave(message.robot_id, message.session, message.model):
            self._forget(message.robot_id)
            self._publish_status()
        elif session_of(message.model) != message.session:
            self._intake.refused["goodbye of somebody else"] += 1

    def _forget(self, name: str) -> None:
        """Free everything that was made for a robot that is gone, and drop its waiting requests."""
        with self._robots_lock:
            robot = self._robots.pop(name, None)
        self._budget.forget(name)
        if self._server is not None:
            self._server.forget(name)
        if robot is not None:
            destroy(self, robot.detections, robot.feedback)
            self.get_logger().info(f"robot {name} is gone")

    def _check_peers(self) -> None:
        """Find robots whose messages would be misread."""
        requests = f"{self.parameters.base(self.edge_id)}/partial_inference"
        self._foreign = {
            **self._peers.foreign(RobotHello, f"{self.parameters.edge_namespace}/hello", subscriptions=False),
            **self._peers.foreign(PartialInference, requests, subscriptions=False),
        }
        self._peers.say_new(self._foreign.values())

    def _on_request(self, message: PartialInference) -> None:
        if self._server is None or not self._registry.holds(message.robot_id, message.session):
            self._intake.refused["request of a robot that is not served"] += 1
            return
        request = to_request(message)
        if self._budget.spend(message.robot_id, time.monotonic()):
            self._server.submit(request)
            return
        self._intake.refused["too many requests"] += 1
        text = f"more than {self.parameters.max_request_rate:g} requests a second came (max_request_rate)"
        self._reply(Reply(Feedback(request.key, Status.OVERLOADED, text), request.header))

    def _reply(self, reply: Reply) -> None:
        """Publish an answer; called from the server's worker, and from the executor's thread for rejected requests."""
        key = reply.feedback.key
        self._health.answered(reply.feedback, time.monotonic())
        with self._robots_lock:
            robot = self._robots.get(key.robot_id)
            if robot is None or self._engine is None:
                return
            if reply.detections is not None:
                labels = self._engine.model.labels
                robot.detections.publish(from_edge_detections(key, reply.detections, labels, reply.header))
            robot.feedback.publish(from_feedback(reply.feedback))
        if reply.feedback.error and reply.feedback.status not in (Status.NOT_HELD, Status.DIVERGED):
            text = shorten(f"robot {key.robot_id}, frame {key.sequence}: {reply.feedback.error}")
            self.get_logger().warning(text, throttle_duration_sec=1.0)

    def _publish_status(self) -> None:
        if self._server is None or self._engine is None or self._status is None:
            return
        for name in self._registry.expire(time.monotonic()):
            self._forget(name)
        sessions, counts = self._registry.sessions(), self._server.counts
        self._status.publish(
            EdgeStatus(
                protocol_version=PROTOCOL_VERSION,
                edge_id=self.edge_id,
                session=self._session,
                node=self.get_fully_qualified_name(),
                models=[self._engine.model.name],
                fingerprints=[self._engine.fingerprint],
                robots=list(sessions),
                robot_sessions=list(sessions.values()),
                queue_length=self._server.queue_length,
                load=self._server.load(),
                requests=counts.requests,
                refused=counts.refused,
                own_topics=self.parameters.own_topics,
            )
        )


def make_edge_node() -> EdgeNode:
    """Make the node, and start it if the parameter `autostart` is set; raises StartError."""
    return make(EdgeNode)


def main(args: list[str] | None = None) -> int:
    """Run the edge node until the process is told to stop; returns the exit code."""
    return run(make_edge_node, args)
