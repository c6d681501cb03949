# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The documentation as a site: rosdoc2 finds its settings, and Sphinx builds every page without a warning."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

PAGES = ("README", "CONTRIBUTING", "CHANGELOG", "docs/index", "docs/nav2", "docs/api/learning", "docs/api/protocol")


def test_rosdoc2_finds_its_settings(root: Path) -> None:
    name = ElementTree.parse(root / "package.xml").getroot().findtext("export/rosdoc2")
    assert name == "rosdoc2.yaml"
    # rosdoc2 refuses any other head than this (parse_rosdoc2_yaml.py).
    head, settings = yaml.safe_load_all((root / name).read_text(encoding="utf-8"))
    assert head == {"type": "rosdoc2 config", "version": 1}
    assert (root / settings["settings"]["python_source"] / "__init__.py").is_file()
    (builder,) = settings["builders"]
    folder = root / builder["sphinx"]["user_doc_dir"]
    assert (folder / "conf.py").is_file() and (folder / "index.rst").is_file()


@pytest.mark.full
def test_the_site_is_built_without_a_warning(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed: tools/requirements/docs.txt")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-c",
        root / "docs",
        "-d",
        tmp_path / "pages",
    ]
    done = subprocess.run([*command, root, tmp_path / "site"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    site = tmp_path / "site"
    assert [page for page in PAGES if not (site / f"{page}.html").is_file()] == []
    assert "docs/index.html" in (site / "index.html").read_text(encoding="utf-8")
    assert "neurosurgeon_ros.learning.make_policy" in (site / "docs/api/learning.html").read_text(encoding="utf-8")
