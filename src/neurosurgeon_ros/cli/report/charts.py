# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Charts of a report, each as an SVG for wide and for narrow screens."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurosurgeon_ros.cli.charts import draw_delays, draw_points
from neurosurgeon_ros.cli.report.figures import dropped, spans
from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Width and height in inches (72 CSS pixels each), and number of legend columns.
WIDE = (13.0, 4.6, 3)
NARROW = (5.2, 4.6, 1)

#: Maximum number of characters shown of an arm's name.
_NAME_LENGTH = 32

_SPAN_COLOURS = {"fallback": "#8c2f39", "no edge": "#777777"}


def draw(name: str, decisions: Sequence[SeenDecision], layout: tuple[float, float, int]) -> bytes:
    """
    Draw a chart.

    :param name: one of `CHARTS`.
    :param decisions: at least one, in order.
    :param layout: `WIDE` or `NARROW`.
    :returns: SVG with text as outlines, so that it looks the same everywhere.
    """
    width, height, columns = layout
    shown = [dataclasses.replace(decision, arm=_short(decision.arm)) for decision in decisions]
    # Do not parse a name with dollar signs as a formula. The fixed salt makes equal runs give equal pages.
    with matplotlib.rc_context({"text.parse_math": False, "svg.hashsalt": "report"}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        _DRAWERS[name](axes, shown, columns)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _draw_delays(axes: Axes, decisions: Sequence[SeenDecision], columns: int) -> None:
    draw_delays(axes, decisions, columns=columns)
    _number(axes, len(decisions))


def _draw_points(axes: Axes, decisions: Sequence[SeenDecision], columns: int) -> None:
    draw_points(axes, decisions, columns=columns)
    axes.set_ylabel("")
    _number(axes, len(decisions))


def _draw_predictions(axes: Axes, decisions: Sequence[SeenDecision], columns: int) -> None:
    answered = [
        (1e3 * decision.predicted_offload_delay, 1e3 * decision.offload_delay)
        for decision in decisions
        if decision.outcome == "edge"
    ]
    pairs = np.array(answered).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        axes.text(0.5, 0.5, "no frame with a prediction\nwas answered by the edge", ha="center", va="center")
        axes.set_axis_off()
        return
    # One slow answer must not squeeze all others into a corner.
    top = 1.1 * max(1.0, min(float(pairs.max()), 2.0 * float(np.percentile(pairs, 95))))
    outside = int((pairs > top).any(axis=1).sum())
    axes.plot([0.0, top], [0.0, top], color="black", linewidth=1.0, label="as predicted")
    label = "frame answered by the edge" + (f" ({outside} beyond the axes)" if outside else "")
    axes.scatter(pairs[:, 0], pairs[:, 1], s=16, color="#3f6fb5", alpha=0.7, linewidths=0, label=label)
    axes.set_xlim(min(0.0, float(pairs[:, 0].min())), top)
    axes.set_ylim(0.0, top)
    axes.set_xlabel("predicted offload delay [ms]")
    axes.set_ylabel("observed [ms]")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", fontsize=8, ncols=columns, framealpha=0.9)


def _draw_losses(axes: Axes, decisions: Sequence[SeenDecision], columns: int) -> None:
    numbers = np.arange(1, len(decisions) + 1)
    drops = dropped(decisions)
    axes.bar(numbers, drops, width=1.0, color="#f2a541", label="images dropped before the frame")
    named = set()
    for span in spans(decisions):
        label = "" if span.kind in named else span.kind
        named.add(span.kind)
        axes.axvspan(span.first - 0.5, span.last + 0.5, color=_SPAN_COLOURS[span.kind], alpha=0.35, lw=0, label=label)
    axes.set_ylim(0.0, 1.4 * max(1.0, float(drops.max())))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("images")
    axes.legend(loc="upper right", fontsize=8, ncols=columns, framealpha=0.9)
    _number(axes, len(decisions))


def _number(axes: Axes, frames: int) -> None:
    axes.set_xlabel("accepted frame")
    axes.set_xlim(0.0, frames + 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _short(name: str) -> str:
    """Return a name that a chart can show, without control characters, which fonts and XML do not support."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return printable if len(printable) <= _NAME_LENGTH else printable[: _NAME_LENGTH - 1] + "…"


_DRAWERS: dict[str, Callable[[Axes, Sequence[SeenDecision], int], None]] = {
    "delays": _draw_delays,
    "points": _draw_points,
    "predictions": _draw_predictions,
    "losses": _draw_losses,
}

#: Names and headings of the charts, in page order.
CHARTS = {
    "delays": "Delay by stage",
    "points": "Chosen partition points",
    "predictions": "Predicted against observed",
    "losses": "Drops and outages",
}
