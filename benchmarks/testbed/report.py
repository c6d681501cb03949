# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""summary.json as Markdown, and docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.aims import Aim, aims
from testbed.systems import H264_STREAM
from testbed.trace_report import links_section

#: Hand-written text about the aims that are not met.
LIMITS = Path(__file__).with_name("limits.md")

_HEAD = (
    "| system | mean | p50 | p95 | p99 | frames/s | bytes/frame | robot CPU | edge CPU | F1 | rounds |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)

_ABOUT_STREAMS = (
    "`h264_stream` encodes an image only when the edge has acknowledged the one before. Until then the newest image "
    "waits, and older ones are dropped before encoding, so nothing is skipped behind the encoder, and the delay does "
    "not grow on a slow link. After a lost or damaged packet, the edge decodes nothing and asks for a key; the next "
    "image is one. Without an acknowledgement within 5 s, a packet counts as lost. The time to encode is stretched to "
    "the robot's speed, as for jpeg.",
    "",
)


def table(summary: Mapping[str, Any]) -> str:
    """Return a table for each scenario, with the ratios."""
    lines: list[str] = []
    for scenario in dict.fromkeys(row["uplink_mbps"] for row in summary["system"]):
        title = f"{scenario:g} Mbit/s" if isinstance(scenario, float) else "Changing link and edge"
        lines += [f"## {title}", "", *_HEAD]
        rows = [row for row in summary["system"] if row["uplink_mbps"] == scenario]
        for row in sorted(rows, key=lambda one: float(one["delay_ms"]["mean"])):
            lines.append(_line(row))
        lines += ["", *_ratios(summary, scenario), ""]
    lines += _in_flight(summary)
    return "\n".join(lines).rstrip() + "\n"


def page(
    summary: Mapping[str, Any],
    *,
    links: Mapping[str, Any] | None = None,
    wire: Sequence[Mapping[str, Any]] = (),
    start_up: Mapping[str, float] | None = None,
    key_frames: Sequence[Mapping[str, float]] = (),
) -> str:
    """
    Return the text of docs/performance.md.

    :param summary: content of summary.json.
    :param links: content of links.json; None if no recorded link has run.
    :param wire: results of benchmarks/wire.py; empty if it has not run.
    :param start_up: seconds by stage from benchmarks/start_up.py; None if it has not run.
    :param key_frames: results of benchmarks/key_frames.py by frame step; empty if it has not run.
    """
    width, height = summary["image"]
    ran = {system["name"] for system in summary["system"]}
    described = [f"- `{name}`: {words}" for name, words in summary["described"].items() if name in ran]
    lines = [
        "# Performance",
        "",
        "`make bench-docs` writes this page from the results of `make bench` and `make bench-micro`. Do not edit it.",
        "",
        f"Machine: {summary['machine']}. Link: {summary['link']}. The emulated robot has one core and "
        f"{summary['robot_speed']:g} of its speed. The edge has the other cores. Network: {summary['model']}. Camera: "
        f"{width} × {height}, {summary['camera_hz']:g} Hz, from the shipped {summary.get('video', 'street')} video.",
        "",
        "A delay lasts from the camera's stamp to the detections on the robot. Every camera frame counts equally. The "
        "delay of a dropped frame is one period plus the delay of the next frame. Bytes are those of the interface, in "
        "both directions. Processor time is per camera frame. The robot's includes the camera and the recorder, and is "
        "not stretched by the emulation. F1 is the agreement with the whole fp32 network on the same frames. The "
        "systems take turns, one round after another. A system that takes more than twice as long as the best one in a "
        f"round runs no further rounds. The first {summary['warm_up_frames']} frames of each run are not counted. The "
        "alternatives use Fast DDS with its defaults; images over the link are reliable, keep-last 1.",
        "",
        *described,
        "",
        *(_ABOUT_STREAMS if any(name.startswith(H264_STREAM) for name in ran) else ()),
        table(summary).rstrip(),
        "",
        "![Delays](images/bench.png)",
        "",
        *(links_section(links) if links else []),
        "## Where this package's time goes",
        "",
        *_stages(summary),
        "",
        *_micro(summary),
        *_key_frames(key_frames),
        *_wire(wire),
        *_start_up(start_up or {}),
        *_aims(aims(summary, wire, start_up or {}, key_frames, links)),
        LIMITS.read_text(encoding="utf-8"),
        "## How to repeat it",
        "",
        "Use a machine with no other load. `make bench` needs root for a real link.",
        "",
        "    make bench                                # about 45 minutes: constant rates and a changing link",
        "    make bench BENCH='--link-trace FILE'      # about 12 minutes: a recorded link; the option may be repeated",
        "    make bench-micro                          # about 10 minutes: steps in isolation, the wire, and start-up",
        "    make bench-docs                           # writes this page",
        "",
        "`python benchmarks/bench.py --help` lists the options. With `--check`, it only checks the replay of the "
        "recorded links. A recorded link is a file as described in [experiments.md](experiments.md#mobile-links).",
    ]
    return "\n".join(lines).rstrip() + "\n"


def _in_flight(summary: Mapping[str, Any]) -> list[str]:
    """Return the table of frames per second by `max_in_flight`; empty if this was not measured."""
    flights = summary.get("in_flight") or []
    if not flights:
        return []
    title = f"## Frames in flight, {flights[0]['uplink_mbps']:g} Mbit/s, a camera of {flights[0]['camera_hz']:g} Hz"
    lines = [title, "", "| `max_in_flight` | frames/s | mean from stamp to answer |", "| ---: | ---: | ---: |"]
    lines += [f"| {one['max_in_flight']} | {one['fps']:.1f} | {one['answer_ms']['mean']:.0f} ms |" for one in flights]
    return [*lines, ""]


def _stages(summary: Mapping[str, Any]) -> list[str]:
    """Return the table of the default policy's stages: the mean of each, in milliseconds."""
    rows = [row for row in summary["system"] if row["name"] == "default" and row["stages_ms"]]
    names = list(dict.fromkeys(name for row in rows for name in row["stages_ms"]))
    lines = [f"| link | {' | '.join(name.replace('_', ' ') for name in names)} | arms |"]
    lines.append(f"| --- |{' ---: |' * len(names)} --- |")
    for row in rows:
        cells = [f"{row['stages_ms'][name]:.1f}" if name in row["stages_ms"] else "" for name in names]
        arms = ", ".join(f"`{arm}` {count}" for arm, count in row["arms"].items())
        scenario = row["uplink_mbps"]
        key = f"{scenario:g} Mbit/s" if isinstance(scenario, float) else scenario
        lines.append(f"| {key} | {' | '.join(cells)} | {arms} |")
    return lines


def _micro(summary: Mapping[str, Any]) -> list[str]:
    if not summary["micro"]:
        return []
    lines = ["## Costs in isolation", "", "| step | median | reference | ratio |", "| --- | ---: | --- | ---: |"]
    for name, one in summary["micro"].items():
        lines.append(f"| {name} | {one['median_ms']:.3f} ms | {one['reference']} | {one['ratio']:.2f} |")
    return [*lines, ""]


def _key_frames(results: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the table of the key-frame score: its delay, and its agreement with full-size SSIM."""
    if not results:
        return []
    lines = [
        "## Key-frame score",
        "",
        "On the shipped video, beside full-size SSIM of scikit-image; times at 640 × 480.",
    ]
    lines += ["", "| frame step | Cohen's kappa | mean | scikit-image |", "| ---: | ---: | ---: | ---: |"]
    for one in results:
        cells = f"{one['kappa']:.3f} | {one['score_ms']:.2f} ms | {one['reference_ms']:.1f} ms"
        lines.append(f"| {one['step']:g} | {cells} |")
    return [*lines, ""]


def _wire(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of delays of messages by size, on one machine and over links."""
    if not results:
        return []
    lines = [
        "## From publish to callback",
        "",
        "A `PartialInference` of the given size, with the nodes' own QoS and profile. The share is the payload's rate "
        "divided by the link's rate, with the answer's way back included. Framing alone leaves 0.975.",
        "",
        "| link | lost packets | payload | share | round trip | one way | `publish` at most | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in results:
        local = not one["rate_mbps"]
        cells = [
            "one machine" if local else f"{one['rate_mbps']:g} Mbit/s",
            f"{one['loss']:.0%}",
            f"{one['size'] / 1e3:g} kB",
            "" if local else f"{one['share']:.2f}",
            *(f"{one[name]:.1f} ms" for name in ("median_ms", "one_way_ms", "publish_ms")),
            f"{one['lost']}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _start_up(seconds: Mapping[str, float]) -> list[str]:
    if not seconds:
        return []
    lines = ["## Start of the robot", "", "With the files of an earlier start in the cache folder.", ""]
    lines += ["| stage | seconds |", "| --- | ---: |"]
    return [*lines, *(f"| {stage} | {value:.2f} |" for stage, value in seconds.items()), ""]


def _aims(held: Sequence[Aim]) -> list[str]:
    """Return the table of the aims."""
    lines = ["## Aims", "", "| aim | limit | measured, at worst | met |", "| --- | ---: | ---: | --- |"]
    for aim in held:
        limit = f"{'≥' if aim.is_least else '≤'} {aim.limit:g}{aim.unit}"
        met = "yes" if aim.is_met else "**no**"
        lines.append(f"| {aim.name} | {limit} | {aim.measured:.2f}{aim.unit} | {met} |")
    return [*lines, ""]


def _line(row: Mapping[str, Any]) -> str:
    delay = row["delay_ms"]
    cells = [
        f"`{row['name']}`",
        *(f"{delay[name]:.0f} ms" for name in ("mean", "p50", "p95", "p99")),
        f"{row['fps']:.2f}",
        f"{row['wire_bytes_per_frame'] / 1e3:.1f} kB",
        f"{1e3 * row['robot_cpu_s_per_frame']:.0f} ms",
        f"{1e3 * row['edge_cpu_s_per_frame']:.0f} ms",
        f"{row['f1']:.3f}",
        f"{len(row['rounds_ms'])}",
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(summary: Mapping[str, Any], scenario: float | str) -> list[str]:
    key = f"{scenario:g}" if isinstance(scenario, float) else scenario
    said = []
    if key in summary["ratio_to_best"]:
        said.append(f"`default` / best alternative with F1 ≥ 0.95: **{summary['ratio_to_best'][key]:.2f}**")
    if key in summary["ratio_at_equal_f1"]:
        said.append(f"against jpeg 80 at equal F1: **{summary['ratio_at_equal_f1'][key]:.2f}**")
    if key in summary.get("ratio_without_memory", {}):
        said.append(f"against itself without memory: **{summary['ratio_without_memory'][key]:.2f}**")
    return ["; ".join(said) + "." if said else ""]
