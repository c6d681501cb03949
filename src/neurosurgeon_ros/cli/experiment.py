# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon experiment``: run experiments in the simulator and write their plots, tables and figures."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError, whole_number


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "experiment",
        help="run experiments in the simulator",
        description="Run experiments in the simulator; each writes NAME.png, NAME.csv and its part of summary.json.",
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments to run; without a name, all are listed")
    parser.add_argument("--all", action="store_true", help="run all experiments")
    parser.add_argument(
        "--out", type=Path, default=Path("out/experiments"), help="output folder (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**31 - 1), default=0, help="seed of the random scenarios (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=whole_number(1, 1000), default=20, help="runs of each scenario (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1, 256),
        default=os.cpu_count() or 1,
        help="number of processes (default: one per core, %(default)s)",
    )
    parser.add_argument(
        "--tables", type=Path, help="folder with CSVs from 'neurosurgeon profile', used instead of the shipped ones"
    )
    parser.add_argument(
        "--links",
        type=Path,
        metavar="FOLDER",
        help="recorded links (CSVs with a column mbps, or mahimahi traces) for 'links', in place of made ones",
    )


def run(args: argparse.Namespace) -> int:
    """
    Run the requested experiments.

    :returns: exit code.
    :raises UsageError: if an experiment is unknown, or a table or link cannot be read.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from neurosurgeon_ros.simulation.arms.codec_files import read_codec_table
    from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
    from neurosurgeon_ros.simulation.experiments import EXPERIMENTS
    from neurosurgeon_ros.simulation.experiments.result import write
    from neurosurgeon_ros.simulation.experiments.settings import Settings
    from neurosurgeon_ros.simulation.link_files import read_links
    from neurosurgeon_ros.simulation.scenario import Runner
    from neurosurgeon_ros.simulation.table import CODECS_SUFFIX, NetworkTable, read_table

    for name in args.names:
        if name not in EXPERIMENTS:
            raise UsageError(f"there is no experiment {name!r}; choose among {', '.join(EXPERIMENTS)}, or give --all")
    names = tuple(EXPERIMENTS) if args.all else tuple(dict.fromkeys(args.names))
    if not names:
        width = max(map(len, EXPERIMENTS))
        print("\n".join(f"{name:{width}}  {experiment.about}" for name, experiment in EXPERIMENTS.items()))
        return 0
    tables: dict[str, NetworkTable] = {}
    codec_tables: dict[str, CodecTable] = {}
    if args.tables is not None:
        try:
            for path in sorted(args.tables.glob("*.csv")):
                name = path.name.removesuffix(CODECS_SUFFIX)
                if name != path.name:
                    codec_tables[name] = read_codec_table(path, name)
                else:
                    tables[path.stem] = read_table(path, path.stem)
        except (OSError, ValueError) as problem:
            raise UsageError(str(problem)) from problem
        if not tables and not codec_tables:
            raise UsageError(f"there is no table in {args.tables}; 'neurosurgeon profile MODEL' writes them")

    try:
        recorded = {} if args.links is None else read_links(args.links)
    except (OSError, ValueError) as problem:
        raise UsageError(str(problem)) from problem

    console = Console(file=sys.stderr)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[runs]} runs"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(names), runs=0)
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            progress.update(task, runs=done)

        with Runner(args.jobs, count) as runner:
            settings = Settings(
                runner, seed=args.seed, seeds=args.seeds, tables=tables, links=recorded, codec_tables=codec_tables
            )
            for name in names:
                progress.update(task, description=name)
                begin_s = time.monotonic()
                try:
                    files = write(args.out, name, EXPERIMENTS[name].run(settings))
                except OSError as problem:
                    raise UsageError(f"cannot write to {args.out}: {problem}") from problem
                progress.advance(task)
                print(f"{name}: {files[0]}, {files[1].name} ({time.monotonic() - begin_s:.0f} s)")
    print(f"figures of all: {args.out / 'summary.json'}")
    return 0
