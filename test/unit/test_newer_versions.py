# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lint names what a newer ROS 2, NumPy or Python would break: docs/distributions.md."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDERS = ("src", "launch", "scripts", "test", "benchmarks")


def deprecated(source: str) -> list[str]:
    """Return the calls of methods that rclpy 9 marks as deprecated; ruff cannot know the object's type."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name_alone = node.func.attr == "declare_parameter" and len(node.args) + len(node.keywords) == 1
            if name_alone or node.func.attr == "warn":
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_no_method_that_rclpy_deprecates_is_called(root: Path) -> None:
    paths = [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    sources = {path: path.read_text(encoding="utf-8") for path in paths if path.suffix == ".py" or not path.suffix}
    assert len(sources) > 300
    found = {str(path): deprecated(source) for path, source in sources.items()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("bad", ["node.declare_parameter('a')", "node.get_logger().warn('a')", "log.warn('a')"])
def test_the_check_sees_what_it_is_for(bad: str) -> None:
    assert len(deprecated(bad)) == 1
    assert deprecated("node.declare_parameter('a', 1); log.warning('a'); warnings()") == []


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed: pip install ruff")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from rclpy.qos_event import QoSEventHandler", "use rclpy.event_handler"),
        ("from rclpy.qos import QoSReliabilityPolicy", "use rclpy.qos.ReliabilityPolicy"),
        ("import asyncio\n\nasyncio.get_event_loop()", "Python 3.14 raises an error"),
        ("import pkg_resources", "use importlib.metadata"),
        ("import numpy as np\n\nnp.float_(1)", "`np.float_` will be removed in NumPy 2.0"),
        ("def first[T](items: list[T]) -> T:\n    return items[0]", "on Python 3.11"),
    ],
)
def test_what_a_newer_version_breaks_is_named(root: Path, source: str, said: str) -> None:
    done = subprocess.run(
        ["ruff", "check", "--config", root / "pyproject.toml", "--stdin-filename", root / "src" / "new.py", "-"],
        input=f'"""New."""\n\n{source}\n',
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert said in done.stdout
