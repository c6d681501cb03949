# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Experiments that judge policies by the ratio of their delay to Oracle's. Samples and probes count as delay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.simulation.environment import GAUSS, HEAVY
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import (
    BASELINES,
    DEFAULT,
    EDGES_GMACS,
    JUDGED_NETWORKS,
    LEARNERS,
    RATES_MBPS,
    Settings,
    random_scenario,
)
from neurosurgeon_ros.simulation.processes import ConstantLink, Link, MarkovLink, OrnsteinUhlenbeckLink, StepLink
from neurosurgeon_ros.simulation.scenario import Job, Scenario
from neurosurgeon_ros.simulation.simulate import Run

POLICIES = (*LEARNERS, *BASELINES)
HARD_LINKS: dict[str, Link] = {"ou": OrnsteinUhlenbeckLink(16.0, 0.5, 50.0), "markov": MarkovLink(50.0, 4.0, 60.0)}
HARD_NOISES = {"gauss": GAUSS, "heavy": HEAVY}
CHANGE = StepLink(((50.0, 150), (4.0, 150), (16.0, 150), (50.0, 150)))


def grid(settings: Settings) -> Result:
    """Run every policy at every rate with a fast and a slow edge."""
    cells = list(product(JUDGED_NETWORKS, RATES_MBPS, EDGES_GMACS, POLICIES))
    rows = []
    for (name, mbps, edge, policy), runs in zip(cells, _grid_runs(settings, cells), strict=True):
        rows.append(
            {
                "network": name,
                "uplink_mbps": mbps,
                "edge_gmacs": edge,
                "policy": policy,
                "ratio_0_50": _mean(run.ratio(0, 50) for run in runs),
                "ratio_50_400": _mean(run.ratio(50, 400) for run in runs),
                "sample_bytes": _mean(run.sample_bytes for run in runs),
                "probe_bytes": _mean(run.probe_bytes for run in runs),
            }
        )
    made, axes = style.figure(
        "Mean delay over Oracle's in frames 50 to 400 (no bar: as good as Oracle)", 2, 2, width=10, height=7
    )
    for axis, (name, edge) in zip(axes.flat, product(JUDGED_NETWORKS, EDGES_GMACS), strict=True):
        _grouped(axis, rows, POLICIES, RATES_MBPS, network=name, edge_gmacs=edge)
        axis.set_title(f"{style.NETWORKS[name]}, edge of {edge:,.0f} GMAC/s", fontsize=10)
        axis.set_xlabel("uplink (Mbit/s)")
        axis.set_ylabel("ratio to Oracle (log scale)")
    style.legend_below(made, axes[0, 0], 4)
    return Result(rows, rows, made)


def _grid_runs(settings: Settings, cells: Sequence[tuple[str, float, float, str]], **options: Any) -> list[list[Run]]:
    jobs = [
        Job(Scenario(name, ConstantLink(mbps), edge_gmacs=edge, seed=seed), policy, options)
        for name, mbps, edge, policy in cells
        for seed in range(settings.seeds)
    ]
    return _in_groups(settings.runner.run(jobs), settings.seeds)


def change(settings: Settings) -> Result:
    """Run every policy on an uplink that falls from 50 to 4 and rises to 16 and 50 Mbit/s, 150 frames each."""
    cells = list(product(JUDGED_NETWORKS, POLICIES))
    jobs = [
        Job(Scenario(name, CHANGE, frames=600, seed=seed), policy)
        for name, policy in cells
        for seed in range(settings.seeds)
    ]
    summary, rows = [], []
    made, axes = style.figure("Delay over Oracle's while the uplink changes", 1, 2, width=11, height=4.6)
    for (name, policy), runs in zip(cells, _in_groups(settings.runner.run(jobs), settings.seeds), strict=True):
        ratios = [_mean(run.ratio(first, first + 150) for run in runs) for first in range(0, 600, 150)]
        summary.append({"network": name, "policy": policy, "ratios": ratios})
        rows.append({"network": name, "policy": policy} | {f"ratio_{i + 1}": r for i, r in enumerate(ratios)})
        axis = axes[0, JUDGED_NETWORKS.index(name)]
        ratio = np.mean([run.delay_s / run.best_s for run in runs], axis=0)
        blocks = ratio.reshape(-1, 10).mean(axis=1)
        axis.plot(np.arange(5, 600, 10), blocks, label=style.POLICIES[policy], markevery=6, **style.line(policy))
        axis.set_title(style.NETWORKS[name], fontsize=10)
    for axis in axes.flat:
        style.log_ratio(axis)
        axis.set_xlabel("frame; uplink 50, 4, 16, 50 Mbit/s")
        axis.set_ylabel("ratio to Oracle (log scale)")
        for frame in (150, 300, 450):
            axis.axvline(frame, color="0.6", linewidth=0.8)
    style.legend_below(made, axes[0, 0], 4)
    return Result(rows, summary, made)


