# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reliability.md from the results of the last run."""

from __future__ import annotations

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


def to_markdown(faults: Mapping[str, Fault], results: Sequence[Result]) -> str:
    """Return the page's text."""
    missing = [group for group in GROUPS if not any(result.group == group for result in results)]
    kept = sum(not result.failures(faults[result.name]) for result in results)
    parts = [
        HEAD,
        f"The last run injected {len(results)} of {len(faults)} faults; all guarantees held under {kept}."
        + (f" It injected none of these groups: {', '.join(missing)}." if missing else "")
        + "\n",
    ]
    for group in GROUPS:
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
        if rows:
            parts.append("\n".join([f"## {group.capitalize()}", "", COLUMNS, "|" + " --- |" * 10, *rows]) + "\n")
        streams = [
            f"| {result.name} | {tally.sent} | {tally.keys} | {tally.broken} | {tally.finished} |"
            for result in results
            if result.group == group and (tally := result.streams) is not None
        ]
        if streams:
            parts.append("\n".join([STREAMS_HEAD, STREAMS_COLUMNS, "|" + " --- |" * 5, *streams]) + "\n")
    return "\n".join(parts)
