# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the steps of set-up in order."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import build, distributions, files, machine, native, packages, stamps
from .layout import Layout, environment_lines
from .native_machine import Options
from .report import Problem, Reporter

INTERRUPTED = 130

DESCRIPTION = """\
Set up this checkout: a virtual environment with ROS 2 and all other packages (.venv), the weights and the videos (in
$NEUROSURGEON_CACHE, default ~/.cache/neurosurgeon), and the built package (install). Completed steps are skipped.
The environment variable DISTRO chooses the distribution of ROS 2: jazzy, the default, or kilted, whose folders are in
.distributions/kilted.
pip's own settings apply, such as PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS.
"""


def main(arguments: Sequence[str]) -> int:
    """
    Set up the checkout that contains this file.

    :param arguments: command-line arguments
    :returns: 0 if everything is in place, 1 if something is missing, 130 if interrupted
    """
    parser = argparse.ArgumentParser("setup", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", action="store_true", help="get only the weights and the videos, for a native ROS 2")
    parser.add_argument(
        "--native",
        action="store_true",
        help="set up beside a native ROS 2 instead, as on a Jetson or a Raspberry Pi: PyTorch in a virtual\n"
        "environment, and a colcon build, all in the folder .native",
    )
    parser.add_argument("--ros", type=Path, help="with --native: prefix of ROS 2 (default: /opt/ros/jazzy)")
    parser.add_argument(
        "--torch-index", default="", help="with --native: index to take torch from (default: pip's own)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing if everything is in place")
    options = parser.parse_args(arguments)
    reporter = Reporter()
    root = Path(__file__).resolve().parents[2]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        layout = distributions.choose(root, os.environ.get(distributions.VARIABLE))
        with stamps.locked(layout.state / "lock", lambda: reporter.step("waiting for another set-up of this checkout")):
            if options.native:
                native.set_up(layout, Options(options.ros, options.torch_index), reporter)
                done = True
            else:
                done = _get_files(layout, reporter) if options.files else _set_up(layout, reporter)
        if done or not options.quiet:
            reporter.step("everything is in place")
    except Problem as problem:
        reporter.problem(str(problem))
        return 1
    except KeyboardInterrupt:
        reporter.problem("interrupted; the next call does again what was not finished.")
        return INTERRUPTED
    except OSError as error:
        reporter.problem(f"{error.filename or root}: {error.strerror or error}: make it writable, with space left.")
        return 1
    return 0


def _set_up(layout: Layout, reporter: Reporter) -> bool:
    """Run the steps that are not complete, and return whether there were any."""
    table = files.load_table(layout.root)
    have_packages, have_files = packages.complete(layout), files.complete(table, layout.state)
    have_build = have_packages and build.complete(layout)
    script = environment_lines(layout)
    if have_packages and have_files and have_build and _holds(layout.environment_script, script):
        return False
    machine.check(layout.root, fresh=not layout.python.exists())
    if not have_packages:
        packages.install(layout, reporter)
    if not have_files:
        files.fetch(table, layout.state, layout.python, reporter, isolated=False)
    if not build.complete(layout):
        build.build(layout, reporter)
    stamps.write_atomically(layout.environment_script, environment_lines(layout))
    return True


def _get_files(layout: Layout, reporter: Reporter) -> bool:
    table = files.load_table(layout.root)
    if files.complete(table, layout.state):
        return False
    files.fetch(table, layout.state, Path(sys.executable), reporter, isolated=True)
    return True


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
