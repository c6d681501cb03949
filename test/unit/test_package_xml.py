# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every import has a dependency: in package.xml, or in the README's pip command if there is no rosdep key."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Keys of rosdep that differ from the module's name.
KEYS = {
    **{name: f"python3-{name}" for name in ("matplotlib", "numpy", "rich", "scipy", "yaml")},
    "cv2": "python3-opencv",
}
#: Needed only by `demo --view`; docs/looking.md installs it by pip: Bokeh and its dependencies.
OF_THE_VIEW = {"bokeh", "jinja2", "tornado"}
#: Needed only by the video codecs; docs/codecs.md installs it by pip.
OF_VIDEO = {"av"}
#: Needed only by the codecs for changes of feature maps; docs/codecs.md installs it by pip.
OF_CHANGES = {"constriction"}
#: Needed only to read ONNX files; docs/your-own-network.md installs it by pip.
OF_ONNX = {"onnx"}
#: Needed only by Ray clusters; docs/cluster.md installs it by pip.
OF_RAY = {"ray", "psutil"}


def imported() -> dict[str, str]:
    """Return each package that the sources and launch files import, with a file that imports it."""
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
    """Return the run dependencies in package.xml and in the README's pip command."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    (line,) = re.findall(r"pip install (torch .*)", (ROOT / "README.md").read_text(encoding="utf-8"))
    pip = {re.split("[<>=]", word.strip('"'))[0] for word in line.split()}
    # The README names NumPy so that pip keeps the version that the system's packages were built with.
    return {str(one.text) for tag in ("depend", "exec_depend") for one in package.iter(tag)} | pip - {"numpy"}


@pytest.mark.parametrize(
    "name",
    sorted(
        set(imported())
        - set(sys.stdlib_module_names)
        - {"neurosurgeon_ros"}
        - OF_THE_VIEW
        - OF_VIDEO
        - OF_CHANGES
        - OF_ONNX
        - OF_RAY
    ),
)
def test_what_is_imported_is_asked_for(name: str) -> None:
    assert KEYS.get(name, name) in asked_for(), f"{imported()[name]} imports {name}"


def test_what_the_view_needs_is_told() -> None:
    assert imported().keys() >= OF_THE_VIEW
    assert "pip install bokeh" in (ROOT / "docs" / "looking.md").read_text(encoding="utf-8")


def test_what_the_video_codecs_need_is_told() -> None:
    assert imported().keys() >= OF_VIDEO
    assert "pip install av" in (ROOT / "docs" / "codecs.md").read_text(encoding="utf-8")


def test_what_the_codecs_for_changes_need_is_told() -> None:
    assert imported().keys() >= OF_CHANGES
    assert "pip install constriction" in (ROOT / "docs" / "codecs.md").read_text(encoding="utf-8")


def test_what_onnx_files_need_is_told() -> None:
    assert imported().keys() >= OF_ONNX
    assert "pip install onnx" in (ROOT / "docs" / "your-own-network.md").read_text(encoding="utf-8")


def test_what_ray_clusters_need_is_told() -> None:
    assert imported().keys() >= OF_RAY
    assert "pip install -r tools/requirements/ray.txt" in (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    needed = (ROOT / "tools" / "requirements" / "ray.txt").read_text(encoding="utf-8")
    assert {name for name in OF_RAY if re.search(rf"^{name}\b", needed, re.MULTILINE)} == OF_RAY


def test_nothing_is_asked_for_in_vain() -> None:
    needed = {KEYS.get(name, name) for name in imported()} | {"rosidl_default_runtime"}
    assert asked_for() - needed == set()
