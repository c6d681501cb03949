# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle manager takes a robot or its edge down and up again at once, without an error anywhere."""

from __future__ import annotations

import pytest
from support import Process, Processes
from watcher import Watcher, watching

from benchmarks.faults.stage.ports import has_others, remove_ports
from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.protocol.presence import new_secret
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

#: How often a robot is taken down and up again.
CYCLES = 20

WORDS = ("threads:=1", "policy:=edge_only", "codecs:=[uint8]", "deadline_ms:=20000.0", "random_weights:=true")


def start_edge(processes: Processes) -> Process:
    return processes.start("edge_node", "--ros-args", "-p", "threads:=1", "-p", "random_weights:=true")


def start_robot(processes: Processes, space: str) -> Process:
    words = (word for value in WORDS for word in ("-p", value))
    return processes.start("robot_node", "--ros-args", "-r", f"__ns:={space}", *words, keep_signals=True)


def served(watcher: Watcher) -> dict[str, int]:
    """Return the session of each robot in the edge's newest status."""
    status = watcher.statuses[-1]
    return dict(zip(status.robots, status.robot_sessions, strict=True))


def answers(watcher: Watcher, space: str) -> int:
    """Return the number of publishers with which the edge answers a robot."""
    base = f"/neurosurgeon/{space}_robot_node"
    return watcher.node.count_publishers(f"{base}/detections") + watcher.node.count_publishers(f"{base}/delay_feedback")


def assert_nobody_complained(processes: Processes) -> None:
    for process in processes.started:
        assert "held by another" not in process.output
        assert "holds the id" not in process.output
        assert "[ERROR]" not in process.output
        assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("down", "up", "cycles"),
    [
        pytest.param(["deactivate"], ["activate"], CYCLES, marks=pytest.mark.full),
        (["deactivate", "cleanup"], ["configure", "activate"], 3),
    ],
)
def test_a_robot_that_is_taken_down_and_up_again_at_once_is_served(
    processes: Processes, down: list[str], up: list[str], cycles: int
) -> None:
    start_edge(processes)
    for space in ("/r1", "/r2"):
        start_robot(processes, space)
    with watching("/r1") as watcher:
        watcher.robot_is_there()
        watcher.edge_serves(2)
        other = served(watcher)["r2_robot_node"]
        sessions = {served(watcher)["r1_robot_node"]}
        for _ in range(cycles):
            for label in down:
                assert watcher.transition("/r1/robot_node", label)
            watcher.until(lambda: set(served(watcher)) == {"r2_robot_node"}, "an edge that has let the robot go", 1.0)
            watcher.until(lambda: answers(watcher, "r1") == 0, "the end of the robot's answers", 5.0)
            for label in up:
                assert watcher.transition("/r1/robot_node", label)
            watcher.edge_serves(2)
            sessions.add(served(watcher)["r1_robot_node"])
        assert len(sessions) == cycles + 1
        assert served(watcher)["r2_robot_node"] == other, "the other robot was served all the time"
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        for process in processes.started:
            process.end()
    assert_nobody_complained(processes)


def test_a_robot_that_is_activated_again_without_a_pause_is_served(processes: Processes) -> None:
    start_edge(processes)
    start_robot(processes, "/r1")
    with watching("/r1") as watcher:
        watcher.robot_is_there()
        watcher.edge_serves()
        for _ in range(5):
            assert watcher.transition("/r1/robot_node", "deactivate")
            assert watcher.transition("/r1/robot_node", "activate")
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
    assert_nobody_complained(processes)


def test_an_edge_that_is_taken_down_and_up_again_at_once_is_used_again(processes: Processes) -> None:
    start_edge(processes)
    start_robot(processes, "/r1")
    with watching("/r1") as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        for _ in range(5):
            assert watcher.transition("/edge_node", "deactivate")
            watcher.until(lambda: answers(watcher, "r1") == 0, "the end of the robot's answers", 5.0)
            assert watcher.transition("/edge_node", "activate")
            watcher.edge_serves()
            watcher.step_until(Outcome.EDGE)
        watcher.assert_every_frame_was_answered_once_in_order()
    assert_nobody_complained(processes)


def test_a_robot_that_begins_again_says_goodbye_for_the_one_before(processes: Processes) -> None:
    edge = start_edge(processes)
    robot = start_robot(processes, "/r1")
    with watching("/r1") as watcher:
        watcher.robot_is_there()
        watcher.edge_serves()
        before = served(watcher)["r1_robot_node"]
        ports = remove_ports(robot.popen.pid)
        watcher.until(lambda: has_others(robot.popen.pid, ports), "other ports")
        watcher.until(lambda: served(watcher).get("r1_robot_node", before) != before, "the robot's next session")
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
    assert "held by another" not in edge.output + robot.output
    assert "holds the id" not in robot.output


def test_nobody_else_can_say_goodbye_for_a_robot(processes: Processes) -> None:
    start_edge(processes)
    start_robot(processes, "/r1")
    with watching("/r1") as watcher:
        watcher.robot_is_there()
        watcher.step_until(Outcome.EDGE)
        session = served(watcher)["r1_robot_node"]
        publisher = watcher.node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        watcher.until(lambda: publisher.get_subscription_count() == 2, "the edge and the robot")
        for secret in ("", f"{session:x}", new_secret()):
            publisher.publish(
                RobotHello(
                    protocol_version=PROTOCOL_VERSION,
                    robot_id="r1_robot_node",
                    session=session,
                    model=secret,
                    node="/r1/robot_node",
                )
            )
        watcher.until(publisher.wait_for_all_acked, "the edge that has heard it")
        watcher.edge_serves()
        assert served(watcher) == {"r1_robot_node": session}
        assert watcher.step().outcome == Outcome.EDGE
    assert_nobody_complained(processes)
