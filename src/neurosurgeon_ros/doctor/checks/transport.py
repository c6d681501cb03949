# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether messages travel between nodes that have discovered each other."""

from __future__ import annotations

from neurosurgeon_ros.doctor.facts import Facts, Mismatch
from neurosurgeon_ros.doctor.finding import Finding, error, ok, skipped, warning
from neurosurgeon_ros.ros.process.middleware import is_fast_dds

TRANSPORTS, QOS, MESSAGES = "transports", "quality of service", "messages"

#: Free shared memory below which messages of a node find no room, bytes.
_LITTLE_BYTES = 4 << 20

#: How sentences about other releases and other types go on after their colon; others do not say what to do.
_RELEASE_REMEDIES = ("install ", "remap ")

#: Where the sentence about an unheard peer goes on with what to do.
_REMEDIES = (": let ", "; give ")


def transports(facts: Facts) -> Finding:
    """Check that every discovered node is heard, and that there is shared memory for messages."""
    seen = facts.transport
    if seen.unheard is not None:
        for mark in _REMEDIES:
            what, found, rest = seen.unheard.text.partition(mark)
            if found:
                return error(TRANSPORTS, what, f"{mark[2:]}{rest}")
        return error(
            TRANSPORTS,
            seen.unheard.text,
            "run robot, edge, the camera's driver and this command as one user with one /dev/shm, or start robot and "
            "edge with transport:=udp",
        )
    if not is_fast_dds(seen.middleware):
        return ok(TRANSPORTS, seen.middleware)
    if seen.free_bytes < _LITTLE_BYTES:
        return warning(
            TRANSPORTS,
            f"/dev/shm has {seen.free_bytes / 1e6:.1f} MB left, so messages on this machine go over UDP, which takes "
            "longer",
            "see `ls -l /dev/shm` for what fills it; start a container with --shm-size=256m or --ipc=host",
        )
    return ok(TRANSPORTS, f"{seen.middleware}, {_bytes(seen.free_bytes)} of shared memory free")


def quality_of_service(facts: Facts) -> Finding:
    """Check that all publishers and subscriptions on the topics of robot and edge match."""
    found = facts.transport.mismatches
    if facts.robot is None and facts.edge is None:
        return skipped(QOS, "neither robot nor edge is heard")
    if not found:
        return ok(QOS, "all publishers and subscriptions of robot and edge match")
    # A subscription that gets nothing of a camera stops everything, so it comes first.
    camera = "" if facts.camera is None else facts.camera.topic
    first = next((one for one in found if one.topic == camera), found[0])
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    what = (
        f"{first.publisher} offers {first.offered} on {first.topic}, {first.subscriber} asks for {first.wanted}: "
        f"nothing arrives{more}"
    )
    return error(QOS, what, _match(first, facts))


def _match(one: Mismatch, facts: Facts) -> str:
    if facts.robot is not None and one.subscriber == facts.robot.node:
        return (
            f"remove qos_overrides.{one.topic}.subscription from the robot's parameters, or let the driver offer more"
        )
    return f"let {one.publisher} offer {one.wanted}, or {one.subscriber} ask for {one.offered}"


def messages(facts: Facts) -> Finding:
    """Check that robot and edge have the same message types and protocol version."""
    if facts.transport.foreign:
        what, _, remedy = facts.transport.foreign[0].rpartition(": ")
        if remedy.startswith(_RELEASE_REMEDIES):
            return error(MESSAGES, what, remedy)
        return error(MESSAGES, facts.transport.foreign[0], "see who publishes it with `ros2 topic info --verbose`")
    if facts.robot is None and facts.edge is None:
        return skipped(MESSAGES, "neither robot nor edge is heard")
    return ok(MESSAGES, "the same types and protocol version everywhere")


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
