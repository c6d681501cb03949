# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Experiments 4 to 9 of the paper: how policies learn, track changes, escape from traps and treat key frames."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import BASELINES, DEFAULT, RATES_MBPS, Settings
from neurosurgeon_ros.simulation.processes import ConstantLink, StepLink, StepLoad
from neurosurgeon_ros.simulation.scenario import Job, Measured, Scenario
from neurosurgeon_ros.simulation.simulate import Run


def _groups(settings: Settings, jobs: list[Job], seeds: int) -> list[list[Run]]:
    runs = settings.runner.run(jobs)
    return [runs[first : first + seeds] for first in range(0, len(runs), seeds)]


def _panels(title: str, settings: Settings, xlabel: str, ylabel: str) -> tuple[Any, dict[str, Any]]:
    """Make one panel per network."""
    made, axes = style.figure(title, 2, 2, width=10.5, height=7.0)
    names = settings.networks()
    for axis, name in zip(axes.flat, names, strict=False):
        axis.set_title(style.NETWORKS[name], fontsize=10)
        axis.set_xlabel(xlabel)
        axis.set_ylabel(ylabel)
    return made, dict(zip(names, axes.flat, strict=False))


def prediction(settings: Settings) -> Result:
    """Compare the error of the predicted offloading delay with that of offline profiles per layer (experiment 4)."""
    policies, seeds, frames = (DEFAULT, "mu_lin_ucb", "neurosurgeon"), 10, 200
    cells = list(product(settings.networks(), policies))
    measured = Measured(round_trip_s=8e-3, fragment_factor=1.2)
    jobs = [
        Job(
            Scenario(settings.table(n), ConstantLink(50.0), robot_gmacs=30.0, frames=frames, measured=measured, seed=s),
            policy,
        )
        for n, policy in cells
        for s in range(seeds)
    ]
    title = "Error of the predicted offloading delay (measured truth, 50 Mbit/s)"
    made, axes = _panels(title, settings, "frame", "mean relative error (%, log scale)")
    rows, summary = [], []
    for (name, policy), runs in zip(cells, _groups(settings, jobs, seeds), strict=True):
        error = np.stack([_relative_error(run) for run in runs])
        blocks = error.reshape(seeds, -1, 5)
        known = np.isfinite(blocks).sum(axis=(0, 2))
        by_block = np.where(known > 0, np.nansum(blocks, axis=(0, 2)) / np.maximum(known, 1), np.nan)
        at = np.arange(2.5, frames, 5)
        axes[name].plot(at, 100 * by_block, label=style.POLICIES[policy], markevery=4, **style.line(policy))
        rows += [
            {"network": name, "policy": policy, "frame": float(frame), "error": float(value)}
            for frame, value in zip(at, by_block, strict=True)
        ]
        late = error[:, 20:]
        seen = np.isfinite(late)
        mean = float(late[seen].mean()) if seen.any() else None
        summary.append({"network": name, "policy": policy, "error_after_20": mean})
    for axis in axes.values():
        style.log_ratio(axis)
    style.legend_below(made, next(iter(axes.values())), 3)
    return Result(rows, summary, made)


def _relative_error(run: Run) -> FloatArray:
    offloaded = run.offload_s > 0.0
    error = np.abs(run.predicted_s / np.where(offloaded, run.offload_s, np.nan) - 1.0)
    return np.where(offloaded, error, np.nan)


def comparison(settings: Settings) -> Result:
    """Compare the mean delays of the policies at each rate (experiment 5)."""
    policies, seeds = ("oracle", DEFAULT, "mu_lin_ucb", *BASELINES), 5
    cells = list(product(settings.networks(), RATES_MBPS, policies))
    jobs = [
        Job(Scenario(settings.table(n), ConstantLink(mbps), seed=seed), policy)
        for n, mbps, policy in cells
        for seed in range(seeds)
    ]
    title = "Mean delay of a frame (400 frames, learning included)"
    made, axes = _panels(title, settings, "uplink (Mbit/s)", "mean delay (ms, log scale)")
    rows = [
        {
            "network": name,
            "uplink_mbps": mbps,
            "policy": policy,
            "mean_delay_s": float(np.mean([run.delay_s.mean() for run in runs])),
        }
        for (name, mbps, policy), runs in zip(cells, _groups(settings, jobs, seeds), strict=True)
    ]
    width = 0.85 / len(policies)
    for name, axis in axes.items():
        for index, policy in enumerate(policies):
            of_policy = [row for row in rows if row["network"] == name and row["policy"] == policy]
            delays = [1e3 * float(str(row["mean_delay_s"])) for row in of_policy]
            positions = np.arange(len(RATES_MBPS)) + width * (index - (len(policies) - 1) / 2)
            axis.bar(positions, delays, width, label=style.POLICIES[policy], **style.bar(policy))
        style.log_ratio(axis)
        axis.set_xticks(range(len(RATES_MBPS)), [f"{mbps:g}" for mbps in RATES_MBPS])
    style.legend_below(made, next(iter(axes.values())), 6)
    return Result(rows, rows, made)


