# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon replay``: estimate from a real run what other policies would have done."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.cli.arguments import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "replay",
        help="estimate from a run what other policies would have done",
        description="Run policies in an environment built from a real run's decisions.csv. A run only shows the delays "
        "of the arms that it chose, so the figures are model-based estimates over those arms.",
        allow_abbrev=False,
    )
    parser.add_argument("decisions", type=Path, metavar="CSV", help="decisions.csv of a run")
    parser.add_argument("--policies", metavar="LIST", help="comma-separated policies (default: all)")
    parser.add_argument("--out", type=Path, help="folder for summary.json (default: not written)")


def run(args: argparse.Namespace) -> int:
    """
    Run the policies and print a table.

    :returns: exit code.
    :raises UsageError: if the file cannot be read or a policy is unknown.
    """
    from rich.console import Console
    from rich.table import Table

    from neurosurgeon_ros.simulation.policies import SIMULATED, simulated_policy
    from neurosurgeon_ros.simulation.replay import ESTIMATE, read_replay
    from neurosurgeon_ros.simulation.simulate import simulate

    policies = tuple(args.policies.split(",")) if args.policies else SIMULATED
    for name in policies:
        if name not in SIMULATED:
            raise UsageError(f"there is no policy {name!r}; choose among {', '.join(SIMULATED)}")
    try:
        replay = read_replay(args.decisions)
    except (OSError, ValueError) as problem:
        raise UsageError(str(problem)) from problem
    environment = replay.environment
    table = Table(title=f"{args.decisions}: {environment.frames} frames, {ESTIMATE} estimates")
    for column in ("policy", "mean delay (ms)", "ratio to Oracle", "most chosen"):
        table.add_column(column, justify="left" if column in ("policy", "most chosen") else "right")
    estimates = []
    for name in policies:
        outcome = simulate(simulated_policy(name, environment), environment)
        most = environment.table.points[int(max(set(outcome.arms.tolist()), key=outcome.arms.tolist().count))]
        mean_ms = 1e3 * float(outcome.delay_s.mean())
        estimates.append({"policy": name, "mean_delay_ms": mean_ms, "ratio": outcome.ratio(), "most_chosen": most})
        table.add_row(name, f"{mean_ms:.1f}", f"{outcome.ratio():.3f}", most)
    Console().print(table)
    print(f"measured in the run itself: {1e3 * replay.mean_delay_s:.1f} ms, waiting in the slot included")
    if replay.left_out:
        print(f"never answered, so left out: {', '.join(replay.left_out)}")
    if args.out is not None:
        summary = {
            "source": str(args.decisions),
            "estimate": ESTIMATE,
            "frames": environment.frames,
            "arms": list(environment.table.points),
            "left_out": list(replay.left_out),
            "measured_mean_delay_ms": 1e3 * replay.mean_delay_s,
            "policies": estimates,
        }
        try:
            write_text_atomically(args.out / "summary.json", json.dumps(summary, indent=1) + "\n")
        except OSError as problem:
            raise UsageError(f"cannot write to {args.out}: {problem}") from problem
    return 0
