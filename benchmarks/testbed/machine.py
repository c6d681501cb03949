# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The machine's cores and their distribution between robot and edge."""

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
    """The cores of each side. On a machine with one core, both sides share it."""

    robot: frozenset[int]
    edge: frozenset[int]

    def of(self, side: Side) -> frozenset[int]:
        """Return the cores of a side."""
        return self.robot if side is Side.ROBOT else self.edge


def share_out(cores: frozenset[int]) -> Cores:
    """Give the robot one core and the edge the other cores, so that neither side slows the other down."""
    first = min(cores)
    return Cores(frozenset({first}), frozenset(cores - {first}) or frozenset({first}))


def usable_cores() -> frozenset[int]:
    """Return the cores that this process is allowed to use."""
    return frozenset(os.sched_getaffinity(0))


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Run the body on these cores. Processes that it starts inherit them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor seconds that the processes and their children have used."""
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
    """Return the number of cores and the name of the processor."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    number = len(usable_cores())
    return f"{number} core{'s' if number != 1 else ''}, {model[1].strip() if model else 'unknown processor'}"