def hard(settings: Settings) -> Result:
    """Run every policy for 1,000 frames on wandering and on switching links, with Gaussian and with heavy noise."""
    seeds = 8
    cells = list(product(HARD_LINKS, HARD_NOISES, JUDGED_NETWORKS, POLICIES))
    jobs = [
        Job(Scenario(name, HARD_LINKS[link], noise=HARD_NOISES[noise], frames=1000, seed=seed), policy)
        for link, noise, name, policy in cells
        for seed in range(seeds)
    ]
    rows = []
    for number, runs in enumerate(_in_groups(settings.runner.run(jobs), seeds)):
        link, noise, name, policy = cells[number]
        scenarios = [job.scenario for job in jobs[number * seeds : (number + 1) * seeds]]
        rows.append(
            {
                "link": link,
                "noise": noise,
                "network": name,
                "policy": policy,
                "ratio": _mean(run.ratio() for run in runs),
                "ratio_best_fixed": _mean(_best_fixed(scenario) for scenario in scenarios),
            }
        )
    made, axes = style.figure("Mean delay over Oracle's on hard links, 1,000 frames", 1, 2, width=11, height=4.8)
    for axis, name in zip(axes.flat, JUDGED_NETWORKS, strict=True):
        kinds = tuple(product(HARD_LINKS, HARD_NOISES))
        labelled = [row | {"kind": (row["link"], row["noise"])} for row in rows]
        fixed = [
            row | {"policy": "best_fixed", "ratio": row["ratio_best_fixed"]}
            for row in labelled
            if row["policy"] == DEFAULT
        ]
        shown = (*POLICIES, "best_fixed")
        _grouped(axis, [*labelled, *fixed], shown, kinds, key="kind", value="ratio", network=name)
        axis.set_xticks(range(len(kinds)), [f"{link}\n{noise}" for link, noise in kinds])
        axis.set_title(style.NETWORKS[name], fontsize=10)
        axis.set_xlabel("link and noise")
        axis.set_ylabel("ratio to Oracle (log scale)")
    style.legend_below(made, axes[0, 0], 4)
    return Result(rows, rows, made)


def random(settings: Settings) -> Result:
    """Run every policy in 100 scenarios that the seed determines."""
    scenarios = [random_scenario(settings.seed, number) for number in range(100)]
    runs = _in_groups(settings.runner.run([Job(s, policy) for policy in POLICIES for s in scenarios]), len(scenarios))
    rows, summary = [], []
    made, axes = style.figure(f"100 random scenarios (seed {settings.seed}): share below a ratio", 1, 2, width=11)
    for policy, of_policy in zip(POLICIES, runs, strict=True):
        early = np.array([run.ratio(0, 50) for run in of_policy])
        late = np.array([run.ratio(50, 400) for run in of_policy])
        summary.append(
            {
                "policy": policy,
                "seed": settings.seed,
                "mean_0_50": float(early.mean()),
                "worst_0_50": float(early.max()),
                "mean_50_400": float(late.mean()),
                "worst_50_400": float(late.max()),
            }
        )
        for number, scenario in enumerate(scenarios):
            measured = scenario.measured
            rows.append(
                {
                    "policy": policy,
                    "scenario": number,
                    "network": scenario.network,
                    "uplink_mbps": getattr(scenario.link, "mbps", float("nan")),
                    "edge_gmacs": scenario.edge_gmacs,
                    "robot_gmacs": scenario.robot_gmacs,
                    "round_trip_s": measured.round_trip_s if measured else 0.0,
                    "fragment_factor": measured.fragment_factor if measured else 1.0,
                    "ratio_0_50": float(early[number]),
                    "ratio_50_400": float(late[number]),
                }
            )
        share = np.arange(1, len(scenarios) + 1)
        for axis, ratios in zip(axes.flat, (early, late), strict=True):
            axis.plot(np.sort(ratios), share, label=style.POLICIES[policy], markevery=12, **style.line(policy))
    for axis, frames in zip(axes.flat, ("frames 0 to 50", "frames 50 to 400"), strict=True):
        axis.set_xscale("log")
        axis.set_title(frames, fontsize=10)
        axis.set_xlabel("ratio to Oracle (log scale)")
        axis.set_ylabel("share of scenarios (%)")
    style.legend_below(made, axes[0, 0], 4)
    return Result(rows, summary, made)


