# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The colcon build of the package, and of the message packages that it needs and that are not installed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import stamps
from .layout import Layout, complete_environment
from .report import Problem, Reporter, run_logged

_UNDERLAY = Path("underlay")
# The installed tree links to these, so that editing a file needs no build. A new file needs one.
_LINKED = ("src/neurosurgeon_ros", "scripts", "launch", "config")


def fingerprint(layout: Layout) -> str:
    """Return the stamp of a complete build, made of the contents of compiled files and the names of linked files."""
    root = layout.root
    compiled = [root / "CMakeLists.txt", root / "package.xml", *_files(root / "msg"), *_files(root / _UNDERLAY)]
    linked = [str(path) for folder in _LINKED for path in _files(root / folder)]
    interpreter = (layout.venv / "pyvenv.cfg").read_text()
    return stamps.fingerprint([str(root), interpreter, *sorted(linked)], compiled)


def complete(layout: Layout) -> bool:
    """Return whether the build is complete and was made from the current sources."""
    return stamps.read(layout.install) == fingerprint(layout)


def build(layout: Layout, reporter: Reporter) -> None:
    """
    Build into the checkout's install folder.

    An incomplete build from an interrupted set-up is built from scratch.

    :raises Problem: if the build fails
    """
    place = stamps.fingerprint([str(layout.root), (layout.venv / "pyvenv.cfg").read_text()])
    if stamps.read(layout.install) == stamps.INCOMPLETE or stamps.read(layout.build) != place:
        for folder in (layout.build, layout.install):
            shutil.rmtree(folder, ignore_errors=True)
    value = fingerprint(layout)
    stamps.write(layout.install, stamps.INCOMPLETE)
    stamps.write(layout.build, place)
    reporter.step("building with colcon")
    log = layout.state / "log" / "colcon.log"
    status = run_logged(
        colcon_command(layout),
        log=log,
        reporter=reporter,
        detail=_detail,
        cwd=layout.root,
        environment=complete_environment(layout, os.environ),
    )
    if status != 0:
        # colcon ended by itself, so make has removed the files that it did not finish.
        (layout.install / stamps.NAME).unlink()
        reporter.tail(log)
        raise Problem(f"colcon could not build the package: mend what the end of its output names, in full in {log}.")
    _remove_dead_links(layout.install)
    stamps.write(layout.install, value)


def colcon_command(layout: Layout) -> list[str | Path]:
    """Return the build command, which must run in the checkout's top folder."""
    installed = layout.venv / "share"
    underlay = [
        _UNDERLAY / folder.name
        for folder in sorted((layout.root / _UNDERLAY).iterdir())
        if not (installed / folder.name / "package.xml").exists()
    ]
    command: list[str | Path] = [layout.venv / "bin" / "colcon", "--log-base", layout.log, "build"]
    command += ["--paths", ".", *underlay, "--build-base", layout.build, "--install-base", layout.install]
    command += ["--merge-install", "--symlink-install"]
    command += ["--event-handlers", "console_direct+", "status-", "desktop_notification-", "--cmake-args"]
    return [*command, f"-DPython3_EXECUTABLE={layout.python}", "-DCMAKE_BUILD_TYPE=Release"]


def _detail(line: str) -> str | None:
    found = re.match(r"(?:Starting|Finished) >>> (\S+)|(\[ *\d+%\].*)", line)
    return line.strip() if found else None


def _files(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(directory) / name for name in names if not name.startswith("."))


def _remove_dead_links(folder: Path) -> None:
    """Remove installed links to sources that no longer exist."""
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory) / name
            if path.is_symlink() and not path.exists():
                path.unlink()
