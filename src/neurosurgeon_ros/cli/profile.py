# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon profile``: measure a network's front-ends and back-ends on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.cli.arguments import UsageError, whole_number

if TYPE_CHECKING:
    from neurosurgeon_ros.calibration.fidelity import FidelityTable

#: Number of frames of the shipped video that bytes are measured on.
IMAGES = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "profile",
        help="measure a network's front-ends and back-ends on this machine",
        description="Measure the front-end and back-end delay of every partition point on this machine, and write a "
        "CSV that 'neurosurgeon experiment --tables' reads. With --codecs, measure the arms with codecs instead.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="vgg16, resnet50, tiny_yolov2 or yolov3_tiny")
    parser.add_argument("--out", type=Path, default=Path("out/profile"), help="output folder (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=whole_number(1, 10_000), default=20, help="number of measured passes (default: %(default)s)"
    )
    parser.add_argument(
        "--codecs",
        action="store_true",
        help="write MODEL.arms.csv: bytes, fidelity, encoding and decoding of every arm that a robot would admit",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="with --codecs: a calibration of the one MODEL, whose arms are measured (default: the robot's)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Measure each requested network.

    :returns: exit code.
    :raises UsageError: if a network is unknown, the calibration cannot be used, or the folder cannot be written.
    """
    from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, read_fidelity
    from neurosurgeon_ros.simulation.architectures import ARCHITECTURES

    for name in args.models:
        if name not in ARCHITECTURES:
            raise UsageError(f"there is no network {name!r}; choose among {', '.join(sorted(ARCHITECTURES))}")
    fidelity = None
    if args.calibration is not None:
        if not args.codecs or len(args.models) > 1:
            raise UsageError("--calibration is for --codecs and a single model; give both")
        try:
            fidelity = read_fidelity(args.calibration)
        except CalibrationProblem as problem:
            raise UsageError(str(problem)) from problem
    for name in args.models:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
            print(_codecs(name, args, fidelity) if args.codecs else _points(name, args.out, args.repeats))
        except CalibrationProblem as problem:
            raise UsageError(str(problem)) from problem
        except OSError as problem:
            raise UsageError(f"cannot write to {args.out}: {problem}") from problem
    return 0


def _points(name: str, out: Path, repeats: int) -> str:
    """Measure the partition points of a network and write their table; return what was written, in words."""
    from neurosurgeon_ros.simulation.architectures import measure
    from neurosurgeon_ros.simulation.table import write_table

    table, path = measure(name, repeats=repeats), out / f"{name}.csv"
    write_table(path, table)
    return f"{path}: {len(table.points)} partition points, {1e3 * table.front_s[-1]:.1f} ms for the whole network"


def _codecs(name: str, args: argparse.Namespace, fidelity: FidelityTable | None) -> str:
    """Measure the arms of a network with codecs and write their table; return what was written, in words."""
    from neurosurgeon_ros.cli.images import read_images
    from neurosurgeon_ros.simulation.arms.codec_files import write_codec_table
    from neurosurgeon_ros.simulation.arms.measure import measure_codecs
    from neurosurgeon_ros.simulation.table import CODECS_SUFFIX

    images, _ = read_images(None, IMAGES, "")
    table = measure_codecs(name, images, repeats=args.repeats, fidelity=fidelity)
    path = args.out / f"{name}{CODECS_SUFFIX}"
    write_codec_table(path, table)
    return f"{path}: {len(table.arms)} arms, {1e3 * table.profile.front_s[-1]:.1f} ms for the whole network"
