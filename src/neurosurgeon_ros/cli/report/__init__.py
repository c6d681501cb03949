# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon report``: show a run as one HTML page that needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "report",
        help="make one HTML page from a recording or a decisions.csv",
        description="Show each frame's delay by stage, the choices, the quality of the predictions, and the losses, in "
        "one self-contained page.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an .mcap recording, or decisions.csv of a demo")
    parser.add_argument(
        "--output", type=Path, metavar="HTML", default=Path("report.html"), help="page to write (default: %(default)s)"
    )
    parser.add_argument(
        "--robot", default="", metavar="NAME", help="robot to show, if the file has several: its id or its node's name"
    )


def run(args: argparse.Namespace) -> int:
    """
    Write the page atomically.

    :returns: exit code.
    :raises UsageError: if the file holds no decisions, or the page cannot be written.
    """
    from neurosurgeon_ros.cli.report.page import make_page
    from neurosurgeon_ros.cli.report.source import read_decisions

    if args.output.is_dir():
        raise UsageError(f"{args.output} is a folder: give --output the name of a file")
    if args.output.exists() and args.file.exists() and args.output.samefile(args.file):
        raise UsageError(f"{args.output} is the file to read: give --output another name")
    try:
        decisions = read_decisions(args.file, args.robot)
    except ValueError as problem:  # a SourceProblem, or a name that is no valid robot name
        raise UsageError(str(problem)) from None
    except OSError as problem:
        raise UsageError(f"{args.file} cannot be read: {problem.strerror}") from None
    page = make_page(decisions, args.file.name)
    unfinished = args.output.with_name(args.output.name + ".part")
    try:
        unfinished.write_text(page, encoding="utf-8", errors="replace")
        unfinished.replace(args.output)
    except OSError as problem:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"{args.output} cannot be written: {problem.strerror}") from None
    print(f"{args.output}: {len(decisions)} frames of {args.file}")
    return 0
