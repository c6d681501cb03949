# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Gather all facts, in a few seconds, beside running nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import get_rmw_implementation_identifier

from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, find_fidelity
from neurosurgeon_ros.doctor.facts import (
    DiscoveryFacts,
    EdgeFacts,
    Facts,
    LinkFacts,
    Report,
    RobotFacts,
    TransportFacts,
    has_edge,
)
from neurosurgeon_ros.doctor.gather import graph
from neurosurgeon_ros.doctor.gather.announcements import (
    Announcement,
    Announcements,
    domains_here,
    interfaces_without_multicast,
    neighbours,
)
from neurosurgeon_ros.doctor.gather.elsewhere import look_elsewhere
from neurosurgeon_ros.doctor.gather.foreign_memory import foreign_memory
from neurosurgeon_ros.doctor.gather.listener import HeardEdge, HeardRobot, Listener
from neurosurgeon_ros.doctor.gather.machine import look_at_machine, read_counters
from neurosurgeon_ros.doctor.gather.probe import Prober
from neurosurgeon_ros.ros.intake import shorten
from neurosurgeon_ros.ros.process.dds import applied_transport, apply_profile, discovery_is_local, free_bytes
from neurosurgeon_ros.ros.process.middleware import is_fast_dds
from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY
from neurosurgeon_ros.ros.unheard_peers import Unheard, explain, others_ports

#: Seconds between looks at the graph, and for which others are looked for elsewhere.
_LOOK_PERIOD_S, _ELSEWHERE_S = 0.2, 1.2

#: Seconds to go on for if there is an edge that this command has not heard: a slow link is full of frames.
_SLOW_DISCOVERY_S = 8.0


