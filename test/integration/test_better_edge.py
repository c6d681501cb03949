# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with two edges behind links whose rates change: how soon it is on the better one, and what that costs."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slow_network import SLOW_S
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import PartialInference, PartitionDecision
from neurosurgeon_ros.nodes.wire import Wire
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

EDGES = ("hall", "gate")
PERIOD_S = 0.25
#: Rates at which a frame takes about 60 ms, and longer than on the robot, which takes this long.
FAST, SLOW = 40e6, 3e6
#: Seconds within which the robot is on the better edge, and seconds of a mean.
SOON_S, MEAN_S = 3.0, 10.0


class Links:
    """A wire between the robot and each edge."""

    def __init__(self, watcher: Watcher) -> None:
        self.wires: dict[str, Wire] = {}
        for edge in EDGES:
            out = watcher.node.create_publisher(
                PartialInference, f"/neurosurgeon/{edge}/partial_inference", qos.PARTIAL_INFERENCE
            )
            self.wires[edge] = Wire(FAST, qos.PARTIAL_INFERENCE.depth, out.publish)
            watcher.node.create_subscription(
                PartialInference, f"/slow/{edge}", self.wires[edge].put, qos.PARTIAL_INFERENCE, raw=True
            )

    def prefer(self, better: str) -> None:
        for edge, wire in self.wires.items():
            wire.bits_per_second = FAST if edge == better else SLOW


@contextmanager
def links_of(watcher: Watcher) -> Iterator[Links]:
    links = Links(watcher)
    try:
        yield links
    finally:
        for wire in links.wires.values():
            wire.close()


def start(processes: Processes, root: Path, program: str, *words: str, slow_s: float = 0.0) -> Process:
    values = ("model:=mobilenet_v2", "random_weights:=true", "threads:=1", *words)
    arguments = [word for value in values for word in (("-r", value) if value[0] in "_/" else ("-p", value))]
    path = os.pathsep.join([str(root / "test"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, SLOW_S: str(slow_s)}
    return processes.start(program, "--ros-args", *arguments, environment=environment, keep_signals=True)


def start_robot(processes: Processes, root: Path, edges: str) -> Process:
    remapped = [f"/neurosurgeon/{edge}/partial_inference:=/slow/{edge}" for edge in EDGES]
    return start(processes, root, "robot_node", f"edges:=[{edges}]", "robot_speed:=0.1", *remapped)


def show(watcher: Watcher, seconds: float) -> list[PartitionDecision]:
    """Publish an image in each period, for a time, and return the decisions of that time."""
    before, end_s = len(watcher.decisions), time.monotonic() + seconds
    while (now_s := time.monotonic()) < end_s:
        watcher.show()
        watcher.until(lambda now_s=now_s: time.monotonic() >= now_s + PERIOD_S, "the next image")
    return watcher.decisions[before:]


def mean_s(decisions: list[PartitionDecision]) -> float:
    return statistics.fmean(decision.total_delay for decision in decisions)


@pytest.mark.full
@pytest.mark.alone
def test_the_robot_is_soon_on_the_better_edge_and_as_fast_as_there_alone(processes: Processes, root: Path) -> None:
    for edge in EDGES:
        start(processes, root, "edge_node", f"__node:=edge_{edge}", f"edge_id:={edge}", "own_topics:=true")
    with watching() as watcher, links_of(watcher) as links:
        links.prefer("hall")
        robot = start_robot(processes, root, "any")
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        watcher.until(lambda: show(watcher, 0.5) and watcher.values["edges"].count(" ms") == 2, "two known edges")
        means_s = []
        for better in ("gate", "hall", "gate", "hall"):
            links.prefer(better)
            change, settled = show(watcher, SOON_S), show(watcher, MEAN_S)
            took = "".join(decision.edge[:1] or "-" for decision in (*change, *settled))
            means_s.append(mean_s(settled))
            print(f"{better}: {took}, {1e3 * mean_s(change):.0f} ms, then {1e3 * means_s[-1]:.0f} ms")
            assert {decision.edge for decision in settled} <= {better, ""}
            assert sum(decision.outcome == Outcome.EDGE for decision in settled) >= 0.9 * len(settled)
        assert robot.end(signal.SIGTERM) == 0

        robot = start_robot(processes, root, "hall")
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        show(watcher, MEAN_S)
        alone_s = mean_s(show(watcher, MEAN_S))
        assert robot.end(signal.SIGTERM) == 0
        print(f"alone {1e3 * alone_s:.0f} ms, with two edges {statistics.fmean(means_s) / alone_s:.3f} x")
        assert statistics.fmean(means_s) <= 1.05 * alone_s
