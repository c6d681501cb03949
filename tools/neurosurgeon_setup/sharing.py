# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Packages that a virtual environment takes from the one of another distribution in the same checkout.

Most packages have the same version for every distribution, torch among them. Their files are hard links, so the second
environment takes little time and no disk space, and stays complete when the first is removed. pip replaces a file by a
new one, so it never changes a file of the other environment.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from .layout import Layout, site_packages

# Set-up changes files of these, see packages.mend_include_paths.
_OF_ROS = "ros-"

# Not pinned: it comes with Python.
_PIP = "pip"


def pins(files: Iterable[Path]) -> dict[str, str]:
    """
    Return the pinned versions in requirement files.

    :param files: requirement and constraint files
    :returns: versions by name, in lower case and with dashes
    """
    found = {}
    for path in files:
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", path.read_text(), re.MULTILINE):
            found[_normal(name)] = version
    return found


def same_interpreter(venv: Path, other: Path) -> bool:
    """Return whether two virtual environments have the same version of the same interpreter."""
    mine, others = _interpreter(venv), _interpreter(other)
    return bool(mine) and mine == others


def link(layout: Layout, other: Layout, wanted: Mapping[str, str]) -> int:
    """
    Link the packages of another environment that have the wanted versions.

    Packages of ROS 2 are left out, because they belong to their distribution.

    :param layout: the checkout whose virtual environment gets them
    :param other: the checkout whose virtual environment has them
    :param wanted: versions by name, as from :func:`pins`
    :returns: number of packages
    """
    done = 0
    for record in sorted(site_packages(other.venv).glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        name = _normal(name)
        # A pin also means a build of that version, such as 2.13.0+cpu.
        same = wanted.get(name) in (version, version.partition("+")[0])
        if name.startswith(_OF_ROS) or not (same or name == _PIP):
            continue
        with record.open(newline="") as stream:
            files = [Path(row[0]) for row in csv.reader(stream)]
        done += _link_files(layout.venv, other.venv, files)
    return done


def _interpreter(venv: Path) -> list[str]:
    """Return folder and version of the interpreter that a virtual environment stands on; empty if there is none."""
    try:
        return re.findall(r"^(?:home|version) *= *(.*)$", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return []


def _link_files(venv: Path, other: Path, files: Iterable[Path]) -> bool:
    """Link a package's files, its metadata last; returns False and links none if one lies outside the environment."""
    base = site_packages(other).relative_to(other)
    places = [Path(os.path.normpath(base / file)) for file in files]
    if any(place.is_absolute() or place.parts[0] == ".." for place in places):
        return False
    for place in sorted(places, key=lambda place: ".dist-info" in str(place)):
        source, target = other / place, venv / place
        if not source.is_file() or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.parts[0] == "bin" and source.read_bytes()[:2] == b"#!":
            target.write_bytes(source.read_bytes().replace(bytes(other / "bin"), bytes(venv / "bin")))
            shutil.copymode(source, target)
        else:
            _link_file(source, target)
    return True


def _link_file(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
