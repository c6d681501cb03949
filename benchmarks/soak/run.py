# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Two robots, an edge, and faults drawn from a seed, for a given time.

The codecs have memory: one robot sends a video and the other one changes of a feature map, in turns.
"""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.faults.camera_faults import FAULTS as CAMERA
from benchmarks.faults.edge_process import FAULTS as EDGE
from benchmarks.faults.fault import Fault
from benchmarks.faults.link import FAULTS as LINK
from benchmarks.faults.messages import FAULTS as MESSAGES
from benchmarks.faults.robot_process import FAULTS as ROBOT
from benchmarks.faults.stage.counter import Counter, Tally
from benchmarks.faults.stage.make import make_stage
from benchmarks.faults.stage.services import set_parameters
from benchmarks.faults.stage.stage import SILENCE_S
from benchmarks.faults.streams.faults import DELTA, ROBOT_PARAMETERS, VIDEO
from neurosurgeon_ros.cli.demo.children import Child

#: Faults that do not end a process.
DRAWN: tuple[Fault, ...] = (*LINK, *CAMERA, *MESSAGES)

#: Faults that end a process. Each is injected once, at the start, and the new processes are then measured as well.
KILLS: tuple[Fault, ...] = tuple(
    fault for fault in (*EDGE, *ROBOT) if fault.name in ("edge killed and restarted", "robot killed and restarted")
)

#: Seconds until memory and threads are first measured; share by which memory may grow afterwards.
SETTLED_S, GROWTH = 60.0, 0.05

#: Longest pause between two faults, in seconds.
PAUSE_S = 3.0

#: Ids of the robots, and the names of their nodes.
ROBOTS, NODES = ("robot_node", "two_robot_node"), ("robot_node", "two/robot_node")

#: Codec of each robot, in turns. The codecs change before each fault.
TURNS = ((VIDEO, DELTA), (DELTA, VIDEO))


@dataclass(frozen=True, slots=True)
class Use:
    """Resources that a process uses."""

    memory_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class SoakResult:
    """
    Result of a soak run.

    :param late: for each robot, the number of frames that took longer than twice the deadline.
    :param settled: whether memory had a minute to settle before `first`.
    :param first, last: use of each process after one minute, or after half of a shorter run, and at the end.
    """

    seed: int
    settled: bool
    faults: int
    tallies: dict[str, Tally]
    late: dict[str, int]
    first: dict[str, Use]
    last: dict[str, Use]

    @property
    def failures(self) -> list[str]:
        """Return the promises that were not kept."""
        found = []
        for robot, tally in self.tallies.items():
            counts = {"lost": tally.lost, "duplicated": tally.duplicated, "out of order": tally.out_of_order}
            found += [f"{robot}: {number} {what}" for what, number in counts.items() if number]
            if tally.accepted == 0:
                found.append(f"{robot}: no frame was accepted")
        for name, first in self.first.items():
            last = self.last[name]
            if self.settled and last.memory_bytes > (1.0 + GROWTH) * first.memory_bytes:
                found.append(f"{name}: memory grew from {first.memory_bytes >> 20} to {last.memory_bytes >> 20} MiB")
            if last.threads != first.threads:
                found.append(f"{name}: {first.threads} threads became {last.threads}")
        return found


def run_soak(seconds: float, *, seed: int, logs: Path, on_fault: Callable[[str, float], None]) -> SoakResult:
    """
    Run robots, edge and faults for some seconds.

    :param on_fault: called before each fault with its name and the seconds since the start.
    """
    generator = random.Random(seed)
    with make_stage(logs=logs, seed=seed, robot_parameters=ROBOT_PARAMETERS, robots=ROBOTS) as stage:
        other = Counter(stage.node, robot=NODES[1], detections="two/detections")
        stage.start_edge()
        stage.start_robot()
        second = stage.start_robot("second", remappings={"__ns": "/two", "/two/image_raw": "/image_raw"})

        def processes() -> dict[str, Child]:
            assert stage.edge is not None and stage.robot is not None
            return {"edge": stage.edge, "robot": stage.robot, "second robot": second}

        stage.await_robot()
        other.wait_for(lambda: other.decided, 60.0)
        stage.await_edge()
        stage.drain()
        counters = dict(zip(ROBOTS, (stage.counter, other), strict=True))
        since = {name: counter.mark() for name, counter in counters.items()}
        stage.camera.play()
        begin_s = time.monotonic()
        first: dict[str, Use] = {}
        settled_s = min(SETTLED_S, seconds / 2)
        kills = generator.sample(KILLS, len(KILLS))
        number, turns = 0, itertools.cycle(TURNS)
        while (passed_s := time.monotonic() - begin_s) < seconds:
            if passed_s >= settled_s and not first:
                first = _use(processes())
            fault = kills.pop() if kills else generator.choice(DRAWN)
            on_fault(fault.name, passed_s)
            for node, codec in zip(NODES, next(turns), strict=True):
                set_parameters(stage.node, node, codecs=[codec])
            fault.inject(stage)
            number += 1
            stage.await_edge(10.0)
            time.sleep(generator.uniform(0.0, PAUSE_S))
        last = _use(processes()) if first else {}
        stage.drain()
        other.wait_for_silence(SILENCE_S)
        tallies = {name: counter.tally(since[name], stage.camera.shown) for name, counter in counters.items()}
        for name, child in processes().items():
            if child.ended:
                raise AssertionError(f"{name}: {child.end_in_words}")
            stage.end(child, signal.SIGINT)
    bound_s = 2.0 * stage.deadline_s
    late = {name: int((tally.delays_s > bound_s).sum()) for name, tally in tallies.items()}
    return SoakResult(seed, settled_s >= SETTLED_S, number, tallies, late, first, last)


def _use(processes: dict[str, Child]) -> dict[str, Use]:
    use = {}
    for name, child in processes.items():
        process = psutil.Process(child.process.pid)
        use[name] = Use(process.memory_info().rss, process.num_threads())
    return use