class StartProblem(RuntimeError):
    """ROS 2 does not start in this environment; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """
    What to look at.

    :param robot: fully qualified name of the robot's node; empty: the one on this machine, or any.
    :param namespace: namespace of the topics between robot and edge.
    :param seconds: how long to listen, > 0; the probe of the link and a search for missing nodes come after it.
    :param peers: addresses of machines to ask by unicast if somebody is missing.
    """

    robot: str = ""
    namespace: str = "/neurosurgeon"
    seconds: float = 2.5
    peers: tuple[str, ...] = ()


def look(options: Options) -> Facts:
    """
    Join the ROS graph as another node, and gather all facts.

    It takes a second or two longer than it listens, for the probe of the link or the search for missing nodes.

    :raises StartProblem: if ROS 2 does not start in this environment.
    """
    reach = "LOCALHOST" if discovery_is_local() else os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper()
    before = read_counters()
    apply_profile()
    with ExitStack() as stack:
        announcements = stack.enter_context(Announcements())
        context = Context()
        try:
            rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        except Exception as problem:  # such as a ROS_DOMAIN_ID that is not a number
            said = " ".join(str(problem).split())
            raise StartProblem(f"ROS 2 refuses the environment of this shell: {said}") from None
        stack.callback(rclpy.try_shutdown, context=context)
        listener = Listener(context, options.namespace)
        stack.callback(listener.close)
        unheard = _listen(listener, options.seconds)
        robot = _choose_robot(listener, options.robot)
        edge = _choose_edge(listener, robot)
        silent = {name: report for name, report in listener.reports.items() if _is_inactive(name, report)}
        discovery = _discover(
            listener,
            announcements.read(),
            reach=reach or "SUBNET",
            peers=options.peers,
            missing=(robot is None or edge is None) and unheard is None,
        )
        # Before the probe, which the edge would count as another robot's.
        robot_facts = None if robot is None else _robot_facts(listener, robot)
        edge_facts = None if edge is None else _edge_facts(listener, edge)
        link = LinkFacts(why_not="no edge is heard")
        if edge is not None:
            prober = Prober(listener, edge)
            try:
                link = prober.probe()
            finally:
                prober.close()
        node = "" if robot is None else robot.hello.node
        chosen = [name for name in (node, "" if edge is None else edge.node) if name]
        calibration, unreadable = _calibration(listener, robot)
        return Facts(
            discovery=discovery,
            transport=TransportFacts(
                middleware=get_rmw_implementation_identifier(),
                free_bytes=free_bytes(SHARED_MEMORY),
                unheard=unheard,
                mismatches=graph.mismatches(listener.node, chosen),
                foreign=(*graph.foreign_messages(listener.node, options.namespace), *sorted(listener.problems)),
            ),
            robot=robot_facts,
            edge=edge_facts,
            silent=silent,
            camera=graph.camera_of(listener.node, node, listener.reports.get(node)) if node else None,
            calibration=calibration,
            calibration_problem=unreadable,
            link=link,
            machine=look_at_machine(before),
        )


def _listen(listener: Listener, seconds: float) -> Unheard | None:
    """Receive messages for some seconds; return why a discovered node is not heard, None if all are."""
    nameless, found = graph.Nameless(listener.node), None
    end_s = time.monotonic() + seconds
    late_s = end_s + _SLOW_DISCOVERY_S

    def is_late() -> bool:
        """Return whether an edge is there that is not heard yet."""
        return not listener.edges and (found is not None or any(map(has_edge, listener.reports.values())))

    while (left_s := (late_s if is_late() else end_s) - time.monotonic()) > 0.0:
        listener.spin(min(_LOOK_PERIOD_S, left_s))
        # On a full link, messages may arrive before the name of their node.
        unheard = {"hello": not listener.robots, "status": not listener.edges}
        topics = [f"{listener.namespace}/{name}" for name, is_unheard in unheard.items() if is_unheard]
        found = nameless.look([*topics, *graph.image_topics(listener.node)])
    own, domain, user = listener.machine(), listener.node.context.get_domain_id(), os.geteuid()
    if found is not None and own:
        topic, identifier = found
        near = is_fast_dds() and identifier[: len(own)] == own
        ports = others_ports(domain) if near else None
        return explain(topic, domain=domain, ports=ports, user=user, transport=applied_transport())
    if listener.robots and listener.edges:
        return None
    return foreign_memory(domain, user) if is_fast_dds() else None


def _is_inactive(name: str, report: Report) -> bool:
    """Return whether a report is that of an inactive managed node, see :mod:`neurosurgeon_ros.ros.managed`."""
    failed = report.level == "error" and report.values.keys() == {"last error"}
    return name.startswith("/") and (failed or report.message in ("inactive", "unconfigured"))


def _choose_robot(listener: Listener, name: str) -> HeardRobot | None:
    """Return the robot of that name; without a name, one on this machine if there is one, else any."""
    robots = sorted(listener.robots.values(), key=lambda robot: not listener.robot_is_near(robot))
    return next((robot for robot in robots if name in ("", robot.hello.node)), None)


def _choose_edge(listener: Listener, robot: HeardRobot | None) -> HeardEdge | None:
    """Return the edge that the robot uses; else one that serves its model; else any."""
    report = None if robot is None else listener.reports.get(robot.hello.node)
    used = "" if report is None else report.values.get("edge", "")
    fingerprint = "" if robot is None else robot.hello.fingerprint
    edges = sorted(
        listener.edges.values(),
        key=lambda edge: (edge.report.edge_id != used, fingerprint not in edge.report.models, edge.report.edge_id),
    )
    return next(iter(edges), None)


def _discover(
    listener: Listener, heard: frozenset[Announcement], *, reach: str, peers: Sequence[str], missing: bool
) -> DiscoveryFacts:
    """
    Return who is there, and look elsewhere if somebody is missing.

    :param heard: announcements of all domains.
    """
    own, machine = listener.node.context.get_domain_id(), listener.machine()
    announced = sorted({one.address for one in heard if one.domain == own and one.machine != machine})
    elsewhere: dict[int, tuple[str, ...]] = {}
    by_unicast: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    if missing:
        here, anywhere = domains_here(), {one.domain for one in heard}
        domains = [*sorted(here), *sorted(anywhere - here)]
        asked = tuple(dict.fromkeys((*peers, *neighbours())))
        elsewhere, answered = look_elsewhere(
            own, [domain for domain in domains if domain != own], asked, listener.namespace, _ELSEWHERE_S
        )
        known = {f"the edge {edge.node}" for edge in listener.edges.values()}
        known |= {f"the robot {robot.hello.node}" for robot in listener.robots.values()}
        by_unicast = tuple(one for one in answered if one not in known)
    return DiscoveryFacts(
        domain=own,
        reach=reach,
        elsewhere=elsewhere,
        announced=tuple(announced),
        asked=asked,
        by_unicast=by_unicast,
        without_multicast=interfaces_without_multicast(),
    )


def _calibration(listener: Listener, robot: HeardRobot | None) -> tuple[str, str]:
    """Return what the robot's network was calibrated on, and why that cannot be read; empty if it is not known here."""
    if robot is None or not listener.robot_is_near(robot):
        return "", ""
    try:
        fidelity = find_fidelity(robot.hello.fingerprint)
    except CalibrationProblem as problem:
        return "", str(problem)
    return ("", "") if fidelity is None else (fidelity.images, "")


def _robot_facts(listener: Listener, robot: HeardRobot) -> RobotFacts:
    said = robot.hello
    return RobotFacts(
        node=shorten(said.node),
        robot_id=said.robot_id,
        model=shorten(said.model),
        fingerprint=shorten(said.fingerprint),
        near=listener.robot_is_near(robot),
        clock_ahead_s=robot.clock_ahead_s,
        stamps_behind_s=robot.stamps_behind_s,
        report=listener.reports.get(said.node),
    )


def _edge_facts(listener: Listener, edge: HeardEdge) -> EdgeFacts:
    return EdgeFacts(
        node=edge.node,
        edge_id=edge.report.edge_id,
        models=edge.report.models,
        near=listener.edge_is_near(edge),
        loads=tuple(edge.loads),
        queues=tuple(edge.queues),
        requests=max(0, edge.last.requests - edge.first.requests),
        refused=max(0, edge.last.refused - edge.first.refused),
        clock_ahead_s=edge.clock_ahead_s,
        report=listener.reports.get(edge.node),
    )
