# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The distributions of ROS 2 that a checkout can be set up with, side by side."""

from __future__ import annotations

from pathlib import Path

from .layout import DEFAULT, REQUIREMENTS, Layout
from .report import Problem

#: Name of the environment variable that chooses one.
VARIABLE = "DISTRO"


def names(root: Path) -> list[str]:
    """Return the names of the distributions that have pinned requirements, the default one first."""
    found = (path.name for path in (root / REQUIREMENTS).iterdir() if (path / "ros.txt").exists())
    return sorted(found, key=lambda name: (name != DEFAULT, name))


def choose(root: Path, name: str | None) -> Layout:
    """
    Return the folders of a distribution.

    :param root: top folder of the checkout
    :param name: value of the environment variable DISTRO; None or empty for the default
    :raises Problem: if there is no such distribution
    """
    name, known = name or DEFAULT, names(root)
    if name not in known:
        raise Problem(
            f"{VARIABLE}={name} is not a distribution of ROS 2 that comes as wheels: "
            f"expected {' or '.join(known)}; with a native ROS 2, build this package with colcon, as the README says."
        )
    return Layout(root, name)


def others(layout: Layout) -> list[Layout]:
    """Return the folders of the other distributions of a checkout, whether or not they are set up."""
    return [Layout(layout.root, name) for name in names(layout.root) if name != layout.distribution]
