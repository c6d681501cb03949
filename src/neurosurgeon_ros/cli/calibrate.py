# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon calibrate``: measure how well each arm agrees with the whole network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.cli.arguments import UsageError, number, whole_number
from neurosurgeon_ros.cli.network import add_network_options, load_engine, make_console, notes

if TYPE_CHECKING:
    from neurosurgeon_ros.calibration.fidelity import FidelityTable


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "calibrate",
        help="measure how well each arm agrees with the whole network",
        description="For every partition point and codec, measure how well the result agrees with the whole network's "
        "(F1 of boxes, or the top class) and how many bytes are sent, and save this for the robot. Limits of "
        "quantisation are found on half of the images; codecs with such limits are measured on the other half only.",
        allow_abbrev=False,
    )
    add_network_options(parser)
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER|VIDEO", help="your own pictures or video (default: the shipped video)"
    )
    parser.add_argument(
        "--most",
        type=whole_number(2, 10**6),
        default=100,
        metavar="N",
        help="use at most N images (default: %(default)s)",
    )
    parser.add_argument(
        "--min-fidelity",
        type=number(0.0, 1.0),
        default=0.95,
        metavar="F",
        help="show which arms a robot may use if it requires this agreement (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for the calibration (default: the cache folder)"
    )


def run(args: argparse.Namespace) -> int:
    """
    Calibrate a network and show its arms.

    :returns: exit code.
    :raises UsageError: if the network or the images cannot be used, or the calibration cannot be written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from neurosurgeon_ros.calibration.calibrate import calibrate
    from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, write_fidelity
    from neurosurgeon_ros.cli.images import read_images

    images, described = read_images(args.images, args.most, "--images")
    engine = load_engine(args)
    console = Console(stderr=True)
    for note in notes(engine):
        console.print(note, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"{args.model}, {described}", total=len(images))
            table = calibrate(engine, images, described=described, step=lambda: progress.advance(task))
        path = write_fidelity(table, args.out)
    except CalibrationProblem as problem:
        raise UsageError(str(problem)) from problem
    _show(table, args.min_fidelity)
    print(path)
    return 0


def _show(table: FidelityTable, min_fidelity: float) -> None:
    """Print every arm: agreement, interval, bytes, and whether a robot may use it."""
    from rich.table import Table

    shown = Table("arm")
    for header in (table.measure, "90 % interval", "bytes", f"at {min_fidelity:g}"):
        shown.add_column(header, justify="right")
    for name, arm in table.arms.items():
        allowed = "yes" if arm.reaches(min_fidelity) else "no"
        shown.add_row(name, f"{arm.fidelity:.3f}", f"{arm.low:.3f} – {arm.high:.3f}", f"{arm.sent_bytes:,.0f}", allowed)
    held_out = table.judged - table.calibrated
    print(f"{table.model}: {table.measure} on {table.images}; of arms with limits on the {held_out} that gave none")
    make_console().print(shown)
