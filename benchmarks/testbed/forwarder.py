# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The link of a recorded run: forwards packets between two TAP devices, from robot to edge at the recorded rates.

``python -m testbed.forwarder ROBOT_DEVICE EDGE_DEVICE``. It prints `ready` when both devices exist, and forwards until
its input ends; the devices go with it. Each line of its input is a JSON object:

- `{"mbps": […], "row_s": 0.1, "limit_bytes": 50000}`: follow these rates from now on. It prints the monotonic time at
  which they began.
- `{}`: it prints :class:`Counts` as JSON, and starts to count again.

Packets from edge to robot are forwarded at once.

A token bucket (tbf) cannot do this. Each change of its rate fills its bucket, so that ten changes a second add up to
packets that the recording does not have. Its timer keeps the old rate, so that a pause outlasts an outage. And it has
no rate of 0.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import select
import struct
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from testbed.link_queue import LinkQueue

#: From linux/if_tun.h.
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
#: Bytes of the largest frame.
_LARGEST = 2048
_STDIN = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What the link has carried from robot to edge.

    :param passed: number of packets.
    :param passed_bytes: their bytes, with Ethernet headers.
    :param dropped: number of packets that found the queue full.
    :param late_ms: median, 99th percentile and maximum of the time by which packets left too late, in milliseconds.
    """

    passed: int
    passed_bytes: int
    dropped: int
    late_ms: tuple[float, float, float]


class Forwarder:
    """
    Forwards packets in one thread.

    :param robot_device: name of the TAP device on the robot's side.
    :param edge_device: the same on the edge's side.
    :raises OSError: if the devices cannot be made.
    """

    def __init__(self, robot_device: str, edge_device: str) -> None:
        self._robot = open_tap(robot_device)
        self._edge = open_tap(edge_device)
        self._queue = LinkQueue([1000.0], 1.0, 1_000_000, time.monotonic())
        self._late_s: list[float] = []
        self._typed = b""

    def run(self) -> None:
        """Forward until the input ends."""
        while True:
            due_s = self._queue.due_s
            wait_s = None if math.isinf(due_s) else max(0.0, due_s - time.monotonic())
            ready, _, _ = select.select([self._robot, self._edge, _STDIN], [], [], wait_s)
            self._pass_on(due_s)
            if self._robot in ready:
                while packet := _read(self._robot):
                    self._queue.put(packet, time.monotonic())
            if self._edge in ready:
                while packet := _read(self._edge):
                    _write(self._robot, packet)
            if _STDIN in ready and not self._obey():
                return

    def _pass_on(self, due_s: float) -> None:
        now_s = time.monotonic()
        packets = self._queue.take(now_s)
        if packets:
            self._late_s.append(now_s - due_s)
        for packet in packets:
            _write(self._edge, packet)

    def _obey(self) -> bool:
        """Follow the lines that have arrived; returns False at the end of the input."""
        typed = os.read(_STDIN, 1 << 16)
        *lines, self._typed = (self._typed + typed).split(b"\n")
        for line in lines:
            wanted = json.loads(line)
            if wanted:
                now_s = time.monotonic()
                self._queue.follow(**wanted, now_s=now_s)
                print(now_s, flush=True)
            else:
                print(json.dumps(asdict(self._count())), flush=True)
        return bool(typed)

    def _count(self) -> Counts:
        queue, late_ms = self._queue, 1e3 * np.array(self._late_s or [0.0])
        median, high = np.percentile(late_ms, [50, 99])
        counts = Counts(
            queue.passed, queue.passed_bytes, queue.dropped, (float(median), float(high), float(late_ms.max()))
        )
        queue.passed = queue.passed_bytes = queue.dropped = 0
        self._late_s = []
        return counts


def open_tap(name: str) -> int:
    """
    Make a TAP device; it exists as long as the file is open.

    :returns: the file, which does not block.
    :raises OSError: if this kernel or the rights do not allow it.
    """
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return file


def _read(file: int) -> bytes:
    """Return one packet; empty if none waits, or the device is down."""
    try:
        return os.read(file, _LARGEST)
    except OSError:
        return b""


def _write(file: int, packet: bytes) -> None:
    with contextlib.suppress(OSError):  # the device is down, or its side is full: the packet is lost, as on a wire
        os.write(file, packet)


def main(argv: list[str]) -> int:
    """Run the forwarder; returns the exit code."""
    with contextlib.suppress(OSError, PermissionError):
        # The link must not wait for a core that robot or edge keep busy.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        forwarder = Forwarder(*argv)
    except OSError as problem:
        print(problem.strerror, file=sys.stderr)
        return 1
    print("ready", flush=True)
    forwarder.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
