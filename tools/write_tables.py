# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Write the tables between their markers in README.md, docs/parameters.md and docs/topics.md: `make docs`.

A marker is ``<!-- NODE parameters -->`` for all parameters, ``<!-- NODE parameters: NAME, NAME -->`` for some, and
``<!-- encodings -->`` for the images that are converted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from neurosurgeon_ros.camera.encodings import ENCODINGS, Encoding
from neurosurgeon_ros.camera.picture_headers import KINDS
from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.link_node import LinkParameters
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.nodes.video_node import VideoParameters
from neurosurgeon_ros.ros.parameters import table

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "parameters.md", ROOT / "docs" / "topics.md")
NODES = {"robot": RobotParameters, "edge": EdgeParameters, "video": VideoParameters, "link": LinkParameters}
MARKS = re.compile(r"(<!-- (\w+) parameters(?:: ([\w, ]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
ENCODING_MARKS = re.compile(r"(<!-- encodings -->\n).*?(<!-- end -->)", re.DOTALL)
TYPES = {"u1": "uint8", "u2": "uint16", "f4": "float32", "f8": "float64"}


def filled(text: str) -> str:
    """Return a page's text with every table filled in; raise KeyError for an unknown node or parameter."""
    return ENCODING_MARKS.sub(lambda match: f"{match[1]}{encodings()}\n{match[2]}", MARKS.sub(_fill, text))


def encodings() -> str:
    """Return the table of raw and compressed images that are converted, one line for each layout."""
    named: dict[Encoding, list[str]] = {}
    for name, encoding in ENCODINGS.items():
        layout = encoding if "Bayer" not in encoding.meaning else replace(encoding, conversion=None)
        named.setdefault(layout, []).append(f"`{name}`")
    lines = ["| images | values per pixel | meaning |", "| --- | --- | --- |"]
    for layout, names in named.items():
        values = f"{layout.channels} {TYPES[layout.kind]}"
        if layout.chroma:
            values += f", {2 // layout.chroma**2 or '1/2'} in the second plane"
        sides = {(2, 1): "; even width", (2, 2): "; even width and height"}.get(layout.even, "")
        lines.append(f"| {', '.join(names)} | {values} | {layout.meaning}{sides} |")
    lines += [f"| compressed: {kind} | | {meaning} |" for kind, meaning in KINDS.items()]
    return "\n".join(lines)


def _fill(match: re.Match[str]) -> str:
    begin, node, names, end = match.groups()
    return f"{begin}{table(NODES[node], names.split(', ') if names else ())}\n{end}"


def main() -> None:
    """Fill in the tables of every page."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
