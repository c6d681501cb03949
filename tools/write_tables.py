# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of parameters into README.md, between their marks: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

from neurosurgeon_ros.nodes.edge_node import EdgeParameters
from neurosurgeon_ros.nodes.parameters import table
from neurosurgeon_ros.nodes.robot_node import RobotParameters

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> None:
    """Replace what stands between the marks of each node."""
    text = README.read_text(encoding="utf-8")
    for node, kind in (("robot", RobotParameters), ("edge", EdgeParameters)):
        marks = re.compile(rf"(<!-- {node} parameters -->\n).*?(<!-- end -->)", re.DOTALL)
        text = marks.sub(lambda match, kind=kind: f"{match[1]}{table(kind)}\n{match[2]}", text)  # type: ignore[misc]
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
