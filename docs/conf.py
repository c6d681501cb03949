# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Settings of Sphinx for the site: `make docs-site`, or rosdoc2 by rosdoc2.yaml.

`make docs-site` builds the repository's own files, with this folder as the folder of settings. rosdoc2 copies the pages
into a folder with the same relative paths, and runs this file within its own conf.py. Its documentation says:
"We recommend that, if you provide your own conf.py file, that you only include settings that you want to change".
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

#: rosdoc2 defines its settings before it runs this file.
_OF_ROSDOC2 = "rosdoc2_settings" in globals()

#: Folders and files of the repository that pages link to and that are no pages.
OUTSIDE = ("LICENSE", "benchmarks", "config", "launch", "msg", "package.xml")

project = "neurosurgeon_ros"
author = copyright = "The neurosurgeon_ros contributors. Licence: Apache-2.0"  # noqa: A001
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_parser", "sphinx_rtd_theme"]
html_theme = "sphinx_rtd_theme"
html_static_path = ["docs/_static" if _OF_ROSDOC2 else "_static"]
html_css_files = ["site.css"]
html_theme_options = {"collapse_navigation": False, "navigation_depth": 3}

# Indented blocks hold commands, logs and messages of several kinds.
highlight_language = "text"
# Names in single quotes are code in the docstrings, as in the pages.
default_role = "literal"
# Headings have the anchors that GitHub gives them.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_type_aliases = {name: name for name in ("FloatArray", "IntArray", "BoolArray")}
# rosdoc2 stands in for what package.xml names and is not installed, by the names of the keys. These have other names.
autodoc_mock_imports = [
    name
    for name in ("av", "constriction", "cv2", "onnx", "torch", "zstandard")
    if importlib.util.find_spec(name) is None
]

if not _OF_ROSDOC2:
    root_doc = "docs/index"
    exclude_patterns = [
        entry.name for entry in Path(__file__).parents[1].iterdir() if entry.is_dir() and entry.name != "docs"
    ]
    include_patterns = ["README.md", "CONTRIBUTING.md", "QUALITY_DECLARATION.md", "CHANGELOG.rst", "docs/**"]
    templates_path = ["_templates"]
    html_additional_pages = {"index": "to_index.html"}
    html_copy_source = html_show_sourcelink = False


def drop_outer_links(_: Sphinx, page: nodes.document) -> None:
    """
    Replace links to folders of the repository, and to files that are not there, by their text: no page shows them.

    rosdoc2 builds a copy of the pages alone. Links to pages and anchors lead elsewhere, so Sphinx reports broken ones.
    """
    for link in list(page.findall(pending_xref)):
        target = str(link.get("reftarget", "")).removeprefix("../").partition("/")[0]
        if link.get("reftype") == "myst" and target in OUTSIDE:
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Connect the function of this file with Sphinx."""
    app.connect("doctree-read", drop_outer_links)
