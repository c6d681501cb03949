# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`neurosurgeon demo`: run everything on one machine with a real video, and write the results and charts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from neurosurgeon_ros.cli.demo.options import add_options

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[Any]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand and its options."""
    parser = subparsers.add_parser(
        "demo",
        help="run an edge, a robot and a video on this machine, and show and save the results",
        description="Start an edge node, a robot node and a video as the camera, each in its own process. Show how "
        "each frame is shared, and write summary.json, decisions.csv, timeline.png and annotated.mp4.",
        allow_abbrev=False,
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the demo, and return the exit code."""
    from neurosurgeon_ros.cli.demo.options import read_options
    from neurosurgeon_ros.cli.demo.session import run_demo

    return run_demo(read_options(args))
