# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the page, one set for each connected browser, and the rows that are streamed to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
from bokeh.plotting import figure

from neurosurgeon_ros.cli.charts import OUTCOMES, STAGES, stage_delays
from neurosurgeon_ros.cli.view.history import SHOWN, Point

#: Colours of lines.
DARK, RED, GREY = "#1b1b3a", "#8c2f39", "#888888"

#: Number of frames that the axis has room for from the beginning.
LEAST_SHOWN = 20

#: Maximum number of characters of an arm's name on the axis, because a phone is narrow.
NAME_LENGTH = 20

_STAGE_COLUMNS = tuple(f"stage_{index}" for index in range(len(STAGES)))
_COLOURS = {outcome: colour for outcome, _, colour, _ in OUTCOMES}
_MARKERS = {"o": "circle", "s": "square", "X": "x"}
_SHAPES = {outcome: _MARKERS[marker] for outcome, marker, _, _ in OUTCOMES}
_WORDS = {outcome: words for outcome, _, _, words in OUTCOMES}
_HOVER = [
    ("frame", "@number"),
    ("arm", "@arm"),
    ("outcome", "@words"),
    ("total", "@total{0} ms"),
    ("sent", "@sent{0.0} kB"),
]


def rows(points: Sequence[Point]) -> dict[str, Any]:
    """
    Make the columns for frames: delays in ms, sizes in kB, rates in Mbit/s, NaN if there is no value.

    :returns: columns by name, each with one value per point.
    """
    decisions = [point.decision for point in points]
    stages = 1e3 * stage_delays(decisions)
    columns: dict[str, Any] = {name: stages[index].tolist() for index, name in enumerate(_STAGE_COLUMNS)}
    columns["number"] = [point.number for point in points]
    columns["mean"] = [1e3 * point.mean_s for point in points]
    columns["total"] = [1e3 * one.total_delay for one in decisions]
    columns["arm"] = [_short(one.arm) for one in decisions]
    columns["colour"] = [_COLOURS[one.outcome] for one in decisions]
    columns["shape"] = [_SHAPES[one.outcome] for one in decisions]
    columns["words"] = [_WORDS[one.outcome] for one in decisions]
    columns["forced"] = [13 if one.forced else 0 for one in decisions]
    columns["sent"] = [1e-3 * one.sent_bytes for one in decisions]
    # Frames kept on the robot have no offloading delay, and that of unanswered frames is not known.
    answered = np.array([one.outcome == "edge" for one in decisions], dtype=bool)
    offload = 1e3 * np.array([one.offload_delay for one in decisions])
    predicted = 1e3 * np.array([one.predicted_offload_delay for one in decisions])
    transmit_s = np.array([one.transmit_delay for one in decisions])
    sent_bits = 8.0 * np.array([one.sent_bytes for one in decisions])
    columns["offload"] = np.where(answered, offload, np.nan).tolist()
    columns["predicted"] = np.where(answered, predicted, np.nan).tolist()
    measured = answered & (transmit_s > 0.0)
    columns["uplink"] = np.where(measured, 1e-6 * sent_bits / np.where(measured, transmit_s, 1.0), np.nan).tolist()
    return columns


class Charts:
    """Figures that share their frames: `delay`, `points`, `prediction`, `uplink`."""

    def __init__(self) -> None:
        self._source = ColumnDataSource(rows(()), name="frames")
        # Set the ranges here: a browser reports an error for an automatic range while there is no frame.
        self._frames = Range1d(start=0.5, end=LEAST_SHOWN + 0.5)
        self._rows = FactorRange(factors=["on_device"])
        self._tops = {name: Range1d(start=0, end=1) for name in ("delay", "prediction", "uplink")}
        self._points: list[Point] = []
        self._arms: dict[str, int] = {}
        self.delay = self._make_delay()
        self.points = self._make_points()
        self.prediction = self._make_prediction()
        self.uplink = self._make_uplink()

    @property
    def last(self) -> int:
        """Return the number of the last frame that is shown; 0 before the first."""
        return self._points[-1].number if self._points else 0

    def show(self, points: Sequence[Point]) -> None:
        """Show more frames, and drop the oldest ones."""
        if not points:
            return
        self._points = [*self._points, *points][-SHOWN:]
        first, last = self._points[0].number, self._points[-1].number
        self._frames.update(start=first - 0.5, end=max(last, first + LEAST_SHOWN - 1) + 0.5)
        arms = {_short(point.decision.arm): point.decision.partition_point for point in self._points}
        if arms != self._arms:
            self._arms = arms
            self._rows.factors = sorted(arms, key=lambda arm: (arms[arm], arm))
        self._source.stream(rows(points), rollover=SHOWN)
        decisions = [point.decision for point in self._points]
        self._tops["delay"].end = _top([1e3 * one.total_delay for one in decisions])
        shown = rows(self._points)
        self._tops["prediction"].end = _top([*shown["offload"], *shown["predicted"]])
        self._tops["uplink"].end = _top(shown["uplink"])

    def _figure(self, name: str, height: int, **more: Any) -> figure:
        """Make an empty chart."""
        chart = figure(
            name=name,
            height=height,
            sizing_mode="stretch_width",
            x_range=self._frames,
            toolbar_location=None,
            tools="",
            min_border_right=12,
            outline_line_color=None,
            **{"y_range": self._tops.get(name), **more},
        )
        chart.add_tools(HoverTool(tooltips=_HOVER, point_policy="snap_to_data"))
        chart.xgrid.grid_line_color = None
        chart.xaxis.axis_label = "accepted frame"
        chart.axis.axis_label_text_font_style = "normal"
        chart.axis.axis_line_color = "#bbbbbb"
        chart.axis.minor_tick_line_color = None
        chart.axis.major_tick_line_color = "#bbbbbb"
        return chart

    def _make_delay(self) -> figure:
        chart = self._figure("delay", 300, y_axis_label="delay [ms]")
        chart.vbar_stack(
            _STAGE_COLUMNS,
            x="number",
            width=1.0,
            source=self._source,
            fill_color=[colour for _, colour, _ in STAGES],
            line_color=None,
            hatch_pattern=["right_diagonal_line" if colour == "#ffffff" else " " for _, colour, _ in STAGES],
            hatch_color=GREY,
            hatch_scale=6,
        )
        chart.line("number", "mean", source=self._source, color="black", line_width=2)
        return chart

    def _make_points(self) -> figure:
        chart = self._figure("points", 240, y_range=self._rows)
        chart.scatter(
            "number", "arm", size="forced", fill_color=None, line_color="black", source=self._source, line_width=1.2
        )
        chart.scatter(
            "number", "arm", size=7, marker="shape", color="colour", source=self._source, line_width=2, alpha=0.9
        )
        return chart

    def _make_prediction(self) -> figure:
        chart = self._figure("prediction", 220, y_axis_label="offloading [ms]")
        chart.scatter("number", "offload", source=self._source, size=6, color=_COLOURS["edge"])
        chart.step("number", "predicted", source=self._source, color=RED, line_width=2, mode="center")
        return chart

    def _make_uplink(self) -> figure:
        chart = self._figure("uplink", 220, y_axis_label="Mbit/s")
        chart.scatter("number", "uplink", source=self._source, size=6, color=DARK)
        return chart


def _top(values: Sequence[float]) -> float:
    """Return the upper end of an axis. A few slow frames must not flatten the rest."""
    known = np.array(values)[np.isfinite(values)]
    if not known.size:
        return 1.0
    return 1.15 * max(0.1, min(float(known.max()), 2.0 * float(np.percentile(known, 95))))


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
