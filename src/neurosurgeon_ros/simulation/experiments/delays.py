# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Experiments 1 to 3 of the paper: the delay of each partition point by stage, by edge and by link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.environment import EDGE_LAYER_S, ROBOT_LAYER_S
from neurosurgeon_ros.simulation.experiments import style
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import RATES_MBPS, Settings
from neurosurgeon_ros.simulation.table import NetworkTable

#: In the truth `measured`, the robot has this fraction of the profiled machine's speed. The edge is that machine.
ROBOT_SPEED = 0.2
#: Seconds to the edge and back in the truth `measured`.
ROUND_TRIP_S = 2e-3
TRUTHS = ("linear", "measured")
STAGES = ("front_end_s", "transmission_s", "back_end_s")


def _stages(table: NetworkTable, truth: str, mbps: float, slower_edge: float = 1.0) -> FloatArray:
    """Return the front-end, transmission and back-end delay of each partition point in seconds, shape (n, 3)."""
    macs, layers = table.back_macs, table.back_layers
    if truth == "linear":
        front = (macs[0] - macs) / 60e9 + ROBOT_LAYER_S * (layers[0] - layers)
        back = slower_edge * (macs / 2000e9 + EDGE_LAYER_S * layers)
        round_trip = 0.0
    else:
        front, back, round_trip = table.front_s / ROBOT_SPEED, slower_edge * table.back_s, ROUND_TRIP_S
    transmission = 8e-6 * table.sent_bytes / mbps + np.where(table.sent_bytes > 0.0, round_trip, 0.0)
    return np.stack([front, transmission, back], axis=1)


def _panels(title: str, settings: Settings) -> tuple[Any, Any]:
    """Make a grid of panels, with one row per truth and one column per network."""
    names = settings.networks()
    made, axes = style.figure(title, len(TRUTHS), len(names), width=3.6 * len(names), height=7.0)
    for row, truth in enumerate(TRUTHS):
        for column, name in enumerate(names):
            axis, table = axes[row, column], settings.table(name)
            axis.set_title(f"{style.NETWORKS[name]}, {truth}", fontsize=10)
            axis.set_ylabel("delay (ms)" if column == 0 else "")
            ticks = [0, *np.linspace(0, len(table.points) - 1, 6).astype(int)[1:-1], len(table.points) - 1]
            axis.set_xticks(ticks, [table.points[tick] for tick in ticks], rotation=35, ha="right", fontsize=7)
            axis.set_xlabel("partition point" if row == 1 else "")
    return made, axes


def _limit(axis: Any, on_device_s: float, best_s: float) -> None:
    """Limit the y axis to the relevant delays. Those of early layers, which send megabytes, are far above."""
    axis.set_ylim(0.0, 1e3 * max(2.5 * on_device_s, 1.2 * best_s))


def stages(settings: Settings) -> Result:
    """Plot stacked front-end, transmission and back-end delays at 50 Mbit/s (experiment 1)."""
    mbps = 50.0
    rows: list[dict[str, Any]] = []
    made, axes = _panels("What a frame's delay consists of, by partition point (50 Mbit/s)", settings)
    for row, truth in enumerate(TRUTHS):
        for column, name in enumerate(settings.networks()):
            table = settings.table(name)
            delays = _stages(table, truth, mbps)
            position = np.arange(len(delays))
            bottom = np.zeros(len(delays))
            labels = ("front-end on the robot", "transmission", "back-end at the edge")
            for index, label in enumerate(labels):
                top = bottom + 1e3 * delays[:, index]
                axes[row, column].fill_between(
                    position,
                    bottom,
                    top,
                    step="mid",
                    label=label,
                    facecolor=style.COLOURS[2 * index + 2],
                    hatch=style.HATCHES[index + 1],
                    edgecolor="white",
                    linewidth=0.0,
                )
                bottom = top
            _limit(axes[row, column], float(delays[-1, 0]), float(delays.sum(axis=1).min()))
            rows += [
                {"truth": truth, "network": name, "point": point, "uplink_mbps": mbps}
                | dict(zip(STAGES, map(float, delay), strict=True))
                for point, delay in zip(table.points, delays, strict=True)
            ]
    style.legend_below(made, axes[0, 0], 3)
    return Result(rows, _best(rows, ("truth", "network", "uplink_mbps")), made)


def edge_speeds(settings: Settings) -> Result:
    """Plot the total delay at 50 Mbit/s with edges of several speeds (experiment 2)."""
    return _lines(
        settings,
        "The best partition point depends on the edge (50 Mbit/s)",
        [
            (f"edge {factor:g} times as slow" if factor > 1 else "fast edge", 50.0, factor)
            for factor in (1.0, 4.0, 16.0)
        ],
    )


def link_rates(settings: Settings) -> Result:
    """Plot the total delay at several rates of the uplink (experiment 3)."""
    return _lines(
        settings,
        "The best partition point depends on the link",
        [(f"uplink {mbps:g} Mbit/s", mbps, 1.0) for mbps in RATES_MBPS],
    )


def _lines(settings: Settings, title: str, variants: Sequence[tuple[str, float, float]]) -> Result:
    rows: list[dict[str, Any]] = []
    made, axes = _panels(title, settings)
    order = ("", *(label for label, _, _ in variants))
    for row, truth in enumerate(TRUTHS):
        for column, name in enumerate(settings.networks()):
            table, axis, best_s, on_device_s = settings.table(name), axes[row, column], 0.0, 0.0
            for label, mbps, slower_edge in variants:
                delays = _stages(table, truth, mbps, slower_edge)
                total = delays.sum(axis=1)
                look = style.line(label, order)
                axis.plot(1e3 * total, label=label, markevery=max(1, len(total) // 8), **look)
                best = int(np.argmin(total))
                axis.plot(best, 1e3 * total[best], "o", markersize=10, fillstyle="none", color=look["color"])
                best_s, on_device_s = max(best_s, float(total[best])), float(total[-1])
                rows += [
                    {
                        "truth": truth,
                        "network": name,
                        "point": point,
                        "uplink_mbps": mbps,
                        "edge_slower": slower_edge,
                    }
                    | dict(zip(STAGES, map(float, delay), strict=True))
                    for point, delay in zip(table.points, delays, strict=True)
                ]
            _limit(axis, on_device_s, best_s)
    style.legend_below(made, axes[0, 0], 3)
    return Result(rows, _best(rows, ("truth", "network", "uplink_mbps", "edge_slower")), made)


def _best(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the best partition point and its total delay for each combination of `keys`."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        total_s = sum(row[stage] for stage in STAGES)
        if key not in best or total_s < best[key]["total_s"]:
            best[key] = {name: row[name] for name in keys} | {"best": row["point"], "total_s": total_s}
    return list(best.values())
