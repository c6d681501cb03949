# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables and the picture of docs/codecs.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codec_rows.defaults import CAMERA, CAMERA_VIDEO, CHANGES, FAMILIES, INPUT, INPUT_VIDEO, MAPS, family

PAGE = Path(__file__).resolve().parents[2] / "docs" / "codecs.md"
PICTURE = PAGE.parent / "images" / "codecs.png"

#: The least F1 of a codec in the tables, and the least lower end of its interval.
AIM, AIM_LOW = 0.95, 0.93

#: The lowest F1 that the picture shows.
LOWEST = 0.8

_MARKS = re.compile(r"(<!-- codecs (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Colours of different brightness, and markers.
_STYLES = {
    INPUT: ("#8a8a8a", "s"),
    CAMERA: ("#222222", "D"),
    MAPS: ("#d98324", "^"),
    CHANGES: ("#a4243b", "o"),
    INPUT_VIDEO: ("#4fa3d1", "v"),
    CAMERA_VIDEO: ("#0b3c5d", "P"),
}

Rows = Sequence[Mapping[str, Any]]


def filled(text: str, rows: Rows) -> str:
    """Return the page with the table of each video between its markers."""
    return _MARKS.sub(lambda match: f"{match[1]}{table(rows, match[2])}\n{match[3]}", text)


def table(rows: Rows, video: str) -> str:
    """Return the best codec of each family at each rate: the fewest bytes at the aim, or else the highest F1."""
    lines = [
        "| what is sent | Hz | codec | F1, lower end | kB, key | ms to encode, decode |",
        "| --- | ---: | --- | --- | --- | --- |",
    ]
    here = [row for row in rows if row["video"] == video]
    for name in FAMILIES:
        members = [row for row in here if family(row) == name]
        for hz in sorted({row["hz"] for row in members}, reverse=True):
            row = best([row for row in members if row["hz"] == hz])
            memory = row["key_bytes"] > 0
            key = f"{row['key_bytes'] / 1e3:.1f}" if memory else "–"
            arm = row["codec"] if row["point"] == "input" else f"{row['point']}/{row['codec']}"
            score = f"{row['f1']:.3f}, {row['f1_low']:.3f}"
            lines.append(
                f"| {name} | {f'{hz:.3g}' if memory else 'any'} | `{arm}` | {score if reaches(row) else f'*{score}*'} "
                f"| {row['bytes'] / 1e3:.1f}, {key} | {row['encode_ms']:.1f}, {row['decode_ms']:.1f} |"
            )
    return "\n".join(lines)


def reaches(row: Mapping[str, Any]) -> bool:
    """Return whether a codec agrees well enough to be listed as good."""
    return bool(row["f1"] >= AIM and row["f1_low"] >= AIM_LOW)


def best(rows: Rows) -> Mapping[str, Any]:
    """Return the row with the fewest bytes among those at the aim; if there is none, the one with the highest F1."""
    good = [row for row in rows if reaches(row)]
    return min(good, key=lambda row: row["bytes"]) if good else max(rows, key=lambda row: row["f1"])


def frontier(rows: Rows) -> list[Mapping[str, Any]]:
    """Return the rows that no other one beats in both bytes and F1, from few bytes to many."""
    kept: list[Mapping[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["bytes"], -row["f1"])):
        if not kept or row["f1"] > kept[-1]["f1"]:
            kept.append(row)
    return kept


def draw(rows: Rows, path: Path) -> None:
    """Draw bytes against F1, a panel for each video. Filled markers: the highest rate; hollow ones: the lowest rate."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    videos = list(dict.fromkeys(row["video"] for row in rows))
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, panels = plt.subplots(
            1, len(videos), figsize=(4.6 * len(videos), 5.0), sharey=True, squeeze=False, layout="constrained"
        )
        for axes, video in zip(panels[0], videos, strict=True):
            here = [row for row in rows if row["video"] == video]
            for name in FAMILIES:
                members = [row for row in here if family(row) == name]
                rates = sorted({row["hz"] for row in members}, reverse=True)
                for hz in dict.fromkeys((*rates[:1], *rates[-1:])):
                    _draw_family(axes, name, [row for row in members if row["hz"] == hz], hollow=hz != rates[0])
            rates = sorted({row["hz"] for row in here}, reverse=True)
            axes.axhline(AIM, color="#555555", linewidth=0.8, linestyle=":")
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator([500, 1000, 2000, 5000, 10000, 20000, 50000, 100000]))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:g}"))
            axes.set_xlabel("kB per frame that is no key")
            axes.set_title(f"{video}: filled {rates[0]:.3g} Hz, hollow {rates[-1]:.3g} Hz", fontsize=10)
            axes.grid(color="#e8e8e8", linewidth=0.6)
            axes.set_axisbelow(True)
        panels[0][0].set_ylim(LOWEST, 1.003)
        panels[0][0].set_ylabel("F1 against the whole network")
        styles = [(name, *_STYLES[name]) for name in FAMILIES]
        handles = [Line2D([], [], color=colour, marker=marker, label=name) for name, colour, marker in styles]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _draw_family(axes: Any, name: str, rows: Rows, *, hollow: bool) -> None:
    colour, marker = _STYLES[name]
    style = {"color": colour, "marker": marker, "markerfacecolor": "white" if hollow else colour}
    x, y = [row["bytes"] for row in rows], [row["f1"] for row in rows]
    axes.plot(x, y, **style, linestyle="", markersize=4.5, alpha=0.45)
    line = frontier(rows)
    axes.plot(
        [row["bytes"] for row in line],
        [row["f1"] for row in line],
        **style,
        linestyle="--" if hollow else "-",
        linewidth=1.2,
        markersize=5.5,
    )
