# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Compare runs of real nodes with simulations of the same link, policy and seed.

    tools/run python benchmarks/agreement_with_simulator.py TRACE... [--scale 10] [--begin 0] [--seconds 60]
    tools/run python benchmarks/agreement_with_simulator.py FOLDER...
    tools/run python benchmarks/agreement_with_simulator.py TRACE --run FOLDER

Each TRACE is a recorded link: a CSV with a column mbps, or a mahimahi trace. Robot and edge run on the two sides of the
testbed's link, which uses network namespaces and needs root. From the first counted image on, the link's rate follows
the trace. The simulator then runs the same policy with the robot's own arm table. simulation/arms/real_run.py describes
which values it takes from the run.

A FOLDER with run.json, from a run on a recorded link, is compared without a new run. With --run, the command compares
an earlier run of its own, which needs the same options.

The noise of a real run cannot be repeated, so the simulator's figures are means over several draws of the noise, with
the same link, policy and policy seed. The command prints the share of each arm and the mean delay of both. They agree
if the shares of each arm differ by at most 0.1, and the mean delays by at most 10 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from run_records import Record, camera_record, logged_table, read_record
from testbed.machine import share_out, usable_cores
from testbed.network import NamespaceNetwork, NetworkProblem
from testbed.run import RunProblem, Setting, run_system
from testbed.scenario import WARM_UP_FRAMES, Scenario, Step
from testbed.systems import System

from neurosurgeon_ros.learning import DEFAULT_POLICY, make_policy
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.models.files import cache_folder, find
from neurosurgeon_ros.simulation.arms.environment import FIDELITY_PRICE_S
from neurosurgeon_ros.simulation.arms.real_run import run_environment
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.link_files import ROW_S, read_link

#: A token bucket cannot have a rate of 0. One packet in ten seconds has the same effect.
LEAST_MBPS = 0.001
#: Pixels of an image of the shipped video.
VIDEO_PIXELS = 640 * 272
#: Largest difference that counts as agreement: of an arm's share, and of the mean delay as a fraction.
CLOSE = 0.1


@dataclass(frozen=True, slots=True)
class Agreement:
    """
    The figures of a run on real nodes and of its simulation, as pairs in this order.

    :param trace: name of the link.
    :param shares: share of each arm that was chosen in either.
    :param mean_s: mean delay of accepted frames in seconds.
    :param frames: number of accepted frames that count.
    """

    trace: str
    shares: dict[str, tuple[float, float]]
    mean_s: tuple[float, float]
    frames: tuple[int, int]

    @property
    def largest_share_difference(self) -> float:
        """Return the largest absolute difference of an arm's shares."""
        return max(abs(real - simulated) for real, simulated in self.shares.values())

    @property
    def delay_difference(self) -> float:
        """Return the simulator's mean delay relative to that of the real nodes, minus 1."""
        return self.mean_s[1] / self.mean_s[0] - 1.0

    @property
    def agrees(self) -> bool:
        """Return whether both differences are at most :data:`CLOSE`."""
        return self.largest_share_difference <= CLOSE and abs(self.delay_difference) <= CLOSE


def main(argv: Sequence[str] | None = None) -> int:
    """Compare runs. Return the exit code: 1 if a run does not agree, or cannot be made or read."""
    args = _parser().parse_args(argv)
    results = []
    try:
        for path in args.paths:
            results.append(_compared(path, args))
            _print(results[-1])
    except (NetworkProblem, RunProblem, OSError, ValueError) as problem:
        print(f"agreement: {problem}", file=sys.stderr)
        return 1
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n", encoding="utf-8")
    return 0 if all(one.agrees for one in results) else 1


def compare(record: Record, *, seed: int = 0, draws: int = 1) -> Agreement:
    """
    Simulate a run, and compare both.

    :param seed: seed of the policy, and of the first draw of the noise.
    :param draws: number of draws of the noise. The simulator's figures are means over them.
    :raises ValueError: if the run does not show enough for a simulation.
    """
    run, names = record.run, [arm.name for arm in record.table.arms]
    real = [one for i, one in zip(run.image, run.decisions, strict=True) if i >= record.uncounted]
    arms, delays_s = [], []
    for draw in range(draws):
        environment = run_environment(
            run,
            record.table,
            record.mbps,
            row_s=ROW_S,
            fidelity_price_s=FIDELITY_PRICE_S,
            pixels=record.pixels,
            seed=seed + draw,
        )
        simulated = simulate_robot(make_policy(record.policy, n_arms=len(names), seed=seed), environment)
        image = np.round((simulated.starts_s - simulated.waited_s) / run.period_s)
        counts = (image >= record.uncounted) & (image < run.images)
        arms += [names[arm] for arm in simulated.arms[counts]]
        delays_s += simulated.delay_s[counts].tolist()
    both = (Counter(one["arm"] for one in real), Counter(arms))
    return Agreement(
        trace=record.name,
        shares={
            arm: (both[0][arm] / len(real), both[1][arm] / len(arms))
            for arm in sorted({*both[0], *both[1]}, key=lambda arm: -both[0][arm])
        },
        mean_s=(float(np.mean([one["total_delay"] for one in real])), float(np.mean(delays_s))),
        frames=(len(real), round(len(arms) / draws)),
    )


