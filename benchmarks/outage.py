# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how soon real nodes use the edge again after an outage of the link.

    tools/run python benchmarks/outage.py [--depths 0 0.25 1] [--seconds 15] [--rounds 2] [--model yolov3_tiny]

Robot and edge run on the two sides of the testbed's link (network namespaces, needs root), with the codecs that are
admitted before a network is calibrated. The link has 50 Mbit/s, then the rate of the outage for some seconds, then 50
Mbit/s again. The script prints the share of frames that the edge answered in the last ten seconds before the outage,
the time from the link's return to the detections of the first frame that the edge answered, and the share of frames
that the edge answered from then on.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.machine import share_out, usable_cores
from testbed.network import NamespaceNetwork, NetworkProblem
from testbed.run import RunProblem, Seen, Setting, run_system
from testbed.scenario import WARM_UP_FRAMES, Scenario, Step
from testbed.systems import System

from neurosurgeon_ros.learning import DEFAULT_POLICY
from neurosurgeon_ros.models.files import find

#: Rate before and after, Mbit/s; seconds before; seconds after; seconds before the outage that count; camera rate, Hz.
RATE_MBPS, BEFORE_S, AFTER_S, LOOK_S, CAMERA_HZ = 50.0, 20.0, 30.0, 10.0, 10.0

UNCALIBRATED = System("uncalibrated", DEFAULT_POLICY, codecs=("fp32", "uint8"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run every outage and print its summary; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=float, nargs="+", default=[0.25], help="Mbit/s during the outage; 0: no link")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0], help="durations of the outage")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", default="yolov3_tiny")
    parser.add_argument("--robot-speed", type=float, default=0.2)
    args = parser.parse_args(argv)
    print(f"{'Mbit/s':>7} {'seconds':>8} {'edge before':>12} {'back after':>11} {'edge after':>11}", flush=True)
    try:
        with NamespaceNetwork() as network, tempfile.TemporaryDirectory() as out:
            setting = Setting(
                network, share_out(usable_cores()), find("bikes.mp4"), args.model, args.robot_speed, Path(out)
            )
            for number, mbps, lasts_s in itertools.product(range(args.rounds), args.depths, args.seconds):
                # A token bucket cannot have a rate of 0. One packet in ten seconds has the same effect.
                steps = (Step(0.0, RATE_MBPS), Step(BEFORE_S, mbps or 0.001), Step(BEFORE_S + lasts_s, RATE_MBPS))
                frames = round((BEFORE_S + lasts_s + AFTER_S) * CAMERA_HZ)
                scenario = Scenario(f"{mbps:g}-{lasts_s:g}", CAMERA_HZ, frames, steps)
                seen = run_system(UNCALIBRATED, scenario, setting, number=number, warm_up=WARM_UP_FRAMES)
                print(f"{mbps:7g} {lasts_s:8g} {summary(seen, BEFORE_S, BEFORE_S + lasts_s)}", flush=True)
    except (NetworkProblem, RunProblem) as problem:
        print(f"outage: {problem}", file=sys.stderr)
        return 1
    return 0


def summary(seen: Seen, begin_s: float, end_s: float) -> str:
    """
    Return the table cells: use of the edge before an outage, seconds until it was used again, and use after that.

    :param begin_s: start of the outage, seconds after the first frame that counts.
    :param end_s: end of the outage, seconds after the first frame that counts.
    """
    times = [frame["sent_s"] - seen.frames[0]["sent_s"] for frame in seen.frames]
    indices = [one["frame"] - WARM_UP_FRAMES for one in seen.decisions]
    used = [(times[i], one["outcome"] == "edge", i) for i, one in zip(indices, seen.decisions, strict=True)]
    before = [edge for sent_s, edge, _ in used if begin_s - LOOK_S <= sent_s < begin_s]
    back = next((index for sent_s, edge, index in used if edge and sent_s >= end_s), None)
    if back is None:
        return f"{_share(before):>12} {'never':>11} {'0 %':>11}"
    back_s = seen.frames[back]["answered_s"] - seen.frames[0]["sent_s"] - end_s
    after = [edge for sent_s, edge, index in used if index >= back]
    return f"{_share(before):>12} {back_s:>9.1f} s {_share(after):>11}"


def _share(edge: Sequence[bool]) -> str:
    return f"{100.0 * sum(edge) / max(1, len(edge)):.0f} %"


if __name__ == "__main__":
    sys.exit(main())
