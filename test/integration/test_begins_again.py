# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node whose shared memory was removed starts again with its state, in the same process."""

from __future__ import annotations

import signal

from support import Process, Processes
from watcher import watching

from benchmarks.faults.stage.ports import has_others, remove_ports
from neurosurgeon_ros.robot.decision import Outcome


def _remove_ports(process: Process) -> set[str]:
    ports = remove_ports(process.popen.pid)
    assert ports, "the node reads from shared memory"
    return ports


def test_a_robot_that_is_not_reached_any_more_begins_again_as_it_was(processes: Processes) -> None:
    robot = processes.start(
        "robot_node",
        *("--ros-args", "-p", "autostart:=false", "-p", "threads:=1", "-p", "policy:=on_device"),
        *("-p", "codecs:=[uint8]"),
        keep_signals=True,
    )
    with watching() as watcher:
        node = "/robot_node"
        assert watcher.transition(node, "configure")
        assert watcher.transition(node, "activate")
        watcher.robot_is_there()
        assert watcher.step().outcome == Outcome.ON_DEVICE
        assert watcher.set(node, confidence=0.25) == (True, "")

        ports = _remove_ports(robot)
        robot.wait_for_output("begins again")
        watcher.until(lambda: has_others(robot.popen.pid, ports), "other ports")
        watcher.until(lambda: watcher.camera.get_subscription_count() == 1, "one robot that takes images")
        assert watcher.state(node) == "active"
        assert watcher.get(node, "confidence").double_value == 0.25
        watcher.robot_is_there()
        assert watcher.step().outcome == Outcome.ON_DEVICE
        watcher.assert_every_frame_was_answered_once_in_order()
        assert len({decision.session for decision in watcher.decisions}) == 2

        assert watcher.transition(node, "deactivate")
        ports = _remove_ports(robot)
        watcher.until(lambda: has_others(robot.popen.pid, ports), "other ports")
        assert watcher.state(node) == "inactive"

        robot.wait_for_output(min(_remove_ports(robot)))
        robot.send(signal.SIGTERM)
        assert robot.popen.wait(10) == 0, robot.output
    assert "Traceback" not in robot.output
