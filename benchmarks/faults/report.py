# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reliability.md from the results of the last run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.faults.fault import GROUPS, Fault
from benchmarks.faults.run import RECOVERY_S, Result
from benchmarks.faults.stage.stage import ROBOT_SPEED

HEAD = f"""# Faults, and what holds under them

`make faults` writes this page. It injects each fault below into a running robot, edge, link and camera (real
processes, real DDS) and accounts for every frame. A frame counts as published when a reliable subscriber receives its
detections, identified by the camera's header, and as lost when the robot accepted it and no detections came. Delays are
measured from the camera's publishing to that subscriber, without the time in which the robot's own process was stopped
from outside. The robot is emulated at {ROBOT_SPEED:g} of the machine's speed.

Bounds: no frame is lost, duplicated or out of order; 99 of 100 frames are out by the deadline plus 1.2 times the
on-device delay, and every frame by the deadline plus twice that; the edge is used again within {RECOVERY_S:g} s after a
fault that ends. The on-device delay is the p95 of the same robot alone, under the same load where the fault is a load.
`python -m benchmarks.faults --only NAME` runs one fault.
"""

#: Module that defines the faults of each group.
MODULES = {group: group.replace(" ", "_") for group in GROUPS} | {
    "camera": "camera_faults",
    "streams": "streams/faults",
}

COLUMNS = (
    "| fault | what holds | accepted | published | lost | p99 / worst, ms | bounds, ms | back, s | not kept | test |"
)

#: What the group of streams counts in addition.
STREAMS_HEAD = """The codecs have memory. A stream is broken when the edge does not hold a frame that the robot sent, or
when no answer says that it does. No frame but the first one of a broken stream may be refused and finished on the
robot, and the frame after it must be a key. The messages on the link are counted, of both robots where there are two.
"""
STREAMS_COLUMNS = "| fault | frames of streams | keys | streams broken | frames finished on the robot |"


def to_markdown(faults: Mapping[str, Fault], results: Sequence[Result], *, before: str = "") -> str:
    """
    Return the page's text.

    :param before: page of an earlier run, whose sections are kept for the groups of which there is no result.
    """
    old = _sections(before)
    sections = {group: _section(faults, results, group) or old.get(group, "") for group in GROUPS}
    missing = [group for group, text in sections.items() if not text]
    verdicts = [row.split(" | ")[8] for text in sections.values() for row in _rows(text)]
    head = (
        f"The last run of each group injected {len(verdicts)} of {len(faults)} faults; all guarantees held under "
        f"{verdicts.count('–')}." + (f" None of these groups was run: {', '.join(missing)}." if missing else "") + "\n"
    )
    return "\n".join([HEAD, head, *(text for text in sections.values() if text)])


def _sections(page: str) -> dict[str, str]:
    """Return the section of each group in a page."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].removeprefix("## ").lower(): part.rstrip("\n") + "\n" for part in parts}


def _rows(section: str) -> list[str]:
    """Return the rows of a section's table of faults, without its two lines of heading."""
    return [line for line in section.splitlines() if line.count(" | ") == COLUMNS.count(" | ")][2:]


def _section(faults: Mapping[str, Fault], results: Sequence[Result], group: str) -> str:
    """Return the section of a group; empty if it has no result."""
    rows = [
        f"| {result.name} | {faults[result.name].promise} | {result.accepted} | {result.published} | {result.lost} "
        f"| {result.p99_delay_ms:.0f} / {result.worst_delay_ms:.0f} "
        f"| {result.deadline_ms + 1.2 * result.on_device_ms:.0f} / "
        f"{result.deadline_ms + 2.0 * result.on_device_ms:.0f} "
        f"| {'–' if result.recovered_s is None else f'{result.recovered_s:.1f}'} "
        f"| {', '.join(result.failures(faults[result.name])) or '–'} "
        f"| `benchmarks/faults/{MODULES[group]}.py` |"
        for result in results
        if result.group == group
    ]
    if not rows:
        return ""
    text = "\n".join([f"## {group.capitalize()}", "", COLUMNS, "|" + " --- |" * 10, *rows]) + "\n"
    streams = [
        f"| {result.name} | {tally.sent} | {tally.keys} | {tally.broken} | {tally.finished} |"
        for result in results
        if result.group == group and (tally := result.streams) is not None
    ]
    if streams:
        text += "\n" + "\n".join([STREAMS_HEAD, STREAMS_COLUMNS, "|" + " --- |" * 5, *streams]) + "\n"
    return text
