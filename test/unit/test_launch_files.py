# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the launch files' arguments in their sources; test/launch evaluates the files if launch is installed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "launch").glob("*.launch.py"))


def tables(tree: ast.Module) -> dict[str, ast.Dict]:
    """Return the tables of arguments: dicts at module level."""
    return {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    }


def declared(path: Path) -> set[str]:
    """Return the names of a file's arguments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {str(ast.literal_eval(key)) for table in tables(tree).values() for key in table.keys if key is not None}
    return names | {
        str(ast.literal_eval(node.args[0]))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "DeclareLaunchArgument"
        and isinstance(node.args[0], ast.Constant)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_included_is_not_seen_by_show_args(path: Path) -> None:
    (generate,) = (
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "generate_launch_description"
    )
    calls = {ast.unparse(node.func) for node in ast.walk(generate) if isinstance(node, ast.Call)}
    assert not calls & {"include", "IncludeLaunchDescription"}, "include in an OpaqueFunction"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_argument_that_is_declared_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parameters = tables(tree).get("PARAMETERS")
    inside = {id(node) for table in tables(tree).values() for node in ast.walk(table)} | {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "DeclareLaunchArgument"
    }
    used = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    }
    # All of PARAMETERS are passed to the node.
    used |= {str(ast.literal_eval(key)) for key in parameters.keys if key is not None} if parameters else set()
    assert declared(path) - used == set()


def test_the_files_are_read() -> None:
    assert [path.name for path in FILES] == ["demo.launch.py", "edge.launch.py", "fleet.launch.py", "robot.launch.py"]
    assert {"params_file", "autostart", "model"} <= declared(FILES[1])
    assert {"robots", "autostart", "play"} <= declared(FILES[2])
