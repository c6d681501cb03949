# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Write the tables of parameters between their markers in README.md and docs/parameters.md: `make docs`.

A marker is ``<!-- NODE parameters -->`` for all parameters, or ``<!-- NODE parameters: NAME, NAME -->`` for some.
"""

from __future__ import annotations

import re
from pathlib import Path

from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.link_node import LinkParameters
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.nodes.video_node import VideoParameters
from neurosurgeon_ros.ros.parameters import table

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "parameters.md")
NODES = {"robot": RobotParameters, "edge": EdgeParameters, "video": VideoParameters, "link": LinkParameters}
MARKS = re.compile(r"(<!-- (\w+) parameters(?:: ([\w, ]+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return a page's text with every table filled in; raise KeyError for an unknown node or parameter."""
    return MARKS.sub(_fill, text)


def _fill(match: re.Match[str]) -> str:
    begin, node, names, end = match.groups()
    return f"{begin}{table(NODES[node], names.split(', ') if names else ())}\n{end}"


def main() -> None:
    """Fill in the tables of every page."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