def constants(settings: Settings) -> Result:
    """Run the grid with each nominal constant, and then with all of them, wrong by a factor of ten."""
    nominal = Nominal()
    names = ("bytes_per_s", "round_trip_s", "macs_per_s", "layer_s")
    variants: list[tuple[str, float, Nominal]] = [("none", 1.0, nominal)]
    for factor in (0.1, 10.0):
        for wrong in (*((name,) for name in names), names):
            changed = {name: getattr(nominal, name) * (factor if name in wrong else 1.0) for name in names}
            variants.append(("all" if wrong is names else wrong[0], factor, Nominal(**changed)))
    cells = list(product(JUDGED_NETWORKS, RATES_MBPS, EDGES_GMACS, (DEFAULT,)))
    rows: list[dict[str, Any]] = []
    for wrong_name, factor, given in variants:
        for (name, mbps, edge, _), runs in zip(cells, _grid_runs(settings, cells, nominal=given), strict=True):
            rows.append(
                {
                    "constant": wrong_name,
                    "factor": factor,
                    "network": name,
                    "uplink_mbps": mbps,
                    "edge_gmacs": edge,
                    "ratio_0_50": _mean(run.ratio(0, 50) for run in runs),
                    "ratio_50_400": _mean(run.ratio(50, 400) for run in runs),
                }
            )
    made, axes = style.figure("The default policy with nominal constants ten times off: worst of the grid", 1, 1)
    labels = [f"{wrong}\n× {factor:g}" if wrong != "none" else "as shipped" for wrong, factor, _ in variants]
    for shift, (value, label) in enumerate((("ratio_0_50", "frames 0 to 50"), ("ratio_50_400", "frames 50 to 400"))):
        worst = [
            max(row[value] for row in rows if (row["constant"], row["factor"]) == (wrong, factor))
            for wrong, factor, _ in variants
        ]
        positions = np.arange(len(variants)) + 0.4 * shift - 0.2
        axes[0, 0].bar(
            positions,
            np.array(worst) - 1.0,
            0.4,
            bottom=1.0,
            label=label,
            **style.bar(value, ("", "ratio_0_50", "ratio_50_400")),
        )
    axes[0, 0].axhline(1.10, color="0.3", linestyle="--", linewidth=1, label="limit")
    axes[0, 0].set_xticks(range(len(variants)), labels, fontsize=7)
    axes[0, 0].set_xlabel("constant that is wrong")
    axes[0, 0].set_ylabel("ratio to Oracle")
    axes[0, 0].legend(fontsize=9)
    return Result(rows, rows, made)


def _best_fixed(scenario: Scenario) -> float:
    """Return the ratio to Oracle of the arm that is best in hindsight."""
    total_s = scenario.environment().total_s()
    return float(total_s.sum(axis=0).min() / total_s.min(axis=1).sum())


def _in_groups(runs: Sequence[Run], size: int) -> list[list[Run]]:
    return [list(runs[first : first + size]) for first in range(0, len(runs), size)]


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _grouped(
    axis: Any,
    rows: Sequence[dict[str, Any]],
    policies: Sequence[str],
    groups: Sequence[Any],
    *,
    key: str = "uplink_mbps",
    value: str = "ratio_50_400",
    **only: Any,
) -> None:
    """Draw bars that begin at 1, with one group per value of `key` and one bar per policy."""
    width = 0.85 / len(policies)
    for index, policy in enumerate(policies):
        heights = [
            next(
                row[value]
                for row in rows
                if row["policy"] == policy and row[key] == group and only.items() <= row.items()
            )
            for group in groups
        ]
        positions = np.arange(len(groups)) + width * (index - (len(policies) - 1) / 2)
        label = style.POLICIES.get(policy, policy)
        axis.bar(positions, np.array(heights) - 1.0, width, bottom=1.0, label=label, **style.bar(policy))
    style.log_ratio(axis)
    axis.set_ylim(bottom=0.98)
    axis.set_xticks(range(len(groups)), [f"{group:g}" if isinstance(group, float) else "" for group in groups])
