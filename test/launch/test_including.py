# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The examples in Python, XML and YAML start the same robot, and a lifecycle manager if it does not start itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

for module in ("launch_ros", "launch_xml", "launch_yaml"):
    pytest.importorskip(
        module, reason=f"{module} is not installed: it comes with ROS 2 from packages, not with the wheels"
    )

import launch_ros.actions
from launch import LaunchContext, LaunchDescriptionEntity
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.utilities import perform_substitutions

EXAMPLES = sorted((Path(__file__).parents[2] / "launch" / "examples").iterdir())


def started(
    entity: LaunchDescriptionEntity, context: LaunchContext
) -> Iterator[tuple[launch_ros.actions.Node, dict[str, object]]]:
    """Yield each node that an entity would start, with its parameters and with `respawn`."""
    condition = getattr(entity, "condition", None)
    if condition is not None and not condition.evaluate(context):
        return
    if not isinstance(entity, launch_ros.actions.Node):
        for part in entity.visit(context) or []:
            yield from started(part, context)
        return
    entity._perform_substitutions(context)
    parameters: dict[str, object] = {}
    for given, is_file in entity._Node__expanded_parameter_arguments or []:
        if not is_file:
            name, _, value = given.evaluate(context)
            parameters[name] = value
            continue
        # launch_ros writes lists as Python's tuples.
        for nodes in yaml.load(Path(given).read_text(), yaml.FullLoader).values():
            for node in nodes.values() if "ros__parameters" not in nodes else [nodes]:
                parameters |= node["ros__parameters"]
    respawn = entity._ExecuteLocal__respawn
    parameters["respawn"] = respawn if isinstance(respawn, bool) else perform_substitutions(context, respawn)
    yield entity, parameters


def text(value: Any) -> str:
    """Return a text that an action keeps as a string or as substitutions."""
    return value if isinstance(value, str) else perform_substitutions(LaunchContext(), value)


def start(path: Path, **arguments: str) -> dict[str, tuple[launch_ros.actions.Node, dict[str, object]]]:
    """Return the nodes that an example would start with these arguments, by their fully qualified names."""
    context = LaunchContext(argv=[])
    context.launch_configurations.update(arguments)
    description = AnyLaunchDescriptionSource(str(path)).get_launch_description(context)
    return {node.node_name: (node, parameters) for node, parameters in started(description, context)}


def test_there_is_one_in_each_form() -> None:
    assert [path.suffix for path in EXAMPLES if path.is_file()] == [".py", ".xml", ".yaml"]
    assert "launch_xml" in sys.modules and "launch_yaml" in sys.modules


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.suffix)
def test_an_example_starts_a_robot_of_its_own(path: Path) -> None:
    ((name, (node, parameters)),) = start(path, namespace="left").items()
    assert name == "/left/robot_node"
    assert parameters["autostart"] is True
    assert [tuple(map(str, pair)) for pair in node.expanded_remapping_rules] == [("image_raw", "camera/image_raw")]
    assert parameters["respawn"] == "true"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.suffix)
def test_an_example_starts_a_robot_under_the_lifecycle_manager(path: Path) -> None:
    nodes = start(path, namespace="left", autostart="false")
    assert nodes.keys() == {"/left/robot_node", "/left/lifecycle_manager_perception"}
    assert nodes["/left/robot_node"][1]["autostart"] is False
    manager, parameters = nodes["/left/lifecycle_manager_perception"]
    assert text(manager.node_package) == "nav2_lifecycle_manager"
    assert text(manager.node_executable) == "lifecycle_manager"
    names = list(parameters.pop("node_names"))  # type: ignore[call-overload]
    assert names == ["robot_node"]
    assert parameters == {"autostart": True, "bond_timeout": 4.0, "respawn": False}
