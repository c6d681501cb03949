# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The layout of CONTRIBUTING.md: allowed imports between folders, and maximum sizes of files and folders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "neurosurgeon_ros"
FILES = sorted(ROOT.rglob("*.py"))

#: Folders in ascending order. A folder imports from its own level as in `BESIDE`, or from lower levels.
LEVELS = (
    ("learning", "codecs", "models", "partition"),
    ("protocol", "inference"),
    ("calibration",),
    ("robot", "edge"),
    ("simulation",),
    ("ros",),
    ("camera",),
    ("diagnostics",),
    ("recording",),
    ("doctor",),
    ("nodes",),
    ("cli",),
)

#: Imports within a level.
BESIDE = {("partition", "codecs")}

#: Folders in which a library may be imported.
AT_HOME = {
    "av": {"codecs"},
    "rclpy": {"ros", "camera", "diagnostics", "recording", "doctor", "nodes"},
    "matplotlib": {"cli", "simulation"},
    "rich": {"cli"},
    "bokeh": {"cli"},
    "ray": {"edge", "cli"},
    "torch": {"partition", "models", "codecs", "inference", "calibration", "robot", "edge", "cli", "simulation"},
}

MOST_LINES, MOST_FILES = 300, 16


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def folder_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else ""


def arrows() -> set[tuple[str, str]]:
    """Return all pairs of folders of which the first imports from the second."""
    found = set()
    for path in FILES:
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == ROOT.name and len(parts) > 1 and (ROOT / parts[1]).is_dir():
                found.add((folder_of(path), parts[1]))
    return {(one, other) for one, other in found if one and one != other}


def test_every_folder_has_its_level() -> None:
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert folders == {folder for level in LEVELS for folder in level}


def test_no_arrow_runs_up() -> None:
    level = {folder: number for number, folders in enumerate(LEVELS) for folder in folders}
    found = arrows()
    assert len(found) > 30
    wrong = {
        (one, other)
        for one, other in found
        if level[other] > level[one] or (level[other] == level[one] and (one, other) not in BESIDE)
    }
    assert wrong == set()


def test_libraries_are_imported_where_they_are_at_home() -> None:
    wrong = {
        (library, str(path.relative_to(ROOT)))
        for path in FILES
        for library in {module.split(".")[0] for module in imports(path)} & AT_HOME.keys()
        if folder_of(path) not in AT_HOME[library]
    }
    assert wrong == set()


def test_files_and_folders_can_be_read_in_one_sitting() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    folders = [path.parent for path in FILES]
    crowded = {str(one.relative_to(ROOT)): folders.count(one) for one in set(folders)}
    assert {name: count for name, count in crowded.items() if count > MOST_FILES} == {}
