# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Experiment on generated or recorded mobile links, simulated with the robot's own rules: policies and references.

A frame is an image that the robot accepts. Its delay counts from the arrival of the image, and includes the wait in the
slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.arms.environment import robot_table
from neurosurgeon_ros.simulation.environment import HEAVY
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import ARMS, DEFAULT, Settings, on_device_s
from neurosurgeon_ros.simulation.link_files import ROW_S
from neurosurgeon_ros.simulation.mobile import MOBILE
from neurosurgeon_ros.simulation.processes import RecordedLink
from neurosurgeon_ros.simulation.scenario import Job, Scenario
from neurosurgeon_ros.simulation.simulate import Run
from neurosurgeon_ros.simulation.table import NetworkTable, network_names

POLICIES = (DEFAULT, "mu_lin_ucb", "d_lin_ucb", "sw_lin_ucb", "cd_lin_ucb", "lin_ts", "exp4")
#: Factors on a link's rate: the recorded link, and a newer, faster link.
SCALES = (1.0, 10.0)
ROBOTS_GMACS = (10.0, 60.0)
_FRAMES = 1000
#: Rows of each generated link, ten minutes.
_ROWS = 6000
#: The camera's period in seconds.
_PERIOD_S = 0.1
#: The edge counts as better if it saves more than this share of the on-device delay.
_BETTER = 0.05
#: Colour of the best fixed arm. Its colour in other figures is for bars, and is too light for a line.
_PLAIN = "#b8860b"


@dataclass(frozen=True, slots=True)
class _Cell:
    link: str
    scale: float
    network: str
    arms: str
    robot_gmacs: float


def links(settings: Settings) -> Result:
    """Run the policies on the links of the settings. Without any, run them on one generated link of each kind."""
    return compare(settings, settings.links or generated_links(settings.seed), network_names(), _FRAMES)


def generated_links(seed: int) -> dict[str, FloatArray]:
    """Generate one ten-minute link of each kind; return its rates in Mbit/s, one per 100 ms, by its name."""
    return {
        f"mobile_{name}": link.sample(_ROWS, np.random.default_rng(seed + number))
        for number, (name, link) in enumerate(MOBILE.items())
    }


def compare(settings: Settings, rates: Mapping[str, FloatArray], networks: Sequence[str], frames: int) -> Result:
    """
    Run the policies and the references on some links.

    Each ratio is a mean cost divided by the mean cost of a run of Oracle. The cost is the delay plus the penalty for
    lost fidelity, which is 0 for fp32 tensors. :meth:`Run.ratio` is not suitable: it compares with the best arm at the
    times of the run's own frames, and a slow run has other frames than Oracle.

    :param rates: rates of each link in Mbit/s, one per 100 ms, by the link's name.
    :param networks: names of the networks.
    :param frames: number of accepted frames.
    """
    cells = [_Cell(*cell) for cell in product(rates, SCALES, networks, ARMS, ROBOTS_GMACS)]
    tables = [settings.arms(cell.arms, cell.network) for cell in cells]
    scenarios = [
        link_scenario(
            table,
            cell.scale * rates[cell.link],
            robot_gmacs=cell.robot_gmacs,
            frames=frames,
            seed=settings.seed,
        )
        for cell, table in zip(cells, tables, strict=True)
    ]
    jobs, counts = [], []
    for cell, table, scenario in zip(cells, tables, scenarios, strict=True):
        arms = candidates(table, cell.robot_gmacs)
        fixed = [Job(scenario, "fixed_arm", {"arm": arm}, robot=True) for arm in arms]
        jobs += [Job(scenario, policy, robot=True) for policy in ("oracle", "lagged", *POLICIES)] + fixed
        counts.append(len(fixed))
    runs = iter(settings.runner.run(jobs))
    rows: list[dict[str, Any]] = []
    for cell, table, count in zip(cells, tables, counts, strict=True):
        oracle_s, lagged_s = (_sum_s(next(runs)) for _ in range(2))
        of_policy = {policy: next(runs) for policy in POLICIES}
        best_fixed_s = min(_sum_s(next(runs)) for _ in range(count))
        rows += [
            {
                "link": cell.link,
                "scale": cell.scale,
                "network": cell.network,
                "arms": cell.arms,
                "robot_gmacs": cell.robot_gmacs,
                "policy": policy,
                "ratio": _sum_s(run) / oracle_s,
                "ratio_best_fixed": best_fixed_s / oracle_s,
                "ratio_lagged": lagged_s / oracle_s,
                "frames_on_device_while_edge_better_longest": longest_on_device(run, table, cell.robot_gmacs),
                "frames_dropped": run.dropped,
            }
            for policy, run in of_policy.items()
        ]
    return Result(rows, rows, _plot(rows))


