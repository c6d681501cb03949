# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Whether the simulator tells what a real robot does: the same link, policy and seed on real nodes and in the simulator.

    tools/run python benchmarks/agreement_with_simulator.py TRACE... [--scale 10] [--begin 0] [--seconds 60]
    tools/run python benchmarks/agreement_with_simulator.py TRACE --run FOLDER

Each trace is a recorded link (a CSV with a column mbps, or a trace of mahimahi). Robot and edge run on the two sides of
the testbed's link (network namespaces, needs root), whose rate follows the trace from the first frame that counts.
Then the simulator runs the same policy with the robot's own arm table: see simulation/arms/real_run.py for what it
takes from the run. Printed are the share of each arm and the mean delay of both. They agree if no share differs by more
than a tenth of all frames, and the mean delay by no more than a tenth. With --run, a run that exists is compared: a
folder of the testbed with camera.json, made with the same options.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from testbed.machine import share_out, usable_cores
from testbed.network import NamespaceNetwork, NetworkProblem
from testbed.run import RunProblem, Setting, run_system
from testbed.scenario import WARM_UP_FRAMES, Scenario, Step
from testbed.systems import System

from neurosurgeon_ros.calibration.admission import Admission, expand
from neurosurgeon_ros.calibration.arm_table import ArmTable, build_arm_table
from neurosurgeon_ros.calibration.fidelity import find_fidelity
from neurosurgeon_ros.calibration.kept_delays import KeptDelays
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning import DEFAULT_POLICY, make_policy
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.simulation.arms.environment import FIDELITY_PRICE_S
from neurosurgeon_ros.simulation.arms.real_run import RealRun, run_environment
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.link_files import ROW_S, read_link

#: A token bucket has no rate of 0; one packet in ten seconds comes to the same.
LEAST_MBPS = 0.001
#: Pixels of an image of the shipped video.
VIDEO_PIXELS = 640 * 272
#: Largest difference that counts as agreement: of a share, in frames of all; of the mean delay, relative.
CLOSE = 0.1


@dataclass(frozen=True, slots=True)
class Agreement:
    """
    A run on real nodes beside its simulation.

    :param trace: name of the link.
    :param shares: share of each arm that either chose: on real nodes, and in the simulator.
    :param mean_s: mean delay of accepted frames, of both.
    :param frames: accepted frames that count, of both.
    """

    trace: str
    shares: dict[str, tuple[float, float]]
    mean_s: tuple[float, float]
    frames: tuple[int, int]

    @property
    def largest_share_difference(self) -> float:
        """Return the largest difference of an arm's share."""
        return max(abs(real - simulated) for real, simulated in self.shares.values())

    @property
    def delay_difference(self) -> float:
        """Return the simulator's mean delay relative to that of the real nodes, minus 1."""
        return self.mean_s[1] / self.mean_s[0] - 1.0

    @property
    def agrees(self) -> bool:
        """Return whether both differences are small."""
        return self.largest_share_difference <= CLOSE and abs(self.delay_difference) <= CLOSE


def main(argv: Sequence[str] | None = None) -> int:
    """Compare runs over each trace; returns the exit code, 1 if one does not agree."""
    args = _parser().parse_args(argv)
    results = []
    try:
        links = {path.stem: _part(path, args.scale, args.begin, args.seconds) for path in args.traces}
        for name, mbps in links.items():
            folder = args.run or _real_run(args, name, mbps)
            results.append(compare(name, folder, mbps, arm_table(folder, args), args))
            _print(results[-1])
    except (NetworkProblem, RunProblem, OSError, ValueError) as problem:
        print(f"agreement: {problem}", file=sys.stderr)
        return 1
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n", encoding="utf-8")
    return 0 if all(one.agrees for one in results) else 1


def compare(name: str, folder: Path, mbps: FloatArray, table: ArmTable, args: argparse.Namespace) -> Agreement:
    """
    Simulate what a run's robot met, and compare.

    :param folder: folder of the run, with camera.json.
    :param mbps: rates of the link from the first frame that counts.
    :param table: the robot's arm table.
    :raises ValueError: if the run has too little to simulate it.
    """
    seen = json.loads((folder / "camera.json").read_text(encoding="utf-8"))
    warm_up, images = int(seen["warm_up"]), len(seen["frames"])
    sent_s = np.array([frame["sent_s"] for frame in seen["frames"]])
    period_s = float(np.median(np.diff(sent_s)))
    counted_s = warm_up * period_s
    before = np.full(round(counted_s / ROW_S), mbps[0])
    decisions = sorted(seen["decisions"], key=lambda one: int(one["frame"]))
    run = RealRun(images, period_s, decisions, [int(one["frame"]) for one in decisions])
    environment = run_environment(
        run,
        table,
        np.concatenate([before, mbps]),
        row_s=ROW_S,
        fidelity_price_s=FIDELITY_PRICE_S,
        pixels=args.pixels,
        seed=args.seed,
    )
    policy = make_policy(args.policy, n_arms=len(table.arms), seed=args.seed)
    simulated = simulate_robot(policy, environment)
    arrived_s = simulated.starts_s - simulated.waited_s
    counts = (arrived_s > counted_s - 0.5 * period_s) & (arrived_s < (images - 0.5) * period_s)
    real = [one for one in decisions if int(one["frame"]) >= warm_up]
    names = [arm.name for arm in table.arms]
    both = (Counter(one["arm"] for one in real), Counter(names[arm] for arm in simulated.arms[counts]))
    frames = (len(real), int(counts.sum()))
    return Agreement(
        trace=name,
        shares={
            arm: (both[0][arm] / frames[0], both[1][arm] / frames[1])
            for arm in sorted({*both[0], *both[1]}, key=lambda arm: -both[0][arm])
        },
        mean_s=(
            float(np.mean([one["total_delay"] for one in real])),
            float(simulated.delay_s[counts].mean()),
        ),
        frames=frames,
    )


