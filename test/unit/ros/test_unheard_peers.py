# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Why nothing is received from a discovered peer, and whether UDP helps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from neurosurgeon_ros.ros.process.dds import Transport
from neurosurgeon_ros.ros.unheard_peers import Port, Unheard, explain, others_ports

ROOT, NOBODY, STRANGER = 0, 65534, 4_000_000_000
PATH = Path("/dev/shm/fastrtps_port7411")
AUTO, UDP = Transport.AUTO, Transport.UDP


def said(ports: Sequence[Port] | None, transport: Transport | None = AUTO, user: int = NOBODY) -> Unheard:
    return explain("/hello", domain=1, ports=ports, user=user, transport=transport)


@pytest.mark.parametrize(
    ("ports", "transport", "text", "helps_udp"),
    [
        ([Port(PATH, ROOT, 0o644)], AUTO, "belongs to root (uid 0) (mode 644), this process to nobody", True),
        ([Port(PATH, NOBODY, 0o644), Port(PATH, STRANGER, 0o600)], AUTO, "to uid 4000000000 (mode 600)", True),
        ([Port(PATH, NOBODY, 0o644)], AUTO, "do not have the same /dev/shm, as in a container", True),
        ([], AUTO, "do not have the same /dev/shm", True),
        ([Port(PATH, ROOT, 0o644)], None, "give both a Fast DDS profile without shared memory", False),
        ([Port(PATH, ROOT, 0o644)], UDP, "no shared memory is used: let its firewall pass UDP", False),
        (None, AUTO, "let the firewalls of both machines pass UDP to the ports 7650 to 7899", False),
        (None, None, "the same MTU", False),
    ],
)
def test_the_cause_is_told(ports: list[Port] | None, transport: Transport | None, text: str, helps_udp: bool) -> None:
    deaf = said(ports, transport)
    assert text in deaf.text
    assert deaf.text.startswith("a publisher of /hello is there, and nothing that its process sends arrives")
    assert deaf.helps_udp is helps_udp


def test_a_peer_that_may_have_been_killed_is_given_time() -> None:
    """What it leaves behind looks as if it had the same /dev/shm."""
    assert not said([Port(PATH, NOBODY, 0o644)]).certain
    assert said([]).certain
    assert said([Port(PATH, ROOT, 0o644)]).certain


def test_ports_are_those_of_the_domain(tmp_path: Path) -> None:
    for name in ("fastrtps_port7650", "fastdds_port7899", "fastrtps_port7900", "fastrtps_port7660_el", "other"):
        (tmp_path / name).touch(mode=0o640)
    found = others_ports(1, tmp_path)
    assert [port.path.name for port in found] == ["fastdds_port7899", "fastrtps_port7650"]
    assert {(port.owner, port.mode) for port in found} == {(os.geteuid(), 0o640)}
    assert others_ports(1, tmp_path / "missing") == []