def tracking(settings: Settings) -> Result:
    """Show the chosen point at each frame while link and edge change (experiment 6)."""
    policies = ("oracle", DEFAULT, "mu_lin_ucb")
    link = StepLink(((50.0, 150), (4.0, 150), (16.0, 150), (50.0, 150)))
    load = StepLoad(((1.0, 300), (60.0, 150), (1.0, 150)))
    changes = {
        "uplink 50, 4, 16, 50 Mbit/s": {"link": link},
        "edge 60 times as slow in frames 300 to 450": {"link": ConstantLink(50.0), "load": load},
    }
    names = settings.networks()
    cells = list(product(names, changes, policies))
    jobs = [Job(Scenario(settings.table(n), frames=600, **changes[c]), policy) for n, c, policy in cells]  # type: ignore[arg-type]
    runs = settings.runner.run(jobs)
    made, axes = style.figure("The chosen partition point, frame by frame", len(names), 2, width=12, height=10)
    rows, summary = [], []
    for (name, what, policy), run in zip(cells, runs, strict=True):
        axis = axes[names.index(name), list(changes).index(what)]
        if policy == "oracle":
            axis.step(range(600), run.arms, label=style.POLICIES[policy], color="0.78", linewidth=5.0, where="mid")
        else:
            look = style.line(policy) | {"linestyle": "", "markersize": 2.5 if policy == DEFAULT else 1.5}
            axis.plot(run.arms, label=style.POLICIES[policy], zorder=3 if policy == DEFAULT else 2, **look)
        axis.set_title(f"{style.NETWORKS[name]}; {what}", fontsize=9)
        axis.set_ylabel("partition point p")
        axis.set_xlabel("frame" if name == names[-1] else "")
        points = settings.table(name).points
        rows += [
            {
                "network": name,
                "change": what,
                "policy": policy,
                "frame": k + 1,
                "point": points[arm],
                "delay_s": float(d),
            }
            for k, (arm, d) in enumerate(zip(run.arms, run.delay_s, strict=True))
        ]
        summary.append({"network": name, "change": what, "policy": policy, "ratio": run.ratio()})
    style.legend_below(made, axes[0, 0], 3)
    return Result(rows, summary, made)


def trapped(settings: Settings) -> Result:
    """
    Show that LinUCB stays trapped on the device after the link improves, and that muLinUCB escapes (experiment 7).

    Both run in their literal form, with delays in seconds. Forced sampling discovers the better link. After that, the
    confidence bound explores further.
    """
    policies, seeds, frames = ("lin_ucb", "mu_lin_ucb", DEFAULT), 5, 1200
    link = StepLink(((8.0, 300), (100.0, 900)))
    literal = {"delay_unit_s": 1.0}
    cells = list(product(settings.networks(), policies))
    jobs = [
        Job(
            Scenario(settings.table(n), link, robot_gmacs=20.0, frames=frames, seed=seed),
            policy,
            {} if policy == DEFAULT else literal,
        )
        for n, policy in cells
        for seed in range(seeds)
    ]
    title = "LinUCB stays where it was when the uplink rises from 8 to 100 Mbit/s at frame 300"
    made, axes = _panels(title, settings, "frame", "ratio to Oracle (log scale)")
    rows, summary = [], []
    for (name, policy), runs in zip(cells, _groups(settings, jobs, seeds), strict=True):
        last = len(settings.table(name).points) - 1
        kept = np.mean([run.arms == last for run in runs], axis=0)
        share = kept.reshape(-1, 25).mean(axis=1)
        ratio = np.mean([run.delay_s / run.best_s for run in runs], axis=0).reshape(-1, 25).mean(axis=1)
        axes[name].plot(
            np.arange(12.5, frames, 25), ratio, label=style.POLICIES[policy], markevery=4, **style.line(policy)
        )
        rows += [
            {"network": name, "policy": policy, "frame": 25 * k + 12, "on_device": float(kept_there), "ratio": float(r)}
            for k, (kept_there, r) in enumerate(zip(share, ratio, strict=True))
        ]
        after = float(np.mean([run.ratio(900) for run in runs]))
        summary.append(
            {"network": name, "policy": policy, "on_device_900_1200": float(kept[900:].mean()), "ratio_900_1200": after}
        )
    for axis in axes.values():
        style.log_ratio(axis)
    style.legend_below(made, next(iter(axes.values())), 3)
    return Result(rows, summary, made)


