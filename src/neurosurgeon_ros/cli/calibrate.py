# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon calibrate``: measure how well each arm agrees with the whole network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.cli.arguments import UsageError, number, whole_number
from neurosurgeon_ros.cli.network import add_network_options, load_engine, make_console, notes

if TYPE_CHECKING:
    from rich.table import Table

    from neurosurgeon_ros.calibration.fidelity import ArmFidelity, FidelityTable


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "calibrate",
        help="measure how well each arm agrees with the whole network",
        description="For every partition point and codec, measure how well the result agrees with the whole network's "
        "(F1 of boxes, or the top class) and how many bytes are sent, and save this for the robot. Limits of "
        "quantisation are found on half of the images; codecs with such limits are measured on the other half only. "
        "Codecs with memory are measured on successive frames of a video at several rates.",
        allow_abbrev=False,
    )
    add_network_options(parser)
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="FOLDER|VIDEO",
        help="your own pictures or videos, of one camera or several (default: the shipped video)",
    )
    parser.add_argument(
        "--most",
        type=whole_number(2, 10**6),
        default=100,
        metavar="N",
        help="use at most N images (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=number(0.1, 1000.0, "Hz"),
        metavar="HZ",
        help="frames per second of the video, or of a folder whose pictures are successive frames in the order of "
        "their names (default: the video's own rate; a folder has single pictures)",
    )
    memory = parser.add_mutually_exclusive_group()
    memory.add_argument(
        "--no-memory", action="store_true", help="leave out the codecs with memory, which takes much less time"
    )
    memory.add_argument(
        "--only-memory",
        action="store_true",
        help="measure the codecs with memory alone, and keep the rest of the network's present calibration",
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
    from neurosurgeon_ros.calibration.calibrate_streams import calibrate_streams
    from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, find_fidelity, write_fidelity
    from neurosurgeon_ros.calibration.footage import LEAST_S
    from neurosurgeon_ros.cli.footage import read_all_footage
    from neurosurgeon_ros.cli.images import found, read_all_images

    sources = [found(source, "--images") for source in args.images or (None,)]
    images, described = read_all_images(sources, args.most, "--images")
    footage = [] if args.no_memory else read_all_footage(sources, args.rate, "--images")
    plans = [plan for camera in footage for plan in camera.plans()]
    engine = load_engine(args)
    console = Console(stderr=True)
    for note in notes(engine):
        console.print(note, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            if args.only_memory:
                table = find_fidelity(engine.fingerprint)
                if table is None:
                    raise UsageError(f"{args.model} has no calibration to keep: leave out --only-memory")
            else:
                task = progress.add_task(f"{args.model}, {described}", total=len(images))
                table = calibrate(engine, images, described=described, step=lambda: progress.advance(task))
            if plans:
                task = progress.add_task("codecs with memory", total=sum(plan.steps for plan in plans))
                streams = calibrate_streams(engine, footage, step=lambda: progress.advance(task))
                table = replace(table, streams=streams, footage=" and ".join(source.name for source in sources))
        path = write_fidelity(table, args.out)
    except CalibrationProblem as problem:
        raise UsageError(str(problem)) from problem
    if footage and not plans:
        names = " and ".join(source.name for source in sources)
        verb = "has" if len(sources) == 1 else "have"
        short = f"{names} {verb} less than {LEAST_S:g} s, so codecs with memory are left out"
        console.print(short, highlight=False, soft_wrap=True)
    _show(table, args.min_fidelity)
    print(path)
    return 0


def _show(table: FidelityTable, min_fidelity: float) -> None:
    """Print every arm: agreement, interval, bytes, and whether a robot may use it."""
    shown = _table(table.measure, min_fidelity)
    for name, arm in table.arms.items():
        shown.add_row(name, *_figures(arm, min_fidelity))
    held_out = table.judged - table.calibrated
    print(f"{table.model}: {table.measure} on {table.images}; of arms with limits on the {held_out} that gave none")
    console = make_console()
    console.print(shown)
    if table.streams:
        shown = _table(table.measure, min_fidelity, "Hz", "bytes of a key")
        for name, rates in table.streams.items():
            for one in rates:
                shown.add_row(name, *_figures(one, min_fidelity), f"{one.rate_hz:.1f}", f"{one.key_bytes:,.0f}")
        print(f"arms with memory, on successive frames of {table.footage}:")
        console.print(shown)


def _table(measure: str, min_fidelity: float, *more: str) -> Table:
    from rich.table import Table

    shown = Table("arm")
    for header in (measure, "90 % interval", "bytes", f"at {min_fidelity:g}", *more):
        shown.add_column(header, justify="right")
    return shown


def _figures(arm: ArmFidelity, min_fidelity: float) -> tuple[str, str, str, str]:
    allowed = "yes" if arm.reaches(min_fidelity) else "no"
    return f"{arm.fidelity:.3f}", f"{arm.low:.3f} – {arm.high:.3f}", f"{arm.sent_bytes:,.0f}", allowed
