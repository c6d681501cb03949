# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot and edge under nav2's lifecycle manager."""

from __future__ import annotations

import importlib.util
import signal

import pytest
from lifecycle_manager import LifecycleManager
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.robot.decision import Outcome

NAMES = ("edge_node", "robot_node")
#: Seconds for which nav2's manager waits for the first heartbeat after it has activated a node: half of `bond_timeout`.
FORMED_S = 2.0


def start(processes: Processes, name: str, *values: str) -> Process:
    given = ("autostart:=false", "threads:=1", *values)
    return processes.start(name, "--ros-args", *(word for value in given for word in ("-p", value)))


def step(watcher: Watcher, outcome: Outcome) -> None:
    watcher.robot_is_there()
    watcher.step_until(outcome)


def test_the_manager_brings_robot_and_edge_up_and_down(processes: Processes) -> None:
    edge = start(processes, "edge_node")
    robot = start(processes, "robot_node", "policy:=edge_only", "codecs:=[uint8]")
    with watching() as watcher:
        manager = LifecycleManager(watcher, NAMES)
        assert manager.startup()
        step(watcher, Outcome.EDGE)
        assert manager.pause()
        watcher.until(lambda: watcher.node.count_publishers("detections") == 0, "silence")
        assert manager.resume()
        step(watcher, Outcome.EDGE)
        assert manager.reset()
        assert [watcher.state(name) for name in NAMES] == ["unconfigured", "unconfigured"]
        assert manager.startup()
        step(watcher, Outcome.EDGE)
        assert manager.shutdown()
        assert [watcher.state(name) for name in NAMES] == ["finalized", "finalized"]
    for node in (robot, edge):
        assert node.end(signal.SIGINT) == 0
        assert "Traceback" not in node.output


def test_a_node_that_cannot_start_stops_the_bringup_and_can_be_mended(processes: Processes) -> None:
    start(processes, "edge_node")
    robot = start(processes, "robot_node", "policy:=on_device", "codecs:=[uint8]", "weights:=/nowhere/tiny.weights")
    with watching() as watcher:
        manager = LifecycleManager(watcher, NAMES)
        assert not manager.startup()
        robot.wait_for_output("/nowhere/tiny.weights")
        assert [watcher.state(name) for name in NAMES] == ["inactive", "unconfigured"]
        assert watcher.set("robot_node", weights="") == (True, "")
        # The edge is configured already and refuses to be configured again; the manager looks at its state alone.
        assert manager.startup()
        step(watcher, Outcome.ON_DEVICE)
    if importlib.util.find_spec("bond") is None:
        robot.wait_for_output("the package bond is not installed: install it, or set the manager's bond_timeout to 0.0")


def test_the_bond_is_formed_and_ends(processes: Processes) -> None:
    kind = pytest.importorskip("bond.msg", reason="the package bond is not installed: it comes with nav2").Status
    robot = start(processes, "robot_node", "policy:=on_device", "codecs:=[uint8]")
    with watching() as watcher:
        heard: list[object] = []
        watcher.node.create_subscription(kind, "bond", heard.append, 100)
        manager = LifecycleManager(watcher, ["robot_node"])
        assert manager.startup()
        watcher.until(lambda: len(heard) > 2, "heartbeats", FORMED_S)
        ids = {(status.id, status.instance_id, status.active) for status in heard}
        assert len(ids) == 1 and next(iter(ids))[::2] == ("robot_node", True)
        assert manager.pause()
        watcher.until(lambda: not heard[-1].active, "the end of the bond")
        number = len(heard)
        assert watcher.state("robot_node") == "inactive" and len(heard) == number

        assert manager.resume()
        watcher.until(lambda: heard[-1].active, "a new bond", FORMED_S)
        assert heard[-1].instance_id not in {one for _, one, _ in ids}
        assert robot.end(signal.SIGINT) == 0
        watcher.until(lambda: not heard[-1].active, "the end of the bond")


@pytest.mark.parametrize("value", ["autostart:=true", "bond_heartbeat_period:=0.0"])
def test_there_is_no_bond_without_a_manager_or_where_it_is_off(processes: Processes, value: str) -> None:
    pytest.importorskip("bond.msg", reason="the package bond is not installed: it comes with nav2")
    start(processes, "robot_node", "policy:=on_device", "codecs:=[uint8]", value)
    with watching() as watcher:
        if value.startswith("bond"):
            assert LifecycleManager(watcher, ["robot_node"]).startup()
        step(watcher, Outcome.ON_DEVICE)
        assert watcher.node.count_publishers("bond") == 0
