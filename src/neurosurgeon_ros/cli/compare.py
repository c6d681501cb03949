# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`neurosurgeon compare`: run policies in turn on the same video and emulated links, with the real nodes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosurgeon_ros.cli.arguments import UsageError, number, whole_number

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[Any]

DEFAULT_POLICIES = ("adaptive_mu_lin_ucb", "mu_lin_ucb", "neurosurgeon", "edge_only", "on_device")

#: Policies that do not learn while they run. A learning policy has to beat them.
FIXED_POLICIES = ("neurosurgeon", "edge_only", "on_device")


class CompareError(Exception):
    """A run failed; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Run:
    """
    One policy on one link.

    :param mean_delay_ms: from an image's arrival to its detections, including the learning phase.
    :param outcomes: number of accepted frames by the source of their detections.
    """

    uplink_mbps: float
    policy: str
    mean_delay_ms: float
    frames: int
    outcomes: dict[str, int]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="run policies in turn over emulated links and compare their delays",
        description="Run the demo once for each policy and link, and write summary.json and compare.png.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--uplink", default="4,16,50", metavar="LIST", help="link rates in Mbit/s (default: %(default)s)"
    )
    parser.add_argument(
        "--policies",
        default=",".join(DEFAULT_POLICIES),
        metavar="LIST",
        help="policies to compare (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=whole_number(10, 10**6),
        default=300,
        metavar="N",
        help="accepted frames per run (default: %(default)s)",
    )
    parser.add_argument(
        "--codecs", metavar="LIST", help="codecs that may encode tensors (default: all with sufficient agreement)"
    )
    parser.add_argument(
        "--robot-speed",
        type=number(0.01, 1.0),
        default=0.2,
        metavar="FRACTION",
        help="speed of the emulated robot as a fraction of one core's speed (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/compare"),
        metavar="DIR",
        help="folder for the results (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run every policy on every link, and return the exit code."""
    from neurosurgeon_ros.learning import POLICIES

    rates = _rates(args.uplink)
    policies = tuple(name.strip() for name in args.policies.split(","))
    for name in policies:
        if name not in POLICIES:
            raise UsageError(f"--policies: {name!r} is not known: choose among {', '.join(POLICIES)}")
    options = ["--frames", str(args.frames), "--robot-speed", str(args.robot_speed)]
    options += ["--codecs", args.codecs] if args.codecs else []
    runs: list[Run] = []
    try:
        # All policies run back to back at each rate, so that a drift of the machine affects all of them.
        for rate in rates:
            for policy in policies:
                print(f"{rate:g} Mbit/s, {policy} ({len(runs) + 1} of {len(rates) * len(policies)})", flush=True)
                runs.append(_run(rate, policy, options, args.out / f"{rate:g}" / policy))
    except CompareError as problem:
        print(f"neurosurgeon compare: {problem}", file=sys.stderr)
        return 1
    ratios = ratio_to_best_fixed(runs, policies[0])
    summary = {"runs": [asdict(one) for one in runs], "policy": policies[0], "ratio_to_best_fixed": ratios}
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    _show(runs, ratios, policies[0])
    _plot(runs, policies, args.out / "compare.png")
    print(f"written to {args.out}: summary.json, compare.png")
    return 0


def ratio_to_best_fixed(runs: Sequence[Run], policy: str) -> dict[str, float]:
    """
    Compare a policy's mean delay with the best policy that does not learn, at each rate where both ran.

    :returns: ratio by rate in Mbit/s; below 1 the policy is better.
    """
    ratios = {}
    for rate in dict.fromkeys(one.uplink_mbps for one in runs):
        ours = [one.mean_delay_ms for one in runs if (one.uplink_mbps, one.policy) == (rate, policy)]
        fixed = [one.mean_delay_ms for one in runs if one.uplink_mbps == rate and one.policy in FIXED_POLICIES]
        if ours and fixed:
            ratios[f"{rate:g}"] = round(ours[0] / min(fixed), 4)
    return ratios


def _rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in text.split(","))
    except ValueError:
        rates = (0.0,)
    if not all(0.001 <= rate <= 1e5 for rate in rates):
        raise UsageError(f"--uplink: {text!r} is no list of rates: give numbers from 0.001 to 100000, such as 4,16,50")
    return rates


def _run(rate: float, policy: str, options: Sequence[str], out: Path) -> Run:
    """Run the demo in its own process, so that no run inherits state from another."""
    out.mkdir(parents=True, exist_ok=True)
    command = ["neurosurgeon", "demo", "--uplink", f"{rate:g}", "--policy", policy, "--out", str(out), *options]
    with (out / "demo.log").open("wb") as log:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
    if code != 0:
        raise CompareError(f"the run of {policy} at {rate:g} Mbit/s has ended with exit code {code}: see {log.name}")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    if not summary["frames_accepted"]:
        raise CompareError(f"the run of {policy} at {rate:g} Mbit/s was interrupted")
    return Run(rate, policy, summary["delay_ms"]["mean"], summary["frames_accepted"], summary["outcomes"])


def _show(runs: Sequence[Run], ratios: dict[str, float], policy: str) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("Mbit/s", Column("policy", no_wrap=True), "mean delay", "frames", "edge", "on device", "fallback")
    for one in runs:
        numbers = (one.outcomes["edge"], one.outcomes["on_device"], one.outcomes["fallback"])
        cells = (f"{one.uplink_mbps:g}", one.policy, f"{one.mean_delay_ms:.0f} ms", str(one.frames))
        table.add_row(*cells, *map(str, numbers))
    console = Console()
    console.print(table)
    for rate, ratio in ratios.items():
        console.print(f"{policy} at {rate} Mbit/s: {ratio:.2f} x the best policy that does not learn")


def _plot(runs: Sequence[Run], policies: Sequence[str], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rates = list(dict.fromkeys(one.uplink_mbps for one in runs))
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    width = 0.8 / len(policies)
    for index, policy in enumerate(policies):
        delays = [one.mean_delay_ms for one in runs if one.policy == policy]
        places = [place + (index - (len(policies) - 1) / 2) * width for place in range(len(rates))]
        shade = str(0.15 + 0.7 * index / max(1, len(policies) - 1))
        hatch = ("", "//", "..", "xx", "\\\\")[index % 5]
        axes.bar(places, delays, width, label=policy, color=shade, edgecolor="black", linewidth=0.5, hatch=hatch)
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_xlabel("uplink [Mbit/s]")
    axes.set_ylabel("mean delay [ms]")
    axes.set_title("Delay from image to detections, learning included")
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)
