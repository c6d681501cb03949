# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Detect peers that are discovered but never heard, and explain why.

Discovery has its own transport: two processes may know each other's topics although no message passes between them. The
graph shows this, because a node's name travels as a message: an endpoint that gets no name belongs to a process that is
not heard. On one machine the cause is shared memory that the two processes cannot share. It belongs to another user
(Fast DDS opens it for writing, and makes it accessible to its own user only), or it is in another /dev/shm. Over UDP
the processes hear each other.

Other DDS implementations use no shared memory by default, and Zenoh shows every node with its name. With them, a
network that passes only small messages remains as the cause.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from neurosurgeon_ros.ros.peers import full_name, is_named
from neurosurgeon_ros.ros.process.dds import Transport, applied_transport
from neurosurgeon_ros.ros.process.middleware import is_fast_dds
from neurosurgeon_ros.ros.process.shared_memory import read_ports
from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY

#: Seconds without a name after which an endpoint counts as unheard.
UNHEARD_S = 3.0

#: Seconds after which the graph has dropped a process that was killed before it sent its name.
FORGOTTEN_S = 25.0

#: Fast DDS identifiers begin with two bytes for the vendor and two bytes for the machine.
_MACHINE = slice(0, 4)

_PORT = re.compile(r"fast(?:rtps|dds)_port(\d+)")

#: Ports of a domain, as defined by the DDS interoperability wire protocol (RTPS 2.5, 9.6.2.3).
FIRST_PORT, PORTS_OF_DOMAIN = 7400, 250


@dataclass(frozen=True, slots=True)
class Unheard:
    """
    The reason why messages of a peer do not arrive.

    :param text: a sentence that stays the same while the cause does.
    :param helps_udp: whether the messages will arrive without shared memory.
    :param certain: whether the cause is certain; otherwise the peer may have been killed instead.
    """

    text: str
    helps_udp: bool
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Port:
    """
    A port in shared memory.

    :param owner: user id of the owner.
    :param mode: permission bits.
    """

    path: Path
    owner: int
    mode: int


class UnheardPeers:
    """The publishers of topics that a node has discovered and not heard. Use only from the executor's thread."""

    def __init__(self, node: Node, *, folder: Path = SHARED_MEMORY) -> None:
        self._node = node
        self._folder = folder
        self._since_s: dict[bytes, float] = {}

    def look(self, topics: Iterable[str]) -> Unheard | None:
        """
        Return why a publisher is not heard, for the one that is unheard longest; call about once per second.

        :param topics: fully resolved names.
        """
        now_s, since_s = time.monotonic(), {}
        topic_of: dict[bytes, str] = {}
        for topic in topics:
            for info in self._node.get_publishers_info_by_topic(topic):
                if not is_named(info):
                    identifier = bytes(info.endpoint_gid)
                    since_s[identifier] = self._since_s.get(identifier, now_s)
                    topic_of[identifier] = topic
        self._since_s = since_s
        identifier = min(since_s, key=since_s.__getitem__, default=b"")
        unheard_s = now_s - since_s.get(identifier, now_s)
        own = self._own_identifier() if unheard_s >= UNHEARD_S else b""
        if not own:
            return None
        domain = self._node.context.get_domain_id()
        near = is_fast_dds() and own[_MACHINE] == identifier[_MACHINE]
        deaf = explain(
            topic_of[identifier],
            domain=domain,
            ports=others_ports(domain, self._folder) if near else None,
            user=os.geteuid(),
            transport=applied_transport(),
        )
        return deaf if deaf.certain or unheard_s >= FORGOTTEN_S else None

    def _own_identifier(self) -> bytes:
        """Return the identifier of one of the node's own publishers; empty if the graph does not know any yet."""
        name = self._node.get_fully_qualified_name()
        infos: Sequence[TopicEndpointInfo] = self._node.get_publishers_info_by_topic("/diagnostics")
        return next((bytes(info.endpoint_gid) for info in infos if is_named(info) and full_name(info) == name), b"")


def explain(
    topic: str, *, domain: int, ports: Sequence[Port] | None, user: int, transport: Transport | None
) -> Unheard:
    """
    Explain why the publisher of a topic is not heard.

    :param domain: ROS domain id.
    :param ports: ports of the domain's other processes in this /dev/shm; None if the publisher is on another machine.
    :param user: user id of this process.
    :param transport: transport of this process; None if this package does not determine it.
    """
    heard = f"a publisher of {topic} is there, and nothing that its process sends arrives"
    first = FIRST_PORT + PORTS_OF_DOMAIN * domain
    if ports is None:
        return Unheard(
            f"{heard}: let the firewalls of both machines pass UDP to the ports {first} to "
            f"{first + PORTS_OF_DOMAIN - 1}, and see that both networks have the same MTU (`ip link`)",
            False,
        )
    if transport is Transport.UDP:
        return Unheard(
            f"{heard}, though both are on this machine and no shared memory is used: let its firewall pass UDP to the "
            f"ports {first} to {first + PORTS_OF_DOMAIN - 1}",
            False,
        )
    other = next((port for port in ports if port.owner != user), None)
    if other is not None:
        cause = (
            f"{other.path} belongs to {user_name(other.owner)} (mode {other.mode:03o}), this process to "
            f"{user_name(user)}, and Fast DDS cannot share memory between users"
        )
    else:
        cause = "both are on this machine, and do not have the same /dev/shm, as in a container without --ipc=host"
    certain = other is not None or not ports
    if transport is None:
        return Unheard(f"{heard}: {cause}; give both a Fast DDS profile without shared memory", False, certain)
    return Unheard(f"{heard}: {cause}", True, certain)


def others_ports(domain: int, folder: Path = SHARED_MEMORY) -> list[Port]:
    """Return the ports of a domain in shared memory, except those from which this process reads."""
    first = FIRST_PORT + PORTS_OF_DOMAIN * domain
    found = []
    try:
        own = read_ports()
        for path in sorted(folder.iterdir()):
            number = _PORT.fullmatch(path.name)
            if number is not None and str(path) not in own and first <= int(number[1]) < first + PORTS_OF_DOMAIN:
                status = path.stat()
                found.append(Port(path, status.st_uid, status.st_mode & 0o777))
    except OSError:  # a port was removed in the meantime
        pass
    return found


def user_name(user: int) -> str:
    """Return the name of a user with its id."""
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except KeyError:
        return f"uid {user}"
