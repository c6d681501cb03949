# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What `ros2 param dump` writes of a node starts the same node again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python
from support import Processes
from watcher import Watcher, watching

#: Parameters of each type, a double that is given as an integer and texts like other types.
GIVEN = {
    "robot_node": {"codecs": ["fp32", "uint8"], "confidence": 1, "robot_id": "7", "threads": 1, "state_file": ""},
    "edge_node": {"robot_weights": ["left=2.0"], "max_request_rate": 50, "edge_id": "true", "half": False},
}


def values(watcher: Watcher, node: str) -> dict[str, ParameterValue]:
    """Return the parameters of a node that has just started."""
    # Its answers reach this node only when both have found each other, and its messages tell that.
    watcher.diagnostics.clear()
    watcher.until(lambda: node in watcher.diagnostics, f"the diagnostics of {node}")
    names = watcher.call(ListParameters, f"{node}/list_parameters", ListParameters.Request()).result.names
    request = GetParameters.Request(names=names)
    return dict(zip(names, watcher.call(GetParameters, f"{node}/get_parameters", request).values, strict=True))


def dumped(given: dict[str, ParameterValue], node: str) -> str:
    """Return what `ros2 param dump` prints of these parameters."""
    tree: dict[str, object] = {}
    for name, value in given.items():
        *above, last = name.split(".")
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})  # type: ignore[assignment]
        plain = parameter_value_to_python(value)
        branch[last] = list(plain) if isinstance(plain, (list, tuple)) else plain
    return yaml.dump({node: {"ros__parameters": tree}}, default_flow_style=False)


@pytest.mark.parametrize("name", GIVEN)
def test_a_dump_starts_the_same_node_again(processes: Processes, tmp_path: Path, name: str) -> None:
    node = f"/{name}"
    given = {**GIVEN[name], "autostart": False}
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(yaml.dump({node: {"ros__parameters": given}}))
    with watching() as watcher:
        running = processes.start(name, "--ros-args", "--params-file", first)
        before = values(watcher, node)
        assert running.end() == 0
        for key, value in given.items():
            assert parameter_value_to_python(before[key]) == value, key

        second.write_text(dumped(before, node))
        watcher.until(lambda: name not in watcher.node.get_node_names(), "the end of the first node")
        running = processes.start(name, "--ros-args", "--params-file", second)
        assert values(watcher, node) == before
    assert running.end() == 0
    assert "unknown" not in running.output and "Traceback" not in running.output, running.output