def _compared(path: Path, args: argparse.Namespace) -> Agreement:
    record = read_record(path) if path.is_dir() else _made(path, args)
    return compare(record, seed=args.seed, draws=args.draws)


def _made(path: Path, args: argparse.Namespace) -> Record:
    """Run robot and edge over a part of a trace, unless --run names such a run. Return the run's record."""
    mbps = _part(path, args.scale, args.begin, args.seconds)
    folder = args.run or _real_run(args, path.stem, mbps)
    threads = 1 if args.robot_speed < 1.0 else len(share_out(usable_cores()).robot)
    kept = folder.parents[2] / "cache" / "delays"
    table = logged_table(folder, args.model, args.robot_speed, threads, args.codecs, kept)
    return camera_record(folder, name=path.stem, policy=args.policy, table=table, mbps=mbps, pixels=args.pixels)


def _part(path: Path, scale: float, begin_s: float, seconds: float) -> FloatArray:
    """Return the rates of a part of a trace in Mbit/s, at least :data:`LEAST_MBPS`."""
    first = round(begin_s / ROW_S)
    rates = np.resize(read_link(path), first + round(seconds / ROW_S))[first:]
    mbps: FloatArray = np.maximum(scale * rates, LEAST_MBPS)
    return mbps


def _real_run(args: argparse.Namespace, name: str, mbps: FloatArray) -> Path:
    """Run robot and edge over a link. Return the folder of the run."""
    out = Path(args.out or tempfile.mkdtemp(prefix="agreement-")).resolve()
    # This robot has its own cache folder, so no other robot overwrites the delays that it keeps.
    cache = out / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for file in cache_folder().iterdir():
        if file.name != "delays" and not (cache / file.name).exists():
            (cache / file.name).symlink_to(file)
    changes = [0, *(1 + np.flatnonzero(np.diff(mbps))).tolist()]
    steps = tuple(Step(row * ROW_S, float(mbps[row])) for row in changes)
    scenario = Scenario(name, args.camera_hz, round(len(mbps) * ROW_S * args.camera_hz), steps)
    system = System("robot", args.policy, codecs=tuple(args.codecs))
    with NamespaceNetwork() as network, patch.dict(os.environ, NEUROSURGEON_CACHE=str(cache)):
        setting = Setting(
            network, share_out(usable_cores()), Path(find("bikes.mp4")), args.model, args.robot_speed, out
        )
        run_system(system, scenario, setting, warm_up=args.warm_up)
    return out / "runs" / name / "robot-0"


def _print(one: Agreement) -> None:
    print(f"{one.trace}: {one.frames[0]} accepted frames on real nodes, {one.frames[1]} in the simulator")
    for arm, (real, simulated) in one.shares.items():
        print(f"  {arm:<24} {100 * real:5.1f} %  {100 * simulated:5.1f} %")
    real_s, simulated_s = one.mean_s
    print(
        f"  {'mean delay':<24} {1e3 * real_s:5.0f} ms {1e3 * simulated_s:5.0f} ms, {100 * one.delay_difference:+.1f} %"
    )
    print(f"  {'agrees' if one.agrees else 'does not agree'}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser: Any = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="TRACE|FOLDER")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="compare this run over TRACE instead of a new run")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the link's rates (%(default)s)")
    parser.add_argument("--begin", type=float, default=0.0, metavar="S", help="start of the part to run (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the part to run (%(default)s)")
    parser.add_argument("--camera-hz", type=float, default=10.0, help="images per second (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_FRAMES, help="images that do not count (%(default)s)")
    parser.add_argument("--policy", default=DEFAULT_POLICY, help="the robot's policy (%(default)s)")
    parser.add_argument("--codecs", nargs="+", default=["auto"], help="the robot's codecs (%(default)s)")
    parser.add_argument("--model", default="yolov3_tiny", help="network (%(default)s)")
    parser.add_argument("--robot-speed", type=float, default=0.2, metavar="FRACTION", help="of one core (%(default)s)")
    parser.add_argument("--pixels", type=int, default=VIDEO_PIXELS, help="pixels per image (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of policy and noise; the robot uses 0 (%(default)s)")
    parser.add_argument("--draws", type=int, default=10, help="draws of the simulator's noise (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the runs (a new temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as JSON")
    return parser  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
