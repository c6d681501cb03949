# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A chart of a network's partition points: the delay of each side, and the bytes that are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from neurosurgeon_ros.cli.network import smallest

ROBOT, EDGE, RAW, LEAST = "#4477aa", "#ccbb44", "#bbbbbb", "#228833"


def plot(content: dict[str, Any], path: Path) -> None:
    """
    Draw the data that ``partitions --json`` prints.

    :raises OSError: if the file cannot be written.
    :raises ValueError: if the file extension is not a supported format.
    """
    points = content["points"]
    rows = range(len(points))
    names = [point["name"] for point in points]
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 1.2 + 0.32 * len(points)), layout="constrained")
        delays, sizes = figure.subplots(1, 2, sharey=True)
        front = [1e3 * point["front_s"] for point in points]
        back = [1e3 * point["back_s"] for point in points]
        delays.barh(rows, front, color=ROBOT, label="front-end")
        delays.barh(rows, back, left=front, color=EDGE, label="back-end")
        delays.set_xlabel(f"ms on this machine, {content['threads']} threads")
        delays.set_yticks(rows, names)
        delays.invert_yaxis()
        for lossless, color, label in ((True, RAW, "raw"), (False, LEAST, f"smallest at {content['min_fidelity']:g}")):
            chosen = [smallest(point, lossless=lossless) for point in points]
            sizes.barh(
                [row + (-0.2 if lossless else 0.2) for row in rows],
                [arm["bytes"] / 1e3 if arm else 0.0 for arm in chosen],
                height=0.4,
                color=color,
                label=label,
            )
            for row, arm in zip(rows, chosen, strict=True):
                if arm:
                    sizes.annotate(
                        arm["codec"],
                        (arm["bytes"] / 1e3, row + (-0.2 if lossless else 0.2)),
                        xytext=(3, 0),
                        textcoords="offset points",
                        va="center",
                        fontsize=7,
                    )
        sizes.set_xscale("log")
        sizes.xaxis.set_major_formatter("{x:g}")
        sizes.margins(x=0.15)
        sizes.set_xlabel("kB that travel")
        for axes in (delays, sizes):
            axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
        weights = ", random weights" if content["random_weights"] else ""
        figure.suptitle(f"{content['model']}{weights}: where it can be cut", x=0.01, ha="left", fontweight="bold")
        figure.savefig(path, dpi=150)
