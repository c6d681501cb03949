# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The README and the parameter files agree with the code."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurosurgeon_ros.camera.encodings import ENCODINGS
from neurosurgeon_ros.camera.picture_headers import KINDS
from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.robot_node import RobotParameters

NODES = {"robot": RobotParameters, "edge": EdgeParameters}


@pytest.mark.parametrize("page", ["README.md", "docs/parameters.md"])
def test_a_page_has_the_tables_of_parameters(root: Path, page: str) -> None:
    write_tables = runpy.run_path(str(root / "tools" / "write_tables.py"))
    text = (root / page).read_text(encoding="utf-8")
    assert len(write_tables["MARKS"].findall(text)) >= len(NODES)
    assert write_tables["filled"](text) == text, "run `make docs`"


def test_the_page_of_topics_has_the_table_of_encodings(root: Path) -> None:
    write_tables = runpy.run_path(str(root / "tools" / "write_tables.py"))
    text = (root / "docs" / "topics.md").read_text(encoding="utf-8")
    assert write_tables["filled"](text) == text, "run `make docs`"
    table = text.partition("<!-- encodings -->")[2].partition("<!-- end -->")[0]
    assert [name for name in ENCODINGS if f"`{name}`" not in table] == []
    assert [kind for kind in KINDS if f"compressed: {kind} " not in table] == []


@pytest.mark.parametrize("node", NODES)
def test_the_page_of_parameters_has_every_parameter(root: Path, node: str) -> None:
    text = (root / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert f"<!-- {node} parameters -->" in text
    assert [field.name for field in dataclasses.fields(NODES[node]) if f"| `{field.name}` |" not in text] == []


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
