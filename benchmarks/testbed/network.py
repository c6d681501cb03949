# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A link of a given rate between robot and edge, for measuring.

With root: two network namespaces joined by a veth pair, with a token bucket (tbf) on the robot's side, so that the
kernel limits what DDS really sends. Without root: one machine, and an emulated link (see :mod:`testbed.relay`).
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

#: Namespaces and interfaces begin with this; the process id follows. An interface's name has 15 characters at most.
PREFIX = "nsb"

#: What a token bucket may let through at once, and how long a packet may wait in it.
BURST, LATENCY = "32kbit", "400ms"

#: Where the two sides lie; a network that is reserved for benchmarks (RFC 2544).
ADDRESSES = {"robot": "198.18.7.1/30", "edge": "198.18.7.2/30"}


class NetworkProblem(RuntimeError):
    """The link cannot be set up; the message is one sentence."""


class Side(enum.Enum):
    """Where a process runs."""

    ROBOT = "robot"
    EDGE = "edge"


class Network(Protocol):
    """A link between robot and edge, and the way to start processes on its two sides."""

    @property
    def in_words(self) -> str:
        """What it is, for the report."""

    @property
    def emulated(self) -> bool:
        """Whether requests have to pass :mod:`testbed.relay` to meet the rate."""

    def command(self, side: Side, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` on a side; the process keeps its id."""

    def environment(self) -> dict[str, str]:
        """Return the variables under which the two sides, and nobody else, meet."""

    def set_rate(self, mbps: float | None) -> None:
        """Limit what the robot sends, Mbit/s; None: no limit."""

    def wire_bytes(self) -> int | None:
        """Return the bytes that both directions have carried so far, frames of the wire included; None: not known."""


class NamespaceNetwork:
    """
    Two network namespaces joined by a veth pair; needs root. A context manager: what it makes goes when it ends.

    :param name: of the namespaces and interfaces; the default is unique on this machine.
    :raises NetworkProblem: if the kernel or the rights do not allow it.
    """

    emulated = False
    in_words = "two network namespaces joined by veth, tbf on the robot's side"

    def __init__(self, name: str = "") -> None:
        self._name = name or f"{PREFIX}{os.getpid()}"
        self._shared = Path("/dev/shm")

    def __enter__(self) -> NamespaceNetwork:
        remove_leftovers()
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, side: Side, argv: Sequence[str]) -> list[str]:
        """Run on a side, with shared memory of its own: a robot and an edge have none in common."""
        script = f'mount --bind "{self._memory(side)}" /dev/shm && exec "$@"'
        return ["ip", "netns", "exec", self._space(side), "sh", "-c", script, "sh", *argv]

    def environment(self) -> dict[str, str]:
        """Let nodes look for each other beyond their own host: nobody else is in these namespaces."""
        return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_DOMAIN_ID": "7"}

    def set_rate(self, mbps: float | None) -> None:
        """Replace the token bucket; packets that wait in the old one are lost, as with any change of queue."""
        device = self._device(Side.ROBOT)
        if mbps is None:
            run(
                "ip", "netns", "exec", self._space(Side.ROBOT), "tc", "qdisc", "del", "dev", device, "root", check=False
            )
            return
        verb = "change" if self._limited() else "add"
        limit = ("tbf", "rate", f"{round(mbps * 1e6)}bit", "burst", BURST, "latency", LATENCY)
        self._in(Side.ROBOT, "tc", "qdisc", verb, "dev", device, "root", *limit)

    def set_loss(self, probability: float) -> None:
        """Lose packets that come to the edge at random, with this probability; 0: none. Needs iptables."""
        chain = ("-t", "raw", "PREROUTING")
        iptables = "iptables-legacy" if shutil.which("iptables-legacy") else "iptables"
        self._in(Side.EDGE, iptables, "-w", *chain[:2], "-F", chain[2])
        if probability > 0.0:
            rule = ("-m", "statistic", "--mode", "random", "--probability", f"{probability:.6f}", "-j", "DROP")
            self._in(Side.EDGE, iptables, "-w", *chain[:2], "-A", chain[2], *rule)

    def reassemble_as_recommended(self) -> None:
        """
        Set how the edge's kernel puts packets together as ROS 2 recommends for links that lose some.

        Otherwise what came of each incomplete datagram is kept for 30 s, and once 4 MB are, every other is refused.
        See "Cross-vendor tuning" in https://docs.ros.org/en/jazzy/How-To-Guides/DDS-tuning.html.
        """
        for setting in ("net.ipv4.ipfrag_time=3", "net.ipv4.ipfrag_high_thresh=134217728"):
            self._in(Side.EDGE, "sysctl", "-q", "-w", setting)

    def set_up(self, up: bool) -> None:
        """Cut the link, or mend it."""
        self._in(Side.ROBOT, "ip", "link", "set", self._device(Side.ROBOT), "up" if up else "down")

    def wire_bytes(self) -> int:
        """Return the bytes that the robot's interface has sent and received so far."""
        said = self._in(Side.ROBOT, "cat", "/proc/net/dev")
        line = next(line for line in said.splitlines() if line.strip().startswith(f"{self._device(Side.ROBOT)}:"))
        fields = line.split(":")[1].split()
        return int(fields[0]) + int(fields[8])

    def close(self) -> None:
        """Remove everything; may be called again."""
        remove(self._name)

    def _make(self) -> None:
        name = self._name
        for side in Side:
            run("ip", "netns", "add", self._space(side))
            self._memory(side).mkdir(mode=0o777, exist_ok=True)
        run("ip", "link", "add", f"{name}r", "type", "veth", "peer", "name", f"{name}e")
        for side in Side:
            run("ip", "link", "set", self._device(side), "netns", self._space(side))
            self._in(side, "ip", "addr", "add", ADDRESSES[side.value], "dev", self._device(side))
            for device in ("lo", self._device(side)):
                self._in(side, "ip", "link", "set", device, "multicast", "on", "up")
            self._in(side, "ip", "route", "add", "224.0.0.0/4", "dev", self._device(side))

    def _limited(self) -> bool:
        return " tbf " in self._in(Side.ROBOT, "tc", "qdisc", "show", "dev", self._device(Side.ROBOT))

    def _in(self, side: Side, *argv: str) -> str:
        return run("ip", "netns", "exec", self._space(side), *argv)

    def _space(self, side: Side) -> str:
        return f"{self._name}-{side.value}"

    def _device(self, side: Side) -> str:
        return f"{self._name}{side.value[0]}"

    def _memory(self, side: Side) -> Path:
        return self._shared / self._space(side)


class LoopbackNetwork:
    """One machine, for those without root: the rate is kept by :mod:`testbed.relay`, which reads it from here."""

    emulated = True
    in_words = "an emulated link on one machine (no root: no network namespaces)"

    def __init__(self) -> None:
        self.rate_mbps: float | None = None
        self._stack = contextlib.ExitStack()
        self._environment: dict[str, str] = {}

    def __enter__(self) -> LoopbackNetwork:
        from neurosurgeon_ros.cli.demo.domain import private_domain

        self._environment = dict(self._stack.enter_context(private_domain()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def command(self, side: Side, argv: Sequence[str]) -> list[str]:
        """Run here, on whichever side."""
        del side
        return list(argv)

    def environment(self) -> dict[str, str]:
        """Return a domain id that no other run on this machine holds."""
        return self._environment

    def set_rate(self, mbps: float | None) -> None:
        """Record the rate."""
        self.rate_mbps = mbps

    def wire_bytes(self) -> int | None:
        """There is no wire: the relay counts."""
        return None


@contextlib.contextmanager
def open_network(kind: str = "auto") -> Iterator[NamespaceNetwork | LoopbackNetwork]:
    """
    Open the best link that there can be.

    :param kind: `namespaces`, `emulated`, or `auto`: namespaces where they can be made.
    :raises NetworkProblem: if namespaces are asked for and cannot be made.
    """
    with contextlib.ExitStack() as stack:
        network: NamespaceNetwork | LoopbackNetwork
        try:
            if kind == "emulated":
                raise NetworkProblem("not wanted")
            network = stack.enter_context(NamespaceNetwork())
        except NetworkProblem:
            if kind == "namespaces":
                raise
            network = stack.enter_context(LoopbackNetwork())
        yield network


def remove_leftovers() -> list[str]:
    """
    Remove what benchmarks left whose processes are gone.

    :returns: their names.
    """
    names = abandoned(run("ip", "netns", "list", check=False).split(), is_alive)
    for name in names:
        remove(name)
    return names


def abandoned(names: Sequence[str], alive: Callable[[int], bool]) -> list[str]:
    """
    Find the names, without the side, of namespaces whose makers are gone.

    :param names: of all namespaces.
    :param alive: says of a process id whether it lives.
    """
    matches = [re.fullmatch(rf"({PREFIX}(\d+))-(?:robot|edge)", name) for name in names]
    return list(dict.fromkeys(match[1] for match in matches if match and not alive(int(match[2]))))


def is_alive(pid: int) -> bool:
    """Say whether there is a process of this id."""
    return Path(f"/proc/{pid}").exists()


def remove(name: str) -> None:
    """Remove the namespaces, interfaces and shared memory of one network, as far as they are there."""
    for side in Side:
        run("ip", "netns", "delete", f"{name}-{side.value}", check=False)
        run("ip", "link", "delete", f"{name}{side.value[0]}", check=False)
        shutil.rmtree(f"/dev/shm/{name}-{side.value}", ignore_errors=True)


def run(*argv: str, check: bool = True) -> str:
    """
    Run a command and give what it printed.

    :raises NetworkProblem: if it fails, unless `check` is off.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as problem:
        if not check:
            return ""
        raise NetworkProblem(f"{argv[0]} cannot be run ({problem.strerror}): install iproute2") from None
    if check and done.returncode != 0:
        raise NetworkProblem(f"`{' '.join(argv)}` has failed: {' '.join(done.stderr.split()) or done.returncode}")
    return done.stdout
