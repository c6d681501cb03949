# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every argument that `--show-args` lists changes what is launched, and every argument that does is listed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "launch_ros", reason="launch_ros is not installed: it comes with ROS 2 from packages, not with the wheels"
)

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

FILES = sorted((Path(__file__).parents[2] / "launch").glob("*.launch.py"))

#: Values that differ from the default; `other` for all arguments that are not listed.
VALUES = {
    "autostart": "false",
    "edge": "false",
    "log_level": "debug",
    "play": "false",
    "rate_hz": "3.5",
    "respawn": "true",
    "robot_speed": "0.75",
    "robots": "third",
    "rviz": "true",
    "significant_bits": "12",
}

#: Further arguments that a launch file needs so that others have an effect.
BESIDE = {"fleet.launch.py": {"play": "true"}}


def load(path: Path) -> LaunchDescription:
    return get_launch_description_from_python_launch_file(str(path))


def nodes(entity: LaunchDescriptionEntity, context: LaunchContext) -> Iterator[str]:
    """Yield a description of each process that an entity would start."""
    if not isinstance(entity, Node):
        for part in entity.visit(context) or []:
            yield from nodes(part, context)
    elif entity.condition is None or entity.condition.evaluate(context):
        # As its execute() does before it starts the process.
        entity._perform_substitutions(context)
        own = {"name": f"__node:={entity.node_name}", "ns": f"__ns:={entity.expanded_node_namespace}"}
        context.extend_locals({"ros_specific_arguments": own})
        try:
            words = [perform_substitutions(context, word) for word in entity.cmd]
        except LookupError as missing:  # RViz may not be installed
            words = [str(missing)]
        # Parameters that are passed one by one are written to files whose names differ each time.
        texts = [Path(word).read_text() if Path(word).name.startswith("launch_params_") else word for word in words]
        respawn = perform_substitutions(context, _listed(entity._ExecuteLocal__respawn))
        yield f"{texts} {respawn}"


def _listed(value: object) -> list[object]:
    from launch.substitutions import TextSubstitution

    return list(value) if isinstance(value, (list, tuple)) else [TextSubstitution(text=str(value))]


def started(path: Path, arguments: dict[str, str]) -> list[str]:
    """Return descriptions of the processes that a launch file would start."""
    context = LaunchContext()
    context.launch_configurations.update(BESIDE.get(path.name, {}) | arguments)
    return list(nodes(load(path), context))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_argument_that_is_listed_has_an_effect_and_no_other_has(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("/**:\n  ros__parameters:\n    threads: 1\n")
    listed = {argument.name for argument in load(path).get_launch_arguments()}
    everything = {argument.name for one in FILES for argument in load(one).get_launch_arguments()}
    usual = started(path, {})
    assert usual == started(path, {})
    # This one is refused: see below.
    for name in sorted(everything - {"use_composition"}):
        value = str(file) if name.endswith("params_file") else VALUES.get(name, "other")
        effect = started(path, {name: value}) != usual
        assert effect == (name in listed), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("value", ["true", "True"])
def test_composition_is_refused_with_why(path: Path, value: str) -> None:
    with pytest.raises(ValueError, match=rf"use_composition was given {value}, but \w+_node is written in Python"):
        started(path, {"use_composition": value})
    assert started(path, {"use_composition": "False"}) == started(path, {})
