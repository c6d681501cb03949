# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is read from sockets and from the kernel's folders, with files of this test's own."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import pytest

from neurosurgeon_ros.doctor.gather.announcements import (
    GROUP,
    Announcements,
    domains_here,
    interfaces_without_multicast,
    neighbours,
    parse,
)
from neurosurgeon_ros.doctor.gather.foreign_memory import foreign_memory
from neurosurgeon_ros.doctor.gather.machine import Counters, look_at_machine, read_counters

#: A header with the identifier of a participant.
HEADER = b"RTPS" + bytes([2, 3, 1, 15]) + bytes(range(12))
#: A domain whose ports no test uses: others hold 1 to 100.
DOMAIN = 101


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("data", [b"", b"RTPS", b"RTPX" + bytes(16), HEADER[:19]])
def test_a_datagram_that_is_no_announcement_is_ignored(data: bytes) -> None:
    assert parse(7, "10.0.0.2", data) is None


def test_announcements_are_collected_by_domain() -> None:
    with (
        Announcements([DOMAIN, DOMAIN + 1]) as announcements,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        # By multicast, of which every listener on this machine gets a copy, also one of another test.
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        for port, data in ((32650, HEADER), (32650, HEADER), (32650, b"hello"), (32900, HEADER)):
            sender.sendto(data, (GROUP, port))
        found = sorted((one.domain, one.address, one.machine) for one in announcements.read())
        assert found == [(DOMAIN, "127.0.0.1", bytes(range(4))), (DOMAIN + 1, "127.0.0.1", bytes(range(4)))]
        assert announcements.read() == frozenset()


def test_participants_of_this_machine_are_known_by_their_two_ports(tmp_path: Path) -> None:
    rows = [
        f"  {n}: 00000000:{port:04X} 00000000:0000 07" for n, port in enumerate((9160, 9161, 7410, 11924, 11925, 53))
    ]
    write(tmp_path / "udp", "\n".join(["  sl  local_address rem_address   st", *rows]))
    assert domains_here(tmp_path / "udp") == {7, 18}
    assert domains_here(tmp_path / "none") == frozenset()


def test_neighbours_are_those_that_answered_and_are_no_gateway(tmp_path: Path) -> None:
    write(
        tmp_path / "arp",
        "IP address HW type Flags HW address Mask Device\n"
        "10.0.0.2 0x1 0x2 02:00:00:00:00:02 * eth0\n"
        "10.0.0.3 0x1 0x0 00:00:00:00:00:00 * eth0\n"
        "10.0.0.1 0x1 0x2 02:00:00:00:00:01 * eth0\n",
    )
    write(tmp_path / "route", "Iface Destination Gateway Flags\neth0 00000000 0100000A 0003\n")
    assert neighbours(tmp_path) == ("10.0.0.2",)
    assert neighbours(tmp_path / "none") == ()


def test_interfaces_without_multicast_are_named_if_they_are_up(tmp_path: Path) -> None:
    for name, flags in (("eth0", "0x1003"), ("tun0", "0x91"), ("tun1", "0x90"), ("lo", "0x9"), ("odd", "x")):
        write(tmp_path / name / "flags", flags)
    assert interfaces_without_multicast(tmp_path) == ("tun0",)


def test_the_processors_governor_heat_and_quota_are_read(tmp_path: Path) -> None:
    cpu = tmp_path / "sys/devices/system/cpu/cpu0"
    for name, text in {
        "cpufreq/scaling_governor": "powersave\n",
        "cpufreq/scaling_driver": "intel_pstate\n",
        "cpufreq/energy_performance_preference": "power\n",
        "cpufreq/scaling_max_freq": "1000000\n",
        "cpufreq/cpuinfo_max_freq": "4000000\n",
        "thermal_throttle/core_throttle_count": "7\n",
        "thermal_throttle/package_throttle_count": "2\n",
    }.items():
        write(cpu / name, text)
    write(tmp_path / "proc/self/cgroup", "0::/robot.slice\n")
    write(tmp_path / "sys/fs/cgroup/robot.slice/cpu.stat", "usage_usec 5\nthrottled_usec 400000\n")
    assert read_counters(tmp_path) == Counters(throttled=9, quota_us=400_000)
    seen = look_at_machine(Counters(throttled=4, quota_us=100_000), tmp_path)
    assert (seen.governors, seen.driver, seen.preference) == (("powersave",), "intel_pstate", "power")
    assert (seen.throttled, seen.quota_throttled_s, seen.capped) == (5, 0.3, 0.25)


def test_a_kernel_that_shows_no_processor_gives_no_values(tmp_path: Path) -> None:
    seen = look_at_machine(read_counters(tmp_path), tmp_path)
    assert (seen.governors, seen.throttled, seen.quota_throttled_s, seen.capped) == ((), None, None, None)


def test_a_live_port_of_another_user_is_foreign_memory(tmp_path: Path) -> None:
    port = tmp_path / "fastrtps_port32660"
    other = os.geteuid() + 1
    for path in (port, Path(f"{port}_el")):
        path.touch()
    assert foreign_memory(DOMAIN, other, tmp_path) is None, "its owner is dead"
    with Path(f"{port}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = foreign_memory(DOMAIN, other, tmp_path)
        assert found is not None and str(port) in found.text and found.helps_udp
        assert foreign_memory(DOMAIN, os.geteuid(), tmp_path) is None, "it is this user's"
        assert foreign_memory(DOMAIN + 1, other, tmp_path) is None, "it is another domain's"
