# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Style of the figures. Policies have different styles that can be distinguished without colour."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

#: Display names.
NETWORKS = MappingProxyType(
    {"vgg16": "VGG16", "resnet50": "ResNet50", "tiny_yolov2": "tiny YOLOv2", "yolov3_tiny": "YOLOv3-tiny"}
)
POLICIES = MappingProxyType(
    {
        "oracle": "Oracle",
        "adaptive_mu_lin_ucb": "adaptive muLinUCB",
        "mu_lin_ucb": "muLinUCB",
        "lin_ucb": "LinUCB",
        "epsilon_greedy": "epsilon-greedy",
        "neurosurgeon": "Neurosurgeon",
        "edge_only": "pure edge (EO)",
        "on_device": "pure on-device (MO)",
        "best_fixed": "best fixed arm",
        "lagged": "greedy on the last 100 ms",
        "d_lin_ucb": "D-LinUCB",
        "sw_lin_ucb": "SW-LinUCB",
        "cd_lin_ucb": "CD-LinUCB",
        "lin_ts": "LinTS",
        "exp4": "EXP4",
    }
)
#: Colours of different brightness, so that they also differ in grey.
COLOURS = (
    *("#555555", "#0b3c5d", "#a4243b", "#2e8b57", "#d98324", "#8fa3b8", "#c9a0dc", "#cfd8dc", "#f0e6c0", "#3b6e8f"),
    *("#7b5ea7", "#6b4226", "#c2185b", "#00838f", "#9e9d24"),
)
HATCHES = ("||", "", "//", "..", "xx", "--", "\\\\", "oo", "++", "**", "/o", "\\\\|", "-x", "o.", "*-")
LINES = (
    *("-", "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)), (0, (3, 1)), (0, (1, 1))),
    *("--", "-.", ":", (0, (5, 1, 1, 1)), (0, (4, 2))),
)
MARKERS = ("", "o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "+")


def line(name: str, order: tuple[str, ...] = tuple(POLICIES)) -> dict[str, Any]:
    """Return the colour, line style and marker of a line; its name determines them."""
    index = order.index(name) % len(COLOURS)
    return {"color": COLOURS[index], "linestyle": LINES[index], "marker": MARKERS[index], "markersize": 4}


def bar(name: str, order: tuple[str, ...] = tuple(POLICIES)) -> dict[str, Any]:
    """Return the colour, hatch and edge of the bars of a series; its name determines them."""
    index = order.index(name) if name in order else len(order) - 1
    return {
        "color": COLOURS[index % len(COLOURS)],
        "hatch": HATCHES[index % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.5,
    }


def figure(
    title: str, rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 4.5
) -> tuple[Figure, Any]:
    """
    Make a figure with a grid of axes.

    :param title: title, which states the message of the figure.
    :param width: width in inches.
    :param height: height in inches.
    :returns: the figure, and its axes as an array of shape (rows, columns).
    """
    made = Figure(figsize=(width, height), layout="constrained")
    made.suptitle(title, fontsize=12)
    axes = made.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.grid(axis="y", color="0.85", linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return made, axes


def log_ratio(axis: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers as labels."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    subs: tuple[float, ...] = (1.0, 2.0, 5.0) if high > 20.0 * low else (1.0, 1.5, 2.0, 3.0, 5.0)
    if high < 3.0 * low:
        subs = (1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0)
    axis.yaxis.set_major_locator(LogLocator(subs=subs))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def legend_below(made: Figure, axes: Axes, columns: int) -> None:
    """Put the legend of `axes` below the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    lines = -(-len(labels) // columns)
    bottom = (0.12 + 0.22 * lines) / made.get_figheight()
    engine: Any = made.get_layout_engine()
    engine.set(rect=(0.0, bottom, 1.0, 1.0 - bottom))
    made.legend(handles, labels, loc="lower center", ncol=columns, fontsize=9, frameon=False)