def link_scenario(
    table: NetworkTable | CodecTable, mbps: FloatArray, *, robot_gmacs: float, frames: int, seed: int
) -> Scenario:
    """
    Make a scenario with a recorded link and heavy noise.

    :param mbps: rates of the link in Mbit/s, one per 100 ms, repeated as often as needed.
    :param frames: number of accepted frames.
    """
    finished_s = on_device_s(table, robot_gmacs)
    longest_s = max(_PERIOD_S, (DEADLINE_FACTOR + 1.0) * finished_s)
    return Scenario(
        table,
        RecordedLink(mbps),
        robot_gmacs=robot_gmacs,
        noise=HEAVY,
        frames=frames,
        seed=seed,
        row_s=ROW_S,
        rows=max(len(mbps), round(frames * longest_s / ROW_S) + 1),
    )


def candidates(table: NetworkTable | CodecTable, robot_gmacs: float) -> list[int]:
    """
    Return the indices of the arms that can be the best fixed arm.

    With codecs, these are all arms. With fp32 tensors, they are the arms that send fewer bytes than every arm before
    them. Any other arm begins to send later than an earlier arm, and sends at least as many bytes.
    """
    if isinstance(table, CodecTable):
        return list(range(len(robot_table(table, robot_gmacs).arms)))
    before = np.minimum.accumulate(table.sent_bytes)
    return [0, *(1 + np.flatnonzero(np.diff(before) < 0.0)).tolist()]


def longest_on_device(run: Run, table: NetworkTable | CodecTable, robot_gmacs: float) -> int:
    """Return the longest series of frames that used `on_device` although the edge would save more than 5 %."""
    on_device = len(robot_table(table, robot_gmacs).arms if isinstance(table, CodecTable) else table.points) - 1
    better = run.best_s < (1.0 - _BETTER) * on_device_s(table, robot_gmacs)
    longest = now = 0
    for missed in (run.arms == on_device) & better:
        now = now + 1 if missed else 0
        longest = max(longest, now)
    return longest


def _sum_s(run: Run) -> float:
    return float((run.delay_s + run.penalty_s).sum())


def _plot(rows: Sequence[Mapping[str, Any]]) -> Figure:
    made, axes = style.figure("Mobile links: share of scenarios below a ratio to Oracle", 1, 2, width=11)
    for axis, scale in zip(axes.flat, SCALES, strict=True):
        shown = [row for row in rows if row["scale"] == scale]
        ratios = {policy: [row["ratio"] for row in shown if row["policy"] == policy] for policy in POLICIES}
        default = [row for row in shown if row["policy"] == DEFAULT]
        ratios |= {name: [row[f"ratio_{name}"] for row in default] for name in ("best_fixed", "lagged")}
        for name, of_name in ratios.items():
            share = 100.0 * np.arange(1, len(of_name) + 1) / len(of_name)
            look = style.line(name) | ({"color": _PLAIN} if name == "best_fixed" else {})
            axis.plot(np.sort(of_name), share, label=style.POLICIES[name], markevery=4, **look)
        axis.set_title("links as they are" if scale == 1.0 else f"{scale:g} times as fast", fontsize=10)
        axis.set_xlabel("ratio to Oracle")
        axis.set_ylabel("share of scenarios (%)")
    style.legend_below(made, axes[0, 0], 5)
    return made
