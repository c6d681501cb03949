# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A run as a chart: each frame's delay stacked by stage, and the chosen partition point below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurosurgeon_ros.cli.charts import draw_delays, draw_points
from neurosurgeon_ros.diagnostics.records import SeenDecision


def draw_timeline(decisions: Sequence[SeenDecision], title: str, path: Path) -> None:
    """
    Write the chart as PNG.

    :param decisions: at least one, in order.
    """
    figure = Figure(figsize=(12.0, 7.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_delays(above, decisions)
    above.set_title(title, loc="left", fontsize=11)
    draw_points(below, decisions)
    below.set_xlabel("accepted frame")
    below.set_xlim(0.0, len(decisions) + 1.0)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path)
