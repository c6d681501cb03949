# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon profile``: measure a network's front-ends and back-ends on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError, whole_number


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "profile",
        help="measure a network's front-ends and back-ends on this machine",
        description="Measure the front-end and back-end delay of every partition point on this machine, and write a "
        "CSV that 'neurosurgeon experiment --tables' reads.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="vgg16, resnet50, tiny_yolov2 or yolov3_tiny")
    parser.add_argument("--out", type=Path, default=Path("out/profile"), help="output folder (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=whole_number(1, 10_000), default=20, help="number of measured passes (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """
    Measure each requested network.

    :returns: exit code.
    :raises UsageError: if a network is unknown or the folder cannot be written.
    """
    from neurosurgeon_ros.simulation.architectures import ARCHITECTURES, measure
    from neurosurgeon_ros.simulation.table import write_table

    for name in args.models:
        if name not in ARCHITECTURES:
            raise UsageError(f"there is no network {name!r}; choose among {', '.join(sorted(ARCHITECTURES))}")
    for name in args.models:
        table = measure(name, repeats=args.repeats)
        path = args.out / f"{name}.csv"
        try:
            args.out.mkdir(parents=True, exist_ok=True)
            write_table(path, table)
        except OSError as problem:
            raise UsageError(f"cannot write to {args.out}: {problem}") from problem
        print(f"{path}: {len(table.points)} partition points, {1e3 * table.front_s[-1]:.1f} ms for the whole network")
    return 0
