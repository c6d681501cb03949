# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Experiment on outages of the link, simulated with the robot's own rules: frames until the edge is used as before.

A frame is an image that the robot accepts. The camera sends ten images a second.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.environment import HEAVY, Noise
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import ARMS, DEFAULT, Settings, on_device_s
from neurosurgeon_ros.simulation.processes import StepLink
from neurosurgeon_ros.simulation.scenario import Job, Scenario
from neurosurgeon_ros.simulation.simulate import Run
from neurosurgeon_ros.simulation.table import PSI, NetworkTable, network_names

#: Rates during the outage in Mbit/s, and lengths of the outage in seconds.
LOW_MBPS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)
SECONDS = (1.0, 3.0, 30.0, 300.0)
#: Rate of the link before and after the outage in Mbit/s, and start of the outage in seconds.
_HIGH_MBPS, _BEFORE_S = 50.0, 10.0
#: Speeds of a robot on which every network uses the edge, and of a faster robot.
ROBOTS_GMACS = (10.0, 60.0)
#: The camera's period in seconds.
_PERIOD_S = 0.1
#: Number of frames after the outage. The edge is used as before if this number of consecutive frames has at most this
#: ratio to Oracle.
_AFTER, _IN_A_ROW, _AS_GOOD = 400, 5, 1.05


def outage_scenario(
    table: NetworkTable | CodecTable, low_mbps: float, seconds: float, *, robot_gmacs: float, noise: Noise, seed: int
) -> Scenario:
    """
    Make a scenario with a link of 50 Mbit/s and an outage that begins 10 s after the start.

    :param low_mbps: rate during the outage in Mbit/s, at least 0.
    :param seconds: length of the outage in seconds.
    """
    before, during = round(_BEFORE_S / _PERIOD_S), round(seconds / _PERIOD_S)
    frames = before + round(seconds / max(_PERIOD_S, _fastest_s(table, low_mbps, robot_gmacs))) + _AFTER + 50
    return Scenario(
        table,
        StepLink(((_HIGH_MBPS, before), (low_mbps, during), (_HIGH_MBPS, 1))),
        robot_gmacs=robot_gmacs,
        noise=noise,
        frames=frames,
        seed=seed,
        row_s=_PERIOD_S,
        rows=before + during + 1,
    )


def _fastest_s(table: NetworkTable | CodecTable, mbps: float, robot_gmacs: float) -> float:
    """Return a lower bound of a frame's seconds at a rate: those of the fewest bytes, or of the whole network."""
    finished_s = on_device_s(table, robot_gmacs)
    if mbps == 0.0:
        return finished_s
    sent_bytes = table.features[:-1, PSI]
    return min(finished_s, 8e-6 * float(sent_bytes.min()) / mbps)


def back_again(run: Run, seconds: float) -> tuple[float, float]:
    """
    Return the number of frames from the end of an outage until the edge is used as before, and the ratio after that.

    The edge is used as before from the first five consecutive frames that together cost at most 5 % more than Oracle's.
    Their sum counts, so that one slightly slower arm after an outlier is not attributed to the outage. The cost counts
    from the acceptance of a frame, because the wait in the slot is the same for both and would hide a difference.

    :param run: run of a scenario from :func:`outage_scenario`.
    :param seconds: length of the outage in seconds.
    :returns: number of frames, and ratio to Oracle. If there are no such five frames, the number is infinite, and the
        ratio is that of the frames after the outage.
    """
    first = int(np.searchsorted(run.starts_s, _BEFORE_S + seconds - 1e-9))
    cost_s, best_s = (np.convolve(of[first:], np.ones(_IN_A_ROW), mode="valid") for of in (run.cost_s, run.best_s))
    found = np.flatnonzero(cost_s <= _AS_GOOD * best_s)
    if not len(found):
        return math.inf, run.ratio(first, first + _AFTER)
    until = int(found[0])
    return float(until), run.ratio(first + until, first + until + _AFTER)


def outage(settings: Settings) -> Result:
    """Run the default policy through outages, and count the frames until the edge is used as before."""
    seeds = max(1, settings.seeds // 10)
    cells = list(product(network_names(), ARMS, ROBOTS_GMACS, LOW_MBPS, SECONDS))
    scenarios = [
        outage_scenario(settings.arms(arms, name), low, seconds, robot_gmacs=gmacs, noise=HEAVY, seed=seed)
        for name, arms, gmacs, low, seconds in cells
        for seed in range(seeds)
    ]
    jobs = [Job(scenario, DEFAULT, robot=True) for scenario in scenarios]
    runs = iter(settings.runner.run(jobs))
    rows = []
    for name, arms, gmacs, low, seconds in cells:
        backs = [back_again(next(runs), seconds) for _ in range(seeds)]
        rows.append(
            {
                "network": name,
                "arms": arms,
                "robot_gmacs": gmacs,
                "low_mbps": low,
                "seconds": seconds,
                "policy": DEFAULT,
                "frames_until_back": max(until for until, _ in backs),
                "ratio_after": max(ratio for _, ratio in backs),
            }
        )
    made, axes = style.figure("Frames after an outage until the edge is used as before, the worst run", 2, 2, height=7)
    until_all = [float(str(row["frames_until_back"])) for row in rows]
    for axis, seconds in zip(axes.flat, SECONDS, strict=True):
        for number, name in enumerate(network_names()):
            shown = [row for row in rows if (row["network"], row["seconds"]) == (name, seconds)]
            until = [
                max(float(str(row["frames_until_back"])) for row in shown if row["low_mbps"] == low) for low in LOW_MBPS
            ]
            axis.plot(range(len(LOW_MBPS)), until, marker="o", color=f"C{number}", label=style.NETWORKS[name])
        axis.set_xticks(range(len(LOW_MBPS)), [f"{low:g}" for low in LOW_MBPS])
        axis.set_ylim(0, max(32.0, 1.05 * max((one for one in until_all if math.isfinite(one)), default=0.0)))
        axis.set_title(f"{seconds:g} s", fontsize=10)
        axis.set_xlabel("rate during the outage, Mbit/s")
        axis.set_ylabel("frames")
    style.legend_below(made, axes[0, 0], 5)
    return Result(rows, rows, made)
