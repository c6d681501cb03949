# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the command: finds the subcommand and runs it."""

from __future__ import annotations

import importlib
import os
import sys
from types import MappingProxyType

from neurosurgeon_ros.cli.arguments import Parser, UsageError

#: Subcommands and their modules. Each module has `add_parser(subparsers)` and `run(args) -> int`, and imports heavy
#: dependencies only when it runs.
COMMANDS = MappingProxyType(
    {
        "demo": "neurosurgeon_ros.cli.demo",
        "doctor": "neurosurgeon_ros.cli.doctor",
        "partitions": "neurosurgeon_ros.cli.partitions",
        "verify": "neurosurgeon_ros.cli.verify",
        "calibrate": "neurosurgeon_ros.cli.calibrate",
        "compare": "neurosurgeon_ros.cli.compare",
        "experiment": "neurosurgeon_ros.cli.experiment",
        "profile": "neurosurgeon_ros.cli.profile",
        "record": "neurosurgeon_ros.cli.record",
        "report": "neurosurgeon_ros.cli.report",
        "replay": "neurosurgeon_ros.cli.replay",
        "cluster": "neurosurgeon_ros.cli.cluster",
    }
)


def make_parser() -> Parser:
    """Make the parser of the whole command; the parsed arguments hold the subcommand as ``command``."""
    parser = Parser(
        prog="neurosurgeon",
        description="Share one neural network between a robot and an edge computer, frame by frame.",
        allow_abbrev=False,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS.values():
        importlib.import_module(module).add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: command line without the program's name; None for the command line of the process.
    :returns: exit code: 0 for success or if the user interrupted, 2 for an invalid command line.
    """
    args = make_parser().parse_args(arguments)
    try:
        code: int = importlib.import_module(COMMANDS[args.command]).run(args)
    except UsageError as problem:
        print(f"neurosurgeon {args.command}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # The reader of the output is gone. Without this, Python would report the error again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
