# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the sources import is asked for: by package.xml, or, where no rosdep key serves, by the README's pip line."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Keys of rosdep that are not named like the module.
KEYS = {
    **{name: f"python3-{name}" for name in ("matplotlib", "numpy", "rich", "scipy", "yaml")},
    "cv2": "python3-opencv",
}
#: Needed by `demo --view` alone, which docs/looking.md installs by pip: Bokeh and what it brings.
OF_THE_VIEW = {"bokeh", "jinja2", "tornado"}


def imported() -> dict[str, str]:
    """Return each package that the sources and launch files import, with a file that does."""
    found = {}
    for path in (*(ROOT / "src").rglob("*.py"), *(ROOT / "launch").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return found


def asked_for() -> set[str]:
    """Return what package.xml says to install for running, and the README by pip."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    (line,) = re.findall(r"pip install (torch .*)", (ROOT / "README.md").read_text(encoding="utf-8"))
    pip = {re.split("[<>=]", word.strip('"'))[0] for word in line.split()}
    # NumPy is named there to hold pip to the version that the system's packages were built with.
    return {str(one.text) for tag in ("depend", "exec_depend") for one in package.iter(tag)} | pip - {"numpy"}


@pytest.mark.parametrize(
    "name", sorted(set(imported()) - set(sys.stdlib_module_names) - {"neurosurgeon_ros"} - OF_THE_VIEW)
)
def test_what_is_imported_is_asked_for(name: str) -> None:
    assert KEYS.get(name, name) in asked_for(), f"{imported()[name]} imports {name}"


def test_what_the_view_needs_is_told() -> None:
    assert imported().keys() >= OF_THE_VIEW
    assert "pip install bokeh" in (ROOT / "docs" / "looking.md").read_text(encoding="utf-8")


def test_nothing_is_asked_for_in_vain() -> None:
    needed = {KEYS.get(name, name) for name in imported()} | {"rosidl_default_runtime"}
    assert asked_for() - needed == set()
