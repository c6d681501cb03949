# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether robot and edge find each other: the ROS domain, and DDS discovery in it."""

from __future__ import annotations

from neurosurgeon_ros.doctor.facts import Facts, has_edge
from neurosurgeon_ros.doctor.finding import Finding, error, ok, skipped
from neurosurgeon_ros.ros.process.middleware import is_zenoh
from neurosurgeon_ros.ros.unheard_peers import FIRST_PORT, PORTS_OF_DOMAIN

DOMAIN, DISCOVERY = "domain", "discovery"

#: Values of the discovery range that keep other machines out.
_SHORT_RANGES = ("LOCALHOST", "OFF")


def missing(facts: Facts) -> tuple[str, ...]:
    """Return which of robot and edge are not heard."""
    return tuple(word for word, one in (("robot", facts.robot), ("edge", facts.edge)) if one is None)


def in_other_domains(facts: Facts) -> dict[int, tuple[str, ...]]:
    """Return the missing nodes that another domain has, in words, by domain."""
    words = tuple(f"the {word} " for word in missing(facts))
    found = {}
    for number, names in facts.discovery.elsewhere.items():
        fitting = tuple(name for name in names if name.startswith(words)) if words else ()
        if fitting:
            found[number] = fitting
    return found


def domain(facts: Facts) -> Finding:
    """Check that no node of this package that is missing here is in another domain."""
    own, others = facts.discovery.domain, in_other_domains(facts)
    if not others:
        return ok(DOMAIN, f"ROS_DOMAIN_ID is {own}")
    listed = "; ".join(
        f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} in domain {number}"
        for number, names in sorted(others.items())
    )
    return error(
        DOMAIN,
        f"{listed}, and this command is in domain {own}",
        "start robot, edge and this command with the same ROS_DOMAIN_ID",
    )


def discovery(facts: Facts) -> Finding:
    """Check that a robot and an edge are heard, and that the robot hears the edge."""
    gone, seen = missing(facts), facts.discovery
    if facts.robot is not None and facts.edge is not None:
        return _both(facts)
    who = " and ".join(f"no {word}" for word in gone)
    if facts.transport.unheard is not None:
        return skipped(DISCOVERY, f"{who} is heard, see transports")
    if in_other_domains(facts):
        return skipped(DISCOVERY, f"{who} is heard, see domain")
    if facts.robot is not None and has_edge(facts.robot.report):
        return skipped(DISCOVERY, "the robot has an edge that this command has not discovered in time, see link rate")
    first = FIRST_PORT + PORTS_OF_DOMAIN * seen.domain
    ports = f"UDP ports {first} to {first + PORTS_OF_DOMAIN - 1}"
    if seen.by_unicast:
        return error(
            DISCOVERY,
            f"multicast is blocked: {' and '.join(seen.by_unicast)} answered to unicast only",
            f"set ROS_STATIC_PEERS to the other machine's address on both ({', '.join(seen.asked)} from here), or let "
            "the network pass multicast to 239.255.0.1",
        )
    if facts.silent:
        name, report = next(iter(sorted(facts.silent.items())))
        return error(
            DISCOVERY,
            f"{who} is active: {name} is there, and says: {report.message}",
            f"remove the cause and activate it, see `ros2 lifecycle get {name}`",
        )
    if is_zenoh(facts.transport.middleware):
        return error(
            DISCOVERY,
            f"{who} is heard",
            "start what is missing and a Zenoh router on each machine, and connect the routers, see "
            "docs/two-machines.md",
        )
    if seen.reach in _SHORT_RANGES:
        return error(
            DISCOVERY,
            f"{who} is heard, and discovery is limited to this machine ({seen.reach})",
            "start what is missing here; if it runs on another machine, set ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET and "
            "unset ROS_LOCALHOST_ONLY on both",
        )
    if seen.without_multicast and not seen.announced:
        device = seen.without_multicast[0]
        return error(
            DISCOVERY,
            f"{who} is heard, and the network interface {device} does not carry multicast",
            f"run `ip link set {device} multicast on`, or set ROS_STATIC_PEERS to the other machine's address on both",
        )
    heard = (
        f"other ROS nodes are, at {', '.join(seen.announced[:3])}"
        if seen.announced
        else "nothing comes from other machines by multicast"
    )
    if seen.asked:
        return error(
            DISCOVERY,
            f"{who} is heard; {heard}, and by unicast {', '.join(seen.asked[:3])} did not answer",
            f"start what is missing; if it runs there, let the firewalls of both machines pass {ports}",
        )
    return error(
        DISCOVERY,
        f"{who} is heard; {heard}",
        "start what is missing; if it runs on another machine, give its address with --peer to see what is in the way",
    )


def _both(facts: Facts) -> Finding:
    robot, edge = facts.robot, facts.edge
    assert robot is not None and edge is not None
    if robot.report is not None and robot.report.values.get("edge") == "none" and facts.transport.unheard is None:
        return error(
            DISCOVERY,
            f"the robot {robot.node} does not hear the edge {edge.edge_id}, which this command hears",
            "start the robot with the ROS_STATIC_PEERS, ROS_AUTOMATIC_DISCOVERY_RANGE and edge_namespace of this shell",
        )
    return ok(DISCOVERY, f"robot {robot.node} ({_where(robot.near)}), edge {edge.edge_id} ({_where(edge.near)})")


def _where(near: bool) -> str:
    return "this machine" if near else "another machine"
