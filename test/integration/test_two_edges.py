# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with two edges as processes: one that is killed, two with one id, and floods of invented ids."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest
from rclpy.qos import QoSProfile
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import EdgeStatus, RobotHello
from neurosurgeon_ros.nodes.links.edge_links import MAX_EDGES
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.robot.decision import Outcome

FLOOD, BATCH = 10_000, 20

#: Maximum growth of a node in a flood, in MiB. Fast DDS keeps some of it in queues.
MOST_MIB = 80.0


def start(processes: Processes, root: Path, program: str, *words: str) -> Process:
    """Start a node with a small network, which loads at once."""
    values = ("model:=slow_network:make", "threads:=1", *words)
    arguments = [word for value in values for word in (("-r", value) if value[0] == "_" else ("-p", value))]
    path = os.pathsep.join([str(root / "test"), os.environ.get("PYTHONPATH", "")])
    return processes.start(program, "--ros-args", *arguments, environment={"PYTHONPATH": path}, keep_signals=True)


def start_edge(processes: Processes, root: Path, edge_id: str, name: str) -> Process:
    return start(processes, root, "edge_node", f"__node:={name}", f"edge_id:={edge_id}", "own_topics:=true")


def start_robot(processes: Processes, root: Path) -> Process:
    return start(processes, root, "robot_node", "policy:=edge_only", "codecs:=[uint8]", "deadline_ms:=20000.0")


def step_until_known(watcher: Watcher, edges: int) -> None:
    """Publish images until the robot knows what to expect of a number of edges."""
    watcher.until(lambda: watcher.step() and watcher.values["edges"].count(" ms") == edges, f"{edges} known edges")


def resident_mib(process: Process) -> float:
    return process.memory_kb("VmRSS") / 1024


def test_an_edge_that_is_killed_costs_one_frame_at_most(processes: Processes, root: Path) -> None:
    edges = {name: start_edge(processes, root, name, f"edge_{name}") for name in ("hall", "gate")}
    robot = start_robot(processes, root)
    with watching() as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        step_until_known(watcher, 2)
        used = watcher.step().edge
        assert used in edges and watcher.values["edge"] == used
        before = len(watcher.decisions)
        edges[used].send(signal.SIGKILL)
        edges[used].popen.wait()
        after = [watcher.step() for _ in range(20)]
        (other,) = set(edges) - {used}
        assert sum(one.outcome != Outcome.EDGE for one in after) <= 1, [one.reason for one in after]
        assert [one.edge for one in after[1:]] == [other] * 19
        assert len(watcher.decisions) == before + 20
        watcher.assert_every_frame_was_answered_once_in_order()

        # It comes again, is looked at beside the frames, and may be used again.
        start_edge(processes, root, used, f"edge_{used}")
        step_until_known(watcher, 2)
        edges[other].send(signal.SIGKILL)
        # It may still rest after its failure, so frames may be the robot's own until then.
        assert watcher.step().outcome in (Outcome.EDGE, Outcome.FALLBACK)
        watcher.until(lambda: watcher.step().edge == used, "the edge that came again")
        assert watcher.decisions[-1].outcome == Outcome.EDGE
        watcher.assert_every_frame_was_answered_once_in_order()
        watcher.until(lambda: watcher.values["moves between edges"] == "2", "two moves")
    assert robot.end(signal.SIGTERM) == 0


def test_two_edges_with_one_id_are_said_and_frames_go_on(processes: Processes, root: Path) -> None:
    for name in ("left", "right"):
        start_edge(processes, root, "hall", name)
    robot = start_robot(processes, root)
    with watching() as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        watcher.until(lambda: watcher.step() and "two edges announce the id hall" in robot.output, "the robot's error")
        said = next(line for line in robot.output.splitlines() if "two edges announce" in line)
        assert "/left" in said and "/right" in said and "its own edge_id" in said
        assert [watcher.step().outcome for _ in range(5)] == [Outcome.EDGE] * 5
        assert robot.output.count("two edges announce") == 1
        watcher.assert_every_frame_was_answered_once_in_order()


@pytest.mark.full
def test_invented_robots_and_edges_take_no_memory(processes: Processes, root: Path) -> None:
    edge = start_edge(processes, root, "hall", "edge_node")
    robot = start_robot(processes, root)
    with watching() as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        watcher.until(lambda: watcher.statuses, "the edge's status")
        fingerprint = watcher.statuses[-1].fingerprints[0]
        before = {node: resident_mib(node) for node in (edge, robot)}
        profile = QoSProfile(depth=FLOOD)
        hellos = watcher.node.create_publisher(RobotHello, "/neurosurgeon/hello", profile)
        statuses = watcher.node.create_publisher(EdgeStatus, "/neurosurgeon/status", profile)
        watcher.until(
            lambda: hellos.get_subscription_count() >= 2 and statuses.get_subscription_count() >= 2, "listeners"
        )
        common = {"protocol_version": PROTOCOL_VERSION, "session": 5, "node": "/flood"}
        numbers = itertools.count()

        def flood() -> None:
            """Publish a few more."""
            for number in itertools.islice(numbers, BATCH):
                ids = {"models": ["m"], "fingerprints": [fingerprint], "own_topics": True}
                hellos.publish(RobotHello(robot_id=f"robot{number}", fingerprint=fingerprint, **common))
                statuses.publish(EdgeStatus(edge_id=f"edge{number}", **ids, **common))

        for batch in range(FLOOD // BATCH):
            flood()
            if batch % 25 == 0:
                watcher.step()  # the edge's own status may come late among so many
        for node, said in ((edge, "is one too many: this edge serves 16"), (robot, f"this robot knows {MAX_EDGES}")):
            watcher.until(lambda node=node, said=said: flood() or said in node.output, said)
        watcher.step_until(Outcome.EDGE)
        assert watcher.decisions[-1].edge == "hall"
        for node, mib in before.items():
            print(f"{node.name} took {resident_mib(node) - mib:.1f} MiB, {node.output.count('is one too many')} lines")
            assert resident_mib(node) < mib + MOST_MIB
        for node in (edge, robot):
            assert node.output.count("is one too many") < 15, "not once for each"
        watcher.assert_every_frame_was_answered_once_in_order()
    assert [node.end(signal.SIGTERM) for node in (robot, edge)] == [0, 0]
