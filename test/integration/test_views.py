# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""config/foxglove.json and config/diagnostics.yaml, without Foxglove and aggregator: they name what nodes publish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import Processes
from watcher import watching

from neurosurgeon_ros.msg import PartitionDecision

#: Number types of message fields; a plot shows nothing else.
NUMBERS = ("double", "float", "uint", "int")


@pytest.fixture
def layout(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "config" / "foxglove.json").read_text())
    return found


def leaves(branch: dict[str, Any] | str) -> Iterator[str]:
    """Yield the ids of the panels in a tree of rows and columns."""
    if isinstance(branch, str):
        yield branch
    else:
        assert branch["direction"] in ("row", "column")
        yield from leaves(branch["first"])
        yield from leaves(branch["second"])


def test_every_panel_of_the_layout_has_settings(layout: dict[str, Any]) -> None:
    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])
    assert {"globalVariables", "userNodes", "playbackConfig"} <= layout.keys()


def test_plots_show_fields_of_the_decision(layout: dict[str, Any]) -> None:
    kinds = PartitionDecision.get_fields_and_field_types()
    for panel, settings in layout["configById"].items():
        for path in settings.get("paths", ()):
            topic, _, field = path["value"].partition(".")
            assert topic == "/robot_node/decision"
            assert field in kinds
            assert panel.startswith("StateTransitions!") or kinds[field].startswith(NUMBERS), field


def test_the_topics_of_the_layout_are_a_robots(layout: dict[str, Any], processes: Processes) -> None:
    processes.start("robot_node", "--ros-args", "-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]")
    panels = layout["configById"].values()
    topics = {path["value"].partition(".")[0] for settings in panels for path in settings.get("paths", ())}
    topics |= {settings["imageMode"]["imageTopic"] for settings in panels if "imageMode" in settings}
    topics |= {settings["topicToRender"] for settings in panels if "topicToRender" in settings}
    with watching() as watcher:
        watcher.robot_is_there()
        assert len(topics) == 3
        assert all(watcher.node.count_publishers(topic) for topic in topics)


def groups_of(name: str, groups: dict[str, Any]) -> list[str]:
    """Return the groups that take a status, as GenericAnalyzer::match decides."""
    return [group for group, given in groups.items() if any(part in name for part in given["contains"])]


def test_each_status_is_in_one_group_of_the_aggregator(root: Path, processes: Processes) -> None:
    parameters = yaml.safe_load((root / "config" / "diagnostics.yaml").read_text())["/**"]["ros__parameters"]
    groups = {name: value for name, value in parameters.items() if isinstance(value, dict)}
    assert {group["type"] for group in groups.values()} == {"diagnostic_aggregator/GenericAnalyzer"}
    assert all(isinstance(group["timeout"], float) for group in groups.values()), "the aggregator takes no integer"
    for name, namespace in (("robot_node", "/left"), ("robot_node", ""), ("edge_node", "")):
        processes.start(name, "--ros-args", "-p", "autostart:=false", "-r", f"__ns:={namespace or '/'}")
    with watching() as watcher:
        watcher.until(lambda: len(watcher.diagnostics) >= 3, "the status of each node")
        found = {name: groups_of(name, groups) for name in watcher.diagnostics}
    assert found == {"/left/robot_node": ["robots"], "/robot_node": ["robots"], "/edge_node": ["edges"]}
