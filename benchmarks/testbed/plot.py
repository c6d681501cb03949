# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plot of the mean delay and its 95th percentile, for every system in every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw one panel for each scenario. Systems with an F1 below 0.95 are hatched."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = summary["system"]
    scenarios = list(dict.fromkeys(row["uplink_mbps"] for row in rows))
    names = list(dict.fromkeys(row["name"] for row in rows))
    height = 1.2 + 0.32 * len(names)
    figure, panels = plt.subplots(
        1,
        len(scenarios),
        figsize=(1.8 + 2.9 * len(scenarios), height),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, scenario in zip(panels[0], scenarios, strict=True):
        here = {row["name"]: row for row in rows if row["uplink_mbps"] == scenario}
        least = min(row["delay_ms"]["mean"] for row in here.values())
        limit = min(6.0 * least, 1.25 * max(row["delay_ms"]["p95"] for row in here.values()))
        for place, name in enumerate(names):
            if name not in here:
                continue
            row = here[name]
            mean, p95 = row["delay_ms"]["mean"], row["delay_ms"]["p95"]
            shade, hatch = ("0.25" if name == "default" else "0.7"), ("" if row["f1"] >= 0.95 else "///")
            axes.barh(place, min(mean, limit), color=shade, edgecolor="black", linewidth=0.5, hatch=hatch)
            if p95 <= limit:
                axes.plot([mean, p95], [place, place], color="black", linewidth=1, marker="|", markersize=5)
            beyond = mean > 0.75 * limit
            axes.text(
                min(max(mean, p95 if p95 <= limit else 0.0), limit) + (-0.02 if beyond else 0.02) * limit,
                place,
                f"{mean:.0f}",
                va="center",
                ha="right" if beyond else "left",
                fontsize="small",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8} if beyond else None,
            )
        axes.set_xlim(0.0, limit)
        axes.set_title(f"{scenario:g} Mbit/s" if isinstance(scenario, float) else "changing", fontsize="medium")
        axes.set_xlabel("delay [ms]")
    panels[0][0].set_yticks(range(len(names)), names)
    panels[0][0].invert_yaxis()
    figure.suptitle("Mean delay and p95, camera to detections\nhatched: F1 under 0.95", fontsize="medium")
    figure.savefig(path, dpi=120)
    plt.close(figure)
