# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A robot's links to all its edges: hellos to them, their statuses, and a link to each.

The first link uses the topics of the namespace, as the only edge does. Each edge with topics of its own has another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from rclpy.node import Node

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import EdgeStatus, PartialInference, RobotHello
from neurosurgeon_ros.nodes.links.edge_link import EdgeLink, Ends
from neurosurgeon_ros.protocol.presence import ANY_EDGE, EdgeReport, is_id
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.robot.uplink.inbox import Inbox
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import destroy, steady_timer
from neurosurgeon_ros.ros.hellos import Hellos
from neurosurgeon_ros.ros.intake import SMALL_BYTES, Intake, shorten
from neurosurgeon_ros.ros.messages import to_edge_report
from neurosurgeon_ros.ros.peers import LOOK_PERIOD_S, Peers

#: Seconds between hellos.
HELLO_PERIOD_S = 0.5

#: Seconds between checks whether the edges are still there.
WATCH_PERIOD_S = 0.1

#: Maximum number of edges that are checked as soon as they are heard; others wait for the next periodic check.
MAX_KNOWN = 64

#: Maximum number of edges with topics of their own, and seconds of silence after which the link to one is closed.
MAX_EDGES, GONE_S = 8, 10.0


class EdgeLinks:
    """
    Listens to edges, and makes a link to each. For the executor's thread.

    :param hellos: holds the robot's id.
    :param namespace: namespace of the topics between robot and edge.
    :param admitted: ids of the edges that may be used, or :data:`.ANY_EDGE`.
    :param lifespan_s: seconds after which a request that has not reached the edge is no longer sent, > 0.

    :ivar first: the link that uses the topics of the namespace.
    :ivar others: the links to edges with topics of their own, by the edges' ids.
    """

    def __init__(
        self,
        node: Node,
        hellos: Hellos,
        *,
        namespace: str,
        admitted: Collection[str],
        identity: Identity,
        engine: Engine,
        lifespan_s: float,
    ) -> None:
        self._node = node
        self._hellos = hellos
        self._namespace = namespace
        self._admitted = frozenset(admitted)
        self._fingerprint = engine.fingerprint
        self._peers = Peers(node)
        self._foreign: dict[str, str] = {}
        self._known: set[str] = set()
        self._heard_s: dict[str, float] = {}
        self._candidates: set[str] = set()
        self._rivals = ""
        self._add: Callable[[str, EdgeLink], Inbox] | None = None
        self._remove: Callable[[str], None] = lambda _edge: None
        self.intake = Intake(node)
        self._ends = Ends(node, hellos, self.intake, identity, engine, lifespan_s)
        self.first = EdgeLink(self._ends, namespace)
        self.others: dict[str, EdgeLink] = {}
        self._status = self.intake.subscribe(
            EdgeStatus, f"{namespace}/status", self._on_status, qos.PRESENCE, max_bytes=SMALL_BYTES
        )
        self._timers = (
            steady_timer(node, HELLO_PERIOD_S, hellos.say),
            steady_timer(node, WATCH_PERIOD_S, self._look),
            steady_timer(node, LOOK_PERIOD_S, self._check_peers),
        )

    def connect(self, inbox: Inbox, *, add: Callable[[str, EdgeLink], Inbox], remove: Callable[[str], None]) -> None:
        """
        Set who is told of the edges; call once, before the first frame.

        :param inbox: takes the answers of the first link's edge.
        :param add: called with the id of each other edge and the link to it; returns the inbox for its answers.
        :param remove: called with the id of an edge that is gone.
        """
        self.first.connect(inbox)
        self._add, self._remove = add, remove
        self._hellos.say()

    def close(self) -> None:
        """Destroy everything; the pipeline must have stopped."""
        for link in (self.first, *self.others.values()):
            link.close()
        destroy(self._node, *self._timers, self._status)

    @property
    def status_topic(self) -> str:
        """Return the topic on which edges publish their status."""
        return str(self._status.topic_name)

    @property
    def edges(self) -> tuple[EdgeReport, ...]:
        """Return the last statuses of the edges that are there."""
        reports = [link.edge for link in (self.first, *self.others.values())]
        return tuple(report for report in reports if report is not None)

    def link(self, name: str) -> EdgeLink:
        """Return the link with a name: the id of an edge, or "" for the first one, as for an edge that is gone."""
        return self.others.get(name, self.first)

    def describe(self, expected_s: Mapping[str, float]) -> str:
        """
        Return the edges that are there, with the delays that the robot expects of them, for display.

        :param expected_s: seconds by the names of the links, as far as they are known.
        """
        texts = []
        for report in self.edges:
            delay_s = expected_s.get(report.edge_id if report.has_own_topics else "")
            texts.append(report.edge_id if delay_s is None else f"{report.edge_id} {1e3 * delay_s:.0f} ms")
        return ", ".join(texts) or "none"

    @property
    def mistakes(self) -> tuple[str, ...]:
        """Return sentences about edges that are in each other's way."""
        twins = (link.twins for link in (self.first, *self.others.values()))
        return tuple(filter(None, (self._rivals, *twins)))

    def _look(self) -> None:
        """Track the edges, log what changes, and close the links to those that have been gone for a while."""
        log, now_s = self._node.get_logger(), time.monotonic()
        if self.first.look():
            obstacle = self.first.obstacle()
            if obstacle is None:
                log.info(f"uses the edge {self.first.edge_id}")
            elif obstacle.is_mistake:
                log.error(obstacle.text)
            elif not self.others:
                log.warning(f"works without the edge: {obstacle.text}")
        for edge, link in list(self.others.items()):
            if link.look():
                obstacle = link.obstacle()
                if obstacle is None:
                    self._candidates.add(edge)
                    log.info(f"the edge {edge} is a candidate")
                elif obstacle.is_mistake:
                    log.error(obstacle.text)
                elif edge in self._candidates:  # nobody misses an edge that never served this robot
                    self._candidates.discard(edge)
                    log.warning(f"the edge {edge} cannot be used: {obstacle.text}")
            if now_s - self._heard_s[edge] > GONE_S:
                self._remove(edge)
                del self.others[edge], self._heard_s[edge]
                link.close()

    def _check_peers(self) -> None:
        """Find peers that would misread this robot's messages, or whose messages this robot would misread."""
        links = (self.first, *self.others.values())
        self._foreign = self._peers.foreign(RobotHello, self._hellos.topic, publishers=False)
        self._foreign |= self._peers.foreign(EdgeStatus, self._status.topic_name, subscriptions=False)
        for link in links:
            self._foreign |= self._peers.foreign(PartialInference, link.requests_topic, publishers=False)
            for kind, topic in link.publishing.items():
                self._foreign |= self._peers.foreign(kind, topic, subscriptions=False)
        self._peers.say_new(self._foreign.values())

    def _on_status(self, message: EdgeStatus) -> None:
        self._peers.check_version(message, self._status.topic_name)
        if message.node not in self._known and len(self._known) < MAX_KNOWN:
            self._known.add(message.node)
            self._check_peers()
        if message.node in self._foreign:
            self.intake.refused["of a node with other message types"] += 1
            return
        report = to_edge_report(message)
        if ANY_EDGE not in self._admitted and report.edge_id not in self._admitted:
            self.intake.refused["of an edge that is not in `edges`"] += 1
        elif report.has_own_topics:
            self._hear_other(report)
        else:
            self._hear_first(report)

    def _hear_first(self, report: EdgeReport) -> None:
        rival, ours = self.first.edge, self._fingerprint
        if rival is not None and rival.edge_id != report.edge_id and ours in rival.models and ours in report.models:
            self._rivals = (
                f"the edges {shorten(rival.edge_id)} and {shorten(report.edge_id)} take requests on the same topic: "
                "start all edges of a namespace but one with own_topics"
            )
        self.first.hear(report)

    def _hear_other(self, report: EdgeReport) -> None:
        """Record the status of an edge with topics of its own, and make a link to it if it serves the model."""
        edge = report.edge_id
        link = self.others.get(edge)
        if link is None:
            link = self._make(edge, report)
        if link is not None:
            self._heard_s[edge] = time.monotonic()
            link.hear(report)

    def _make(self, edge: str, report: EdgeReport) -> EdgeLink | None:
        """Make a link to an edge. Return None, after saying why, if the robot cannot use the edge."""
        ours = self._fingerprint[:12]
        if self._add is None:
            return None
        if not is_id(edge):
            said = f"the edge id {edge!r} is not a letter followed by [a-z0-9_]: give it another edge_id"
        elif self._fingerprint not in report.models:
            said = f"the edge {edge} has no model {ours}: start both with the same model and weights"
        elif len(self.others) >= MAX_EDGES:
            said = f"the edge {edge} is one too many, this robot knows {MAX_EDGES}: name the ones to use in `edges`"
        else:
            link = self.others[edge] = EdgeLink(self._ends, report.base(self._namespace))
            link.connect(self._add(edge, link))
            self._hellos.say()
            return link
        self.intake.refuse("edge", said)
        return None
