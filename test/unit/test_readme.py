# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The README and the parameter files say what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurosurgeon_ros.nodes.edge_node import EdgeParameters
from neurosurgeon_ros.nodes.parameters import table
from neurosurgeon_ros.nodes.robot_node import RobotParameters

NODES = {"robot": RobotParameters, "edge": EdgeParameters}


@pytest.mark.parametrize("node", NODES)
def test_the_readme_has_the_parameters_table(root: Path, node: str) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    between = re.search(rf"<!-- {node} parameters -->\n(.*?)\n?<!-- end -->", readme, re.DOTALL)
    assert between is not None
    assert between.group(1) == table(NODES[node]), f"put this into README.md:\n{table(NODES[node])}"


@pytest.mark.parametrize("node", NODES)
def test_the_parameter_file_has_every_parameter_with_its_default(root: Path, node: str) -> None:
    text = (root / "config" / f"{node}.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)["/**"][f"{node}_node"]["ros__parameters"]
    defaults: dict[str, Any] = dataclasses.asdict(NODES[node]())
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()} == defaults


@pytest.mark.parametrize("node", NODES)
def test_every_line_of_a_parameter_file_is_explained(root: Path, node: str) -> None:
    lines = (root / "config" / f"{node}.yaml").read_text(encoding="utf-8").splitlines()
    assert all("#" in line for line in lines if line.startswith("      "))


def test_the_files_that_the_readme_links_to_exist(root: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (root / link).exists()] == []
