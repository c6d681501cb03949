# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The machine's cores, shared out between robot and edge, and what they are."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from testbed.network import Side


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of each side; the same ones where there is only one."""

    robot: frozenset[int]
    edge: frozenset[int]

    def of(self, side: Side) -> frozenset[int]:
        """Return a side's cores."""
        return self.robot if side is Side.ROBOT else self.edge


def share_out(cores: frozenset[int]) -> Cores:
    """Return the robot one core and the edge the others, so that neither can take the other's time."""
    first = min(cores)
    return Cores(frozenset({first}), frozenset(cores - {first}) or frozenset({first}))


def usable_cores() -> frozenset[int]:
    """Return the cores that this process may use."""
    return frozenset(os.sched_getaffinity(0))


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Start processes on these cores: a child inherits what the thread that starts it has."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes and their children have used so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    total += times.user + times.system
    return total


def in_words() -> str:
    """Name the machine by what matters: cores and processor."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    number = len(usable_cores())
    return f"{number} core{'s' if number != 1 else ''}, {model[1].strip() if model else 'unknown processor'}"