def key_frames(settings: Settings) -> Result:
    """Compare the delays of key and other frames over the weights' difference, in literal form (experiment 8)."""
    seeds, weights = 6, (0.2, 0.4, 0.6, 0.8, 0.9)
    cells = list(product(settings.networks(), weights))
    jobs = [
        Job(_key_frame_scenario(settings, n, seed), "mu_lin_ucb", {"weight_key": weight, "delay_unit_s": 1.0})
        for n, weight in cells
        for seed in range(seeds)
    ]
    title = "muLinUCB explores on frames that matter less (L = 0.2 on those; 50 Mbit/s)"
    made, axes = _panels(title, settings, "difference of the weights", "mean delay over Oracle's (log scale)")
    rows: list[dict[str, Any]] = []
    for (name, weight), runs in zip(cells, _groups(settings, jobs, seeds), strict=True):
        ratios = []
        for key in (True, False):
            drawn = [_key_frame_scenario(settings, name, seed).environment() for seed in range(seeds)]
            chosen = [environment.key_frames == key for environment in drawn]
            delay = sum(float(run.delay_s[at].sum()) for run, at in zip(runs, chosen, strict=True))
            ratios.append(delay / sum(float(run.best_s[at].sum()) for run, at in zip(runs, chosen, strict=True)))
        rows.append({"network": name, "difference": weight - 0.2, "ratio_key": ratios[0], "ratio_other": ratios[1]})
    for name, axis in axes.items():
        of_network = [row for row in rows if row["network"] == name]
        x = [row["difference"] for row in of_network]
        order = ("ratio_key", "ratio_other")
        for value, label in zip(order, ("key frames", "other frames"), strict=True):
            axis.plot(x, [row[value] for row in of_network], label=label, **style.line(value, ("", *order)))
        style.log_ratio(axis)
    style.legend_below(made, next(iter(axes.values())), 2)
    return Result(rows, rows, made)


def _key_frame_scenario(settings: Settings, name: str, seed: int) -> Scenario:
    return Scenario(settings.table(name), ConstantLink(50.0), frames=600, seed=seed)


def forced_sampling(settings: Settings) -> Result:
    """
    Vary the frequency of forced sampling, with a known and an unknown horizon (experiment 9).

    Forced frames use the point that looks best except p = P. This point sends few bytes, so it reveals little about a
    link that has improved.
    """
    seeds, frames, exponents = 5, 800, (0.1, 0.25, 0.4, 0.55, 0.7, 0.9)
    link = StepLink(((4.0, 400), (100.0, 400)))
    known = {"horizon known": frames, "horizon unknown": 0}
    cells = list(product(settings.networks(), known, exponents))
    jobs = [
        Job(
            Scenario(settings.table(n), link, robot_gmacs=20.0, frames=frames, seed=seed),
            "mu_lin_ucb",
            {"mu": mu, "horizon": known[horizon]},
        )
        for n, horizon, mu in cells
        for seed in range(seeds)
    ]
    title = "muLinUCB's forced samples cost delay, and look where little is to be learnt (uplink 4, then 100 Mbit/s)"
    made, axes = _panels(
        title, settings, "exponent mu: sampling forced every T^mu frames", "ratio to Oracle (log scale)"
    )
    rows: list[dict[str, Any]] = []
    for (name, horizon, mu), runs in zip(cells, _groups(settings, jobs, seeds), strict=True):
        before, after = (float(np.mean([run.ratio(a, b) for run in runs])) for a, b in ((0, 400), (400, 800)))
        rows.append(
            {"network": name, "horizon": known[horizon], "mu": mu, "ratio_0_400": before, "ratio_400_800": after}
        )
    default = [Job(Scenario(settings.table(n), link, robot_gmacs=20.0, frames=frames), DEFAULT) for n in axes]
    ours = {name: run.ratio(400) for name, run in zip(axes, settings.runner.run(default), strict=True)}
    for name, axis in axes.items():
        order = tuple(product(known, ("ratio_0_400", "ratio_400_800")))
        for index, (horizon, value) in enumerate(order):
            shown = [row for row in rows if row["network"] == name and row["horizon"] == known[horizon]]
            label = f"{horizon}, {'before' if value == 'ratio_0_400' else 'after'} the rise"
            look = style.line(str(index), ("", "", *"0123"))
            axis.plot([row["mu"] for row in shown], [row[value] for row in shown], label=label, **look)
        axis.axhline(ours[name], color=style.COLOURS[1], linewidth=2.5, label="adaptive muLinUCB, after the rise")
        style.log_ratio(axis)
    style.legend_below(made, next(iter(axes.values())), 2)
    return Result(rows, rows, made)
