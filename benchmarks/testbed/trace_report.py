# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""links.json as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = (
    "| system | mean | median | p90 | p99 | answered | bytes/frame | F1 | arms |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
)

#: Arms with a smaller share of the frames are not listed.
_SMALLEST_SHARE = 0.01


def links_table(summary: Mapping[str, Any]) -> str:
    """
    Write a table for each link, and the ratios.

    :param summary: content of links.json.
    """
    lines: list[str] = []
    for link in summary["links"]:
        lines += [f"## {link['name']}: {_described(link)}", "", *_HEAD]
        lines += [_line(row) for row in sorted(link["systems"], key=lambda row: float(row["mean_ms"]))]
        lines += ["", *_link_ratios(link), ""]
    if summary["ratio_to_best"] is not None:
        mean = f"Mean over the links: `default` / best alternative **{summary['ratio_to_best']:.2f}**"
        if summary["p99_to_robot"] is not None:
            mean += f", p99 of `default` / p99 of `detector_on_robot` **{summary['p99_to_robot']:.2f}**"
        lines += [f"{mean}."]
    return "\n".join(lines).rstrip() + "\n"


def links_section(summary: Mapping[str, Any]) -> list[str]:
    """Return the lines of the section in docs/performance.md."""
    return [
        "## Recorded links",
        "",
        f"The first {summary['links'][0]['seconds']:g} s of each recording, replayed at its own speed. Machine: "
        f"{summary['machine']}. Link: {summary['link']}. The queue in front of the link holds 0.4 s of the mean rate "
        "outside outages, and drops new packets when it is full. The link has this mean rate during the first "
        f"{summary['warm_up_frames']} frames, which are not counted. Every later camera frame is counted. The delay of "
        "a frame without detections of its own lasts until the detections of a newer frame arrive, or until the end of "
        "the run. Every alternative may be the best one, whatever its F1.",
        "",
        links_table(summary).rstrip(),
        "",
    ]


def _described(link: Mapping[str, Any]) -> str:
    return (
        f"{link['mean_mbps']:.2g} Mbit/s on average, at most {link['max_mbps']:.3g}, "
        f"down for {100.0 * link['down_share']:.0f} % of the time"
    )


def _line(row: Mapping[str, Any]) -> str:
    arms = [f"`{arm}` {100.0 * share:.0f} %" for arm, share in row["arms"].items() if share >= _SMALLEST_SHARE]
    cells = [
        f"`{row['name']}`",
        *(f"{row[name]:.0f} ms" for name in ("mean_ms", "median_ms", "p90_ms", "p99_ms")),
        f"{row['answered']}/{row['frames']}",
        f"{row['wire_bytes_per_frame'] / 1e3:.1f} kB",
        f"{row['f1']:.3f}",
        ", ".join(arms),
    ]
    return f"| {' | '.join(cells)} |"


def _link_ratios(link: Mapping[str, Any]) -> list[str]:
    said = []
    if link["ratio_to_best"] is not None:
        said.append(f"`default` / best alternative (`{link['best_alternative']}`): **{link['ratio_to_best']:.2f}**")
    if link["p99_to_robot"] is not None:
        said.append(f"p99 of `default` / p99 of `detector_on_robot`: **{link['p99_to_robot']:.2f}**")
    return ["; ".join(said) + "." if said else ""]
