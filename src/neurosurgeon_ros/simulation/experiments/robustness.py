# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Experiments on the effect of each part of the default policy, on the growth of regret and on a slow start."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.environment import HEAVY
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import (
    DEFAULT,
    JUDGED_NETWORKS,
    LEARNERS,
    RATES_MBPS,
    Settings,
    random_scenario,
)
from neurosurgeon_ros.simulation.processes import ConstantLink, MarkovLink, OrnsteinUhlenbeckLink, StepLink, StepLoad
from neurosurgeon_ros.simulation.scenario import Job, Scenario

#: Parts of the default policy, and labels of the policy without each part.
PARTS = {
    "none": "all parts",
    "features_in_seconds": "features without units",
    "probes": "no probes",
    "samples": "no samples beside frames",
    "informed": "uninformed forced sampling",
    "hedge": "robot begins at the deadline",
    "track": "no drift",
    "detect": "no change detector",
    "separate": "link and edge in one",
    "censored": "missed deadlines thrown away",
    "track_robot": "robot not tracked",
}


def _suites() -> dict[str, list[Scenario]]:
    """Return the scenarios of the ablation. In each suite, some part of the policy matters."""
    fall = StepLink(((50.0, 150), (4.0, 150), (16.0, 150), (50.0, 150)))
    slow_edge = StepLoad(((1.0, 150), (60.0, 100), (1.0, 150)))
    return {
        "grid": [
            Scenario(name, ConstantLink(mbps), edge_gmacs=edge, seed=seed)
            for name, mbps, edge, seed in product(JUDGED_NETWORKS, RATES_MBPS, (2000.0, 200.0), range(2))
        ],
        "random": [random_scenario(1, number) for number in range(30)],
        "change": [Scenario(name, fall, frames=600, seed=s) for name, s in product(JUDGED_NETWORKS, range(4))],
        "wandering, heavy noise": [
            Scenario(name, OrnsteinUhlenbeckLink(16.0, 0.5, 50.0), noise=HEAVY, frames=600, seed=seed)
            for name, seed in product(JUDGED_NETWORKS, range(4))
        ],
        "switching, heavy noise": [
            Scenario(name, MarkovLink(50.0, 4.0, 60.0), noise=HEAVY, frames=600, seed=seed)
            for name, seed in product(JUDGED_NETWORKS, range(4))
        ],
        "slow edge": [
            Scenario(name, ConstantLink(50.0), load=slow_edge, seed=seed)
            for name, seed in product(JUDGED_NETWORKS, range(4))
        ],
        "throttled robot": [
            Scenario(name, ConstantLink(mbps), throttle=StepLoad(((1.0, 100), (3.0, 300))), seed=seed)
            for name, mbps, seed in product(JUDGED_NETWORKS, (16.0, 30.0), range(2))
        ],
        "deadline, falls of the link": [
            Scenario(name, MarkovLink(50.0, 0.5, 40.0), deadline_s=deadline, seed=seed)
            for (name, deadline), seed in product((("vgg16", 0.4), ("tiny_yolov2", 0.1)), range(4))
        ],
    }


def ablation(settings: Settings) -> Result:
    """Run the default policy without each of its parts."""
    suites = _suites()
    cells = list(product(PARTS, suites))
    jobs = [
        Job(scenario, DEFAULT, {part: False} if part != "none" else {})
        for part, suite in cells
        for scenario in suites[suite]
    ]
    runs = iter(settings.runner.run(jobs))
    rows: list[dict[str, Any]] = []
    for part, suite in cells:
        ratios = [next(runs).ratio() for _ in suites[suite]]
        rows.append({"without": part, "suite": suite, "ratio": float(np.mean(ratios)), "worst": max(ratios)})
    made, axes = style.figure("What each part gives: ratio to Oracle without it", 2, 4, width=13, height=7.5)
    for axis, suite in zip(axes.flat, suites, strict=True):
        of_suite = {row["without"]: row["ratio"] for row in rows if row["suite"] == suite}
        lengths = [of_suite[part] - 1.0 for part in PARTS]
        colours = [style.COLOURS[1] if part == "none" else style.COLOURS[5] for part in PARTS]
        axis.barh(range(len(PARTS)), lengths, left=1.0, color=colours)
        axis.grid(axis="y", visible=False)
        axis.grid(axis="x", color="0.85", linewidth=0.6)
        axis.axvline(of_suite["none"], color=style.COLOURS[1], linestyle="--", linewidth=1)
        axis.set_title(suite, fontsize=10)
        axis.set_xlabel("ratio to Oracle")
        axis.set_xlim(left=1.0)
        labels = list(PARTS.values()) if axis in axes[:, 0] else [""] * len(PARTS)
        axis.set_yticks(range(len(PARTS)), labels, fontsize=8)
        axis.invert_yaxis()
    return Result(rows, rows, made)


