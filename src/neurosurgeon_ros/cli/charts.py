# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Charts shared by several commands: each frame's delay stacked by stage, and the chosen arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Stages with their colours and fields. Neighbouring colours differ in lightness, so that the chart is readable in
#: greyscale; white is hatched.
STAGES = (
    ("wait and pre-process", "#1b1b3a", ("slot_delay", "preprocess_delay")),
    ("front-end and encode", "#f2a541", ("front_end_delay", "encode_delay")),
    ("transmit", "#3f6fb5", ("transmit_delay",)),
    ("edge", "#b8dbf0", ("edge_queue_delay", "edge_decode_delay", "edge_compute_delay", "edge_postprocess_delay")),
    ("unanswered until the deadline", "#ffffff", ()),
    ("finish on the robot", "#8c2f39", ("finish_delay",)),
)
_UNANSWERED = 4

#: Outcomes with their marker, colour and label.
OUTCOMES = (
    ("edge", "o", "#3f6fb5", "answered by the edge"),
    ("on_device", "s", "#f2a541", "on the device"),
    ("fallback", "X", "#8c2f39", "sent, but finished on the robot"),
)


def stage_delays(decisions: Sequence[SeenDecision]) -> NDArray[np.float64]:
    """
    Return the seconds of each frame's stages; they add up to its total delay, except for unmeasured time.

    :returns: shape (stages, frames), all >= 0.
    """
    delays = np.zeros((len(STAGES), len(decisions)))
    for index, (_, _, fields) in enumerate(STAGES):
        for name in fields:
            delays[index] += _column(decisions, name)
    # For a frame without an answer, only the waiting time is known.
    answered = delays[2] + delays[3]
    delays[_UNANSWERED] = np.maximum(0.0, np.where(answered > 0.0, 0.0, _column(decisions, "offload_delay")))
    return delays


def draw_delays(axes: Axes, decisions: Sequence[SeenDecision], *, columns: int = 3) -> None:
    """Draw each frame's delay stacked by stage, with a legend of `columns` columns."""
    edges = np.arange(len(decisions) + 1) + 0.5
    floor = np.zeros(len(decisions))
    for (label, colour, _), delays in zip(STAGES, 1e3 * stage_delays(decisions), strict=True):
        if not delays.any():
            continue
        axes.stairs(
            floor + delays,
            edges,
            baseline=floor,
            fill=True,
            facecolor=colour,
            edgecolor="#777777",
            linewidth=0.0,
            hatch="////" if colour == "#ffffff" else None,
            label=label,
        )
        floor = floor + delays
    totals = 1e3 * _column(decisions, "total_delay")
    mean = np.cumsum(totals) / np.arange(1, len(totals) + 1)
    axes.plot(np.arange(1, len(totals) + 1), mean, color="black", linewidth=1.2, label="running mean of the total")
    # A few slow frames, mainly at the start, must not flatten the rest. Leave room for the legend at the top.
    heights = np.maximum(totals, floor)
    axes.set_ylim(0.0, 1.25 * max(1.0, min(float(heights.max()), 2.0 * float(np.percentile(heights, 95)))))
    axes.set_ylabel("delay [ms]")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", fontsize=8, ncols=columns, framealpha=0.9)


def draw_points(axes: Axes, decisions: Sequence[SeenDecision], *, columns: int = 3) -> None:
    """Draw each frame's arm, marked by its outcome, with a legend of `columns` columns."""
    arms = sorted({(decision.partition_point, decision.arm) for decision in decisions})
    rows = {arm: row for row, (_, arm) in enumerate(arms)}
    numbers = np.arange(1, len(decisions) + 1)
    chosen = np.array([rows[decision.arm] for decision in decisions])
    for outcome, marker, colour, label in OUTCOMES:
        of_it = np.array([decision.outcome == outcome for decision in decisions])
        if of_it.any():
            axes.scatter(numbers[of_it], chosen[of_it], s=16, marker=marker, color=colour, linewidths=0, label=label)
    forced = np.array([decision.forced for decision in decisions])
    if forced.any():
        axes.scatter(
            numbers[forced],
            chosen[forced],
            s=60,
            marker="o",
            facecolors="none",
            edgecolors="black",
            linewidths=0.8,
            label="forced sample",
        )
    keys = np.array([decision.key_frame for decision in decisions])
    axes.plot(numbers[keys], np.full(keys.sum(), -1.0), linestyle="", marker="|", color="black", markersize=6)
    axes.set_yticks(range(-1, len(arms)), ["key frames", *(arm for _, arm in arms)], fontsize=8)
    # Leave room for the legend above the points.
    axes.set_ylim(-1.5, len(arms) - 0.5 + 0.3 * (len(arms) + 1))
    axes.set_ylabel("partition point / codec")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", fontsize=8, ncols=columns, framealpha=0.9)


def _column(decisions: Sequence[SeenDecision], name: str) -> NDArray[np.float64]:
    """Return a field of every frame, 0 if it was not measured; shape (frames,)."""
    return np.nan_to_num(np.array([getattr(decision, name) for decision in decisions], dtype=np.float64), nan=0.0)
