# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon doctor``: find out why a robot and its edge do not work together, or are slow."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError, number


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a running robot and edge, the link and this machine, and say what to do",
        description="Look at a robot and an edge that run, on this or on other machines, for about five seconds, and "
        "print one line for each check: ok, or what to do. The link to the edge is probed for a second. Run it on the "
        "robot's machine, in the environment of the robot.",
        epilog="The exit status is 0 if there is nothing to do, 1 if a check has found something, and 2 if the command "
        "line is not valid.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--robot",
        default="",
        metavar="NAME",
        help="fully qualified name of the robot's node (default: a robot on this machine, or any)",
    )
    parser.add_argument(
        "--edge-namespace",
        default="/neurosurgeon",
        metavar="NAME",
        help="namespace of the topics between robot and edge, as in the parameter of both (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=number(1.0, 60.0, "s"),
        default=2.5,
        metavar="S",
        help="how long to listen before the probe (default: %(default)s)",
    )
    parser.add_argument(
        "--peer",
        action="append",
        metavar="ADDRESS",
        help="address of the other machine, to find out whether multicast is blocked; repeat for more (default: the "
        "machines with which this one has exchanged packets lately)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings to a file")


def run(args: argparse.Namespace) -> int:
    """
    Look, judge, and print the findings.

    :returns: exit code: 0 if there is nothing to do, otherwise 1.
    :raises UsageError: if a name is not valid, ROS 2 does not start, or the file cannot be written.
    """
    from neurosurgeon_ros.atomic_write import write_text_atomically
    from neurosurgeon_ros.cli.doctor.screen import is_well, show, to_json
    from neurosurgeon_ros.doctor.checks import judge
    from neurosurgeon_ros.doctor.gather.look import Options, StartProblem, look

    for option, name in (("--robot", args.robot), ("--edge-namespace", args.edge_namespace)):
        if name and (not name.startswith("/") or name.endswith("/")):
            raise UsageError(f"{option}: {name!r} is not fully qualified, expected a name such as /robot_node")
    for peer in args.peer or ():
        if not peer or ";" in peer or any(letter.isspace() for letter in peer):
            raise UsageError(f"--peer: {peer!r} is not an address, expected one such as 192.168.1.20")
    if args.json is not None and not args.json.parent.is_dir():
        raise UsageError(f"--json: {args.json.parent} is not a folder: make it first, or give another")
    begin_s = time.monotonic()
    try:
        facts = look(Options(args.robot, args.edge_namespace, args.seconds, tuple(args.peer or ())))
    except StartProblem as problem:
        raise UsageError(str(problem)) from None
    findings, took_s = judge(facts), time.monotonic() - begin_s
    show(findings, took_s)
    if args.json is not None:
        try:
            write_text_atomically(args.json, to_json(findings, took_s))
        except OSError as problem:
            raise UsageError(f"--json: {args.json} cannot be written: {problem}") from problem
    return 0 if is_well(findings) else 1
