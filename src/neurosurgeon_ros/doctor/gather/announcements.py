# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Listen to the announcements of participants in all domains, without joining them.

Each DDS participant announces itself by multicast, on a port that its domain determines (RTPS 2.5, 9.6.2). A socket for
each domain collects what comes, and is read at the end. Participants that do not use multicast are found by their
sockets if they are on this machine.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from neurosurgeon_ros.ros.unheard_peers import FIRST_PORT, PORTS_OF_DOMAIN

#: Multicast group of announcements, and the first unicast port of a domain after its multicast port: RTPS 2.5, 9.6.2.
GROUP, UNICAST_PORT = "239.255.0.1", 10

#: Domain ids whose ports exist, and those whose ports Linux gives to no other socket.
DOMAINS, SAFE_DOMAINS = range(233), range(102)

#: Participants of one domain and machine whose ports are checked.
_PARTICIPANTS = range(64)

#: Header of an RTPS message: magic, version, vendor, and the prefix of the sender's identifiers.
_HEADER = struct.Struct(">4s2s2s12s")

#: Maximum number of datagrams that are read from one socket, so that a flood does not keep this process.
_MOST = 500

_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000


@dataclass(frozen=True, slots=True)
class Announcement:
    """
    A participant that has announced itself.

    :param address: IPv4 address that it was sent from.
    :param machine: first four bytes of its identifier, which differ between machines.
    """

    domain: int
    address: str
    machine: bytes


class Announcements:
    """
    Collects announcements from construction until :meth:`close`.

    :param domains: domain ids to listen in.
    """

    def __init__(self, domains: Iterable[int] = DOMAINS) -> None:
        self._stack = contextlib.ExitStack()
        self._sockets: dict[int, socket.socket] = {}
        for domain in domains:
            with contextlib.suppress(OSError):  # another program has the port for itself, or there are no more files
                self._sockets[domain] = self._listen(FIRST_PORT + PORTS_OF_DOMAIN * domain)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        self._stack.close()

    def read(self) -> frozenset[Announcement]:
        """Return the announcements that have arrived since the last call; does not wait."""
        found = set()
        for domain, one in self._sockets.items():
            for _ in range(_MOST):
                try:
                    data, (address, _port) = one.recvfrom(65535)
                except OSError:
                    break
                announcement = parse(domain, address, data)
                if announcement is not None:
                    found.add(announcement)
        return frozenset(found)

    def _listen(self, port: int) -> socket.socket:
        one = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", port))
        if not self._sockets:  # Linux gives what one socket asks for to all that are bound to the port
            for number, _name in socket.if_nameindex():
                with contextlib.suppress(OSError):  # an interface without multicast
                    member = struct.pack("4s4si", socket.inet_aton(GROUP), bytes(4), number)
                    one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        return one


def parse(domain: int, address: str, data: bytes) -> Announcement | None:
    r"""
    Read the sender of a datagram.

    :returns: None if the datagram is not an RTPS message.

    >>> parse(7, "10.0.0.2", b"RTPS" + bytes([2, 3, 1, 15]) + bytes(range(12)))
    Announcement(domain=7, address='10.0.0.2', machine=b'\x00\x01\x02\x03')
    >>> parse(7, "10.0.0.2", b"hello")
    """
    if len(data) < _HEADER.size:
        return None
    magic, _, _, prefix = _HEADER.unpack_from(data)
    return Announcement(domain, address, prefix[:4]) if magic == b"RTPS" else None


def domains_here(udp: Path = Path("/proc/net/udp")) -> frozenset[int]:
    """
    Return the domains of which this machine has participants, as the unicast ports of its sockets show.

    :param udp: the kernel's list of UDP sockets.
    """
    try:
        ports = {
            int(port, 16) for port in re.findall(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4})", udp.read_text(), re.MULTILINE)
        }
    except OSError:
        return frozenset()
    return frozenset(
        domain
        for domain in SAFE_DOMAINS
        for number in _PARTICIPANTS
        if {first := FIRST_PORT + PORTS_OF_DOMAIN * domain + UNICAST_PORT + 2 * number, first + 1} <= ports
    )


def neighbours(network: Path = Path("/proc/net")) -> tuple[str, ...]:
    """
    Return the IPv4 addresses of the machines with which this one has exchanged packets lately, except gateways.

    :param network: the kernel's folder of `arp`, link addresses, and `route`.
    """
    try:
        rows = [line.split() for line in (network / "arp").read_text().splitlines()[1:]]
        routes = [line.split() for line in (network / "route").read_text().splitlines()[1:]]
    except OSError:
        return ()
    gateways = {socket.inet_ntoa(struct.pack("=I", int(row[2], 16))) for row in routes if len(row) >= 3}
    return tuple(
        row[0]
        for row in rows
        if len(row) >= 4 and row[2] != "0x0" and row[3] != "00:00:00:00:00:00" and row[0] not in gateways
    )


def interfaces_without_multicast(folder: Path = Path("/sys/class/net")) -> tuple[str, ...]:
    """
    Return the names of network interfaces that are up and do not carry multicast, other than the loopback.

    :param folder: the kernel's folder of interfaces.
    """
    found = []
    for path in sorted(folder.glob("*/flags")):
        try:
            flags = int(path.read_text(), 16)
        except (OSError, ValueError):
            continue
        if flags & _UP and not flags & (_LOOPBACK | _MULTICAST):
            found.append(path.parent.name)
    return tuple(found)