def regret(settings: Settings) -> Result:
    """Measure the growth of the regret over 12,800 frames on stationary links."""
    seeds, frames = 3, 12_800
    policies = (DEFAULT, "mu_lin_ucb", "lin_ucb")
    cells = list(product(policies, JUDGED_NETWORKS, RATES_MBPS))
    jobs = [
        Job(Scenario(name, ConstantLink(mbps), frames=frames, seed=seed), policy)
        for policy, name, mbps in cells
        for seed in range(seeds)
    ]
    runs = iter(settings.runner.run(jobs))
    at = np.unique(np.geomspace(100, frames, 25).astype(int))
    made, axes = style.figure("Regret over frames on stationary links (fast edge)", 1, 2, width=11, height=5)
    rows: list[dict[str, Any]] = []
    summary = []
    for policy, name, mbps in cells:
        curves = [np.cumsum(run.delay_s - run.best_s) for run in (next(runs) for _ in range(seeds))]
        curve = np.mean(curves, axis=0)[at - 1]
        slope = _slope(at.astype(np.float64), curve)
        rows += [
            {"policy": policy, "network": name, "uplink_mbps": mbps, "frame": int(t), "regret_s": float(r)}
            for t, r in zip(at, curve, strict=True)
        ]
        summary.append(
            {"policy": policy, "network": name, "uplink_mbps": mbps, "slope": slope, "regret_s": float(curve[-1])}
        )
        axis = axes[0, JUDGED_NETWORKS.index(name)]
        look = style.line(policy) | {"marker": style.MARKERS[RATES_MBPS.index(mbps)]}
        axis.plot(at, np.maximum(curve, 1e-3), label=f"{style.POLICIES[policy]}, {mbps:g} Mbit/s", **look)
        axis.set_title(style.NETWORKS[name], fontsize=10)
    for axis in axes.flat:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("frame T (log scale)")
        axis.set_ylabel("regret R(T) (s, log scale, from 1 ms)")
    style.legend_below(made, axes[0, 0], 3)
    return Result(rows, summary, made)


def _slope(at: FloatArray, curve: FloatArray) -> float:
    """Return the slope of log R over log T; 0 if the final regret is below a millisecond."""
    if curve[-1] < 1e-3:
        return 0.0
    return float(np.polyfit(np.log(at), np.log(np.maximum(curve, 1e-3)), 1)[0])


def contention(settings: Settings) -> Result:
    """Run the learning policies with an edge that is ten times as slow during the first frames."""
    seeds, bursts = 5, (0, 1, 5, 20, 50)
    cells = list(product(settings.networks(), LEARNERS, bursts))
    jobs = [
        Job(
            Scenario(
                settings.table(name),
                ConstantLink(100.0),
                robot_gmacs=20.0,
                edge_gmacs=500.0,
                load=StepLoad(((10.0, burst), (1.0, 1))),
                seed=seed,
            ),
            policy,
        )
        for name, policy, burst in cells
        for seed in range(seeds)
    ]
    runs = iter(settings.runner.run(jobs))
    rows = []
    for name, policy, burst in cells:
        ratios = [run.ratio(burst + 50, 400) for run in (next(runs) for _ in range(seeds))]
        rows.append({"network": name, "policy": policy, "burst_frames": burst, "ratio_after": float(np.mean(ratios))})
    made, axes = style.figure("A slow start of the edge: ratio to Oracle from 50 frames after it", 2, 2, height=7)
    for axis, name in zip(axes.flat, settings.networks(), strict=False):
        for policy in LEARNERS:
            shown = [row for row in rows if (row["network"], row["policy"]) == (name, policy)]
            x = [math.log1p(float(str(row["burst_frames"]))) for row in shown]
            axis.plot(x, [row["ratio_after"] for row in shown], label=style.POLICIES[policy], **style.line(policy))
        axis.set_xticks([math.log1p(burst) for burst in bursts], [str(burst) for burst in bursts])
        style.log_ratio(axis)
        axis.set_title(style.NETWORKS[name], fontsize=10)
        axis.set_xlabel("frames for which the edge is ten times as slow")
        axis.set_ylabel("ratio to Oracle (log scale)")
    style.legend_below(made, axes[0, 0], 4)
    return Result(rows, rows, made)