def arm_table(folder: Path, args: argparse.Namespace) -> ArmTable:
    """
    Return the arm table of a run's robot: its arms and its on-device delay as it logged them.

    The other seconds are those that the last start on this machine kept, scaled to this delay.

    :param folder: folder of the run, with robot_node.log.
    :raises ValueError: if the log does not name the arms.
    """
    log = folder / "robot_node.log"
    said = re.findall(r"\d+ arms \((.+)\), (\d+) ms on the device", log.read_text(encoding="utf-8"))
    if not said:
        raise ValueError(f"{log} does not name the robot's arms; give the folder of a run of robot_node")
    names, on_device_ms = said[-1][0].split(", "), float(said[-1][1])
    engine = Engine.load(args.model)
    every = build_arm_table(
        engine,
        expand(args.codecs),
        admission=Admission(fidelity=find_fidelity(engine.fingerprint)),
        speed=args.robot_speed,
        threads=1 if args.robot_speed < 1.0 else len(share_out(usable_cores()).robot),
        keep_all=True,
        measure=KeptDelays(is_as_fast=lambda engine, profile: True).calibrate,
    )
    chosen = np.array([every.index(name) for name in names])
    return replace(
        every,
        arms=tuple(every.arms[arm] for arm in chosen),
        profile=replace(
            every.profile, encode_s=every.profile.encode_s[chosen], decode_s=every.profile.decode_s[chosen]
        ),
        robot_s=every.robot_s[chosen] * (on_device_ms / 1e3 / float(every.robot_s[-1])),
        features=every.features[chosen],
        decode_s=every.decode_s[chosen],
        point=every.point[chosen],
        fidelity=every.fidelity[chosen],
        allowed=every.allowed[chosen],
        camera=every.camera[chosen],
    )


def _part(path: Path, scale: float, begin_s: float, seconds: float) -> FloatArray:
    """Return the rates of a part of a trace, none of them 0."""
    first = round(begin_s / ROW_S)
    rates = np.resize(read_link(path), first + round(seconds / ROW_S))[first:]
    mbps: FloatArray = np.maximum(scale * rates, LEAST_MBPS)
    return mbps


def _real_run(args: argparse.Namespace, name: str, mbps: FloatArray) -> Path:
    """Run robot and edge over a link; return the folder of the run."""
    out = Path(args.out or tempfile.mkdtemp(prefix="agreement-"))
    changes = [0, *(1 + np.flatnonzero(np.diff(mbps))).tolist()]
    steps = tuple(Step(row * ROW_S, float(mbps[row])) for row in changes)
    scenario = Scenario(name, args.camera_hz, round(len(mbps) * ROW_S * args.camera_hz), steps)
    system = System("robot", args.policy, codecs=tuple(args.codecs))
    with NamespaceNetwork() as network:
        setting = Setting(
            network, share_out(usable_cores()), Path(find("bikes.mp4")), args.model, args.robot_speed, out.resolve()
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
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="compare this run instead of making one")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the rates (%(default)s)")
    parser.add_argument("--begin", type=float, default=0.0, metavar="S", help="of the part of the trace (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the trace (%(default)s)")
    parser.add_argument("--camera-hz", type=float, default=10.0, help="images a second (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_FRAMES, help="images before them (%(default)s)")
    parser.add_argument("--policy", default=DEFAULT_POLICY, help="(%(default)s)")
    parser.add_argument("--codecs", nargs="+", default=["auto"], help="(%(default)s)")
    parser.add_argument("--model", default="yolov3_tiny", help="(%(default)s)")
    parser.add_argument("--robot-speed", type=float, default=0.2, metavar="FRACTION", help="(%(default)s)")
    parser.add_argument("--pixels", type=int, default=VIDEO_PIXELS, help="of an image (%(default)s, the video's)")
    parser.add_argument("--seed", type=int, default=0, help="of policy and noise; the robot's is 0 (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the runs (a new one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    return parser  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
