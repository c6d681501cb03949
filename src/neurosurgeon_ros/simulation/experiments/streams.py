# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Experiment on arms whose codec has memory, on mobile links, with the robot's own rules: the default and the best plan.

The arms are those of two calibrations of yolov3_tiny, on a video of a fixed camera and on one of a moving camera.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.arms.environment import robot_table
from neurosurgeon_ros.simulation.environment import HEAVY
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.links import SCALES, generated_links
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import DEFAULT, Settings
from neurosurgeon_ros.simulation.link_files import ROW_S
from neurosurgeon_ros.simulation.processes import RecordedLink
from neurosurgeon_ros.simulation.scenario import Job, Scenario
from neurosurgeon_ros.simulation.simulate import Run
from neurosurgeon_ros.simulation.streams.plan import best_plan

NETWORK = "yolov3_tiny"
#: Cameras whose videos the arms were calibrated on.
VIDEOS = ("fixed", "moving")
#: Speed of each robot in GMAC/s, and its camera's images per second: it finishes each image before the next one.
ROBOTS = ((60.0, 10.0), (20.0, 5.0))
#: What is compared with the best plan, with its name in the figure.
SERIES = {
    "default": "adaptive muLinUCB",
    "lagged": "greedy on the last 100 ms",
    "without_memory": "adaptive muLinUCB without memory",
    "best_fixed": "best fixed arm",
}
_FRAMES = 1000


@dataclass(frozen=True, slots=True)
class _Cell:
    link: str
    scale: float
    video: str
    robot_gmacs: float
    camera_hz: float


def streams(settings: Settings) -> Result:
    """Run the default policy on the links of the settings. Without any, run it on one generated link of each kind."""
    return compare(settings, settings.links or generated_links(settings.seed), _FRAMES)


def compare(settings: Settings, rates: Mapping[str, FloatArray], frames: int) -> Result:
    """
    Compare the default policy with the best plan and the references, and with itself without arms that have memory.

    Each ratio is a mean cost (delay plus penalty) divided by the lower bound of what any arms would have cost.

    :param rates: rates of each link in Mbit/s, one per 100 ms, by the link's name.
    :param frames: number of accepted frames.
    """
    cells = [_Cell(*cell[:3], *cell[3]) for cell in product(rates, SCALES, VIDEOS, ROBOTS)]
    tables = [settings.video_arms(NETWORK, cell.video) for cell in cells]
    scenarios = [
        stream_scenario(table, cell.scale * rates[cell.link], cell.robot_gmacs, cell.camera_hz, frames, settings.seed)
        for cell, table in zip(cells, tables, strict=True)
    ]
    jobs, kept = [], []
    for cell, table, scenario in zip(cells, tables, scenarios, strict=True):
        without = replace(scenario, network=table.at_rate(cell.camera_hz).without_memory())
        arms = robot_table(table.at_rate(cell.camera_hz), cell.robot_gmacs)
        jobs += [Job(scenario, DEFAULT, robot=True), Job(without, DEFAULT, robot=True)]
        jobs.append(Job(scenario, "lagged", robot=True))
        jobs += [Job(scenario, "fixed_arm", {"arm": arm}, robot=True) for arm in range(len(arms.arms))]
        kept.append(arms)
    runs = iter(settings.runner.run(jobs))
    rows = []
    for cell, scenario, arms in zip(cells, scenarios, kept, strict=True):
        default, without_memory, lagged = next(runs), next(runs), next(runs)
        fixed = [_sum_s(next(runs)) for _ in arms.arms]
        plan = best_plan(scenario.environment())
        has_memory = arms.key_bytes > 0.0
        rows.append(
            {
                "link": cell.link,
                "scale": cell.scale,
                "video": cell.video,
                "robot_gmacs": cell.robot_gmacs,
                "camera_hz": cell.camera_hz,
                "arms_with_memory": int(has_memory.sum()),
                "plan_above_bound": plan.cost_s / plan.least_s - 1.0,
                "ratio_default": _sum_s(default) / plan.least_s,
                "ratio_lagged": _sum_s(lagged) / plan.least_s,
                "ratio_without_memory": _sum_s(without_memory) / plan.least_s,
                "ratio_best_fixed": min(fixed) / plan.least_s,
                "best_fixed": arms.arms[int(np.argmin(fixed))],
                "share_with_memory": float(has_memory[default.arms].mean()),
                "share_with_memory_plan": float(has_memory[plan.arms].mean()),
                "mean_s": _sum_s(default) / frames,
            }
        )
    return Result(rows, rows, _plot(rows))


def stream_scenario(
    table: CodecTable, mbps: FloatArray, robot_gmacs: float, camera_hz: float, frames: int, seed: int
) -> Scenario:
    """
    Make a scenario with a link whose rate follows the clock, and heavy noise.

    :param mbps: rates of the link in Mbit/s, one per 100 ms, repeated as often as needed.
    """
    period_s = 1.0 / camera_hz
    return Scenario(
        table,
        RecordedLink(mbps),
        robot_gmacs=robot_gmacs,
        noise=HEAVY,
        frames=frames,
        seed=seed,
        row_s=ROW_S,
        rows=max(len(mbps), round(3.0 * frames * period_s / ROW_S)),
        period_s=period_s,
    )


def _sum_s(run: Run) -> float:
    return float((run.delay_s + run.penalty_s).sum())


def _plot(rows: Sequence[Mapping[str, Any]]) -> Figure:
    made, axes = style.figure("Arms with memory: ratio to the best plan, on each link", 1, len(VIDEOS), width=11)
    for axis, video in zip(axes.flat, VIDEOS, strict=True):
        shown = [row for row in rows if row["video"] == video]
        for number, (series, mark) in enumerate(zip(SERIES, "oxsD", strict=True)):
            ratios = sorted(row[f"ratio_{series}"] for row in shown)
            share = 100.0 * np.arange(1, len(ratios) + 1) / len(ratios)
            axis.plot(ratios, share, marker=mark, color=f"C{number}", label=SERIES[series])
        axis.set_title(f"{video} camera", fontsize=10)
        axis.set_xlabel("ratio to the best plan")
        axis.set_ylabel("share of scenarios (%)")
    style.legend_below(made, axes[0, 0], 2)
    return made
