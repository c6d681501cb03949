# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A link of a given rate between robot and edge.

With root, the link is a veth pair between two network namespaces. A token bucket (tbf) on the robot's side limits the
packets that DDS sends. Without root, both sides run on one machine, and :mod:`testbed.relay` emulates the link.
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
from typing import Protocol, Self

#: Prefix of the names of namespaces and interfaces; the process id follows. An interface's name has at most 15
#: characters.
PREFIX = "nsb"

#: Size of the token bucket, and maximum time that a packet waits in its queue.
BURST, LATENCY = "32kbit", "400ms"

#: Addresses of the two sides, in a network that is reserved for benchmarks (RFC 2544).
ADDRESSES = {"robot": "198.18.7.1/30", "edge": "198.18.7.2/30"}


class NetworkProblem(RuntimeError):
    """The link cannot be set up. The message is one sentence."""


class Side(enum.Enum):
    """Side on which a process runs."""

    ROBOT = "robot"
    EDGE = "edge"


class Network(Protocol):
    """A link between robot and edge."""

    @property
    def in_words(self) -> str:
        """Return a description for the report."""

    @property
    def emulated(self) -> bool:
        """Return whether :mod:`testbed.relay` has to forward the messages to limit their rate."""

    def command(self, side: Side, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` on one side. The process id does not change."""

    def environment(self) -> dict[str, str]:
        """Return environment variables with which the nodes of the two sides find each other and no other node."""

    def set_rate(self, mbps: float | None) -> None:
        """Limit the rate from robot to edge, in Mbit/s; None: no limit."""

    def wire_bytes(self) -> int | None:
        """Return the bytes that both directions have carried, with Ethernet headers; None if unknown."""


class NamespaceNetwork:
    """
    Two network namespaces joined by a veth pair. Needs root. The context manager removes everything at its end.

    :param name: name of the namespaces and interfaces; the default is unique on this machine.
    :raises NetworkProblem: if the kernel or the rights do not allow it.
    """

    emulated = False
    in_words = "two network namespaces joined by veth, tbf on the robot's side"

    def __init__(self, name: str = "") -> None:
        self._name = name or f"{PREFIX}{os.getpid()}"
        self._shared = Path("/dev/shm")

    def __enter__(self) -> Self:
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
        """Return the command in the side's namespace, with its own shared memory."""
        script = f'mount --bind "{self._memory(side)}" /dev/shm && exec "$@"'
        return ["ip", "netns", "exec", self._space(side), "sh", "-c", script, "sh", *argv]

    def environment(self) -> dict[str, str]:
        """Return variables that let nodes search beyond their host. No other node is in these namespaces."""
        return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_DOMAIN_ID": "7"}

    def set_rate(self, mbps: float | None) -> None:
        """Change the token bucket, or add it. Packets that wait in it stay there."""
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
        """Drop packets to the edge at random with this probability; 0: none. Needs iptables."""
        chain = ("-t", "raw", "PREROUTING")
        iptables = "iptables-legacy" if shutil.which("iptables-legacy") else "iptables"
        self._in(Side.EDGE, iptables, "-w", *chain[:2], "-F", chain[2])
        if probability > 0.0:
            rule = ("-m", "statistic", "--mode", "random", "--probability", f"{probability:.6f}", "-j", "DROP")
            self._in(Side.EDGE, iptables, "-w", *chain[:2], "-A", chain[2], *rule)

    def reassemble_as_recommended(self) -> None:
        """
        Set the edge's reassembly of IP fragments as ROS 2 recommends for links that lose packets.

        With the kernel's defaults, the fragments of an incomplete datagram stay for 30 s. When they fill 4 MB, the
        kernel refuses all other fragments.
        See "Cross-vendor tuning" in https://docs.ros.org/en/jazzy/How-To-Guides/DDS-tuning.html.
        """
        for setting in ("net.ipv4.ipfrag_time=3", "net.ipv4.ipfrag_high_thresh=134217728"):
            self._in(Side.EDGE, "sysctl", "-q", "-w", setting)

    def set_up(self, up: bool) -> None:
        """Set the link up or down."""
        self._in(Side.ROBOT, "ip", "link", "set", self._device(Side.ROBOT), "up" if up else "down")

    def wire_bytes(self) -> int:
        """Return the bytes that the robot's interface has sent and received."""
        said = self._in(Side.ROBOT, "cat", "/proc/net/dev")
        line = next(line for line in said.splitlines() if line.strip().startswith(f"{self._device(Side.ROBOT)}:"))
        fields = line.split(":")[1].split()
        return int(fields[0]) + int(fields[8])

    def close(self) -> None:
        """Remove everything. It may be called more than once."""
        remove(self._name)

    def _make(self) -> None:
        for side in Side:
            run("ip", "netns", "add", self._space(side))
            self._memory(side).mkdir(mode=0o777, exist_ok=True)
        self._join()
        for side in Side:
            run("ip", "link", "set", self._device(side), "netns", self._space(side))
            self._in(side, "ip", "addr", "add", ADDRESSES[side.value], "dev", self._device(side))
            for device in ("lo", self._device(side)):
                self._in(side, "ip", "link", "set", device, "multicast", "on", "up")
            self._in(side, "ip", "route", "add", "224.0.0.0/4", "dev", self._device(side))

    def _join(self) -> None:
        """Create the two connected devices, before they move into the namespaces."""
        devices = [self._device(side) for side in Side]
        run("ip", "link", "add", devices[0], "type", "veth", "peer", "name", devices[1])

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
    """One machine without namespaces, for users without root. :mod:`testbed.relay` limits the rate."""

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
        """Return the command unchanged, for both sides."""
        del side
        return list(argv)

    def environment(self) -> dict[str, str]:
        """Return a domain id that no other run on this machine uses."""
        return self._environment

    def set_rate(self, mbps: float | None) -> None:
        """Record the rate."""
        self.rate_mbps = mbps

    def wire_bytes(self) -> int | None:
        """Return None, because the relay counts the bytes."""
        return None


@contextlib.contextmanager
def open_network(kind: str = "auto") -> Iterator[NamespaceNetwork | LoopbackNetwork]:
    """
    Open a link.

    :param kind: `namespaces`, `emulated`, or `auto`, which uses namespaces if they can be created.
    :raises NetworkProblem: if `kind` is `namespaces` and they cannot be created.
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
    Remove the networks of benchmarks whose processes have ended without cleaning up.

    :returns: names of the networks.
    """
    names = abandoned(run("ip", "netns", "list", check=False).split(), is_alive)
    for name in names:
        remove(name)
    return names


def abandoned(names: Sequence[str], alive: Callable[[int], bool]) -> list[str]:
    """
    Return the names, without the side, of networks whose processes have ended.

    :param names: names of all namespaces.
    :param alive: returns whether a process id belongs to a running process.
    """
    matches = [re.fullmatch(rf"({PREFIX}(\d+))-(?:robot|edge)", name) for name in names]
    return list(dict.fromkeys(match[1] for match in matches if match and not alive(int(match[2]))))


def is_alive(pid: int) -> bool:
    """Return whether a process with this id exists."""
    return Path(f"/proc/{pid}").exists()


def remove(name: str) -> None:
    """Remove the namespaces, interfaces and shared memory of one network, if they exist."""
    for side in Side:
        run("ip", "netns", "delete", f"{name}-{side.value}", check=False)
        run("ip", "link", "delete", f"{name}{side.value[0]}", check=False)
        shutil.rmtree(f"/dev/shm/{name}-{side.value}", ignore_errors=True)


def run(*argv: str, check: bool = True) -> str:
    """
    Run a command and return its output.

    :param check: whether a failure is an error.
    :raises NetworkProblem: if the command fails and `check` is true.
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
