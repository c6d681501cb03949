# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""docs/reliability.md, out of what the last run gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.faults.fault import GROUPS, Fault
from benchmarks.faults.run import RECOVERY_S, Result
from benchmarks.faults.stage import ROBOT_SPEED

HEAD = f"""# Faults, and what holds under them

Written by `make faults`, which puts each fault below into a running robot, edge, link and camera (real processes, real
DDS) and counts what became of every frame. A frame counts as published when a reliable subscriber of its own got its
detections, told by the camera's header; as lost when the robot accepted it and no detections came. Delays run from the
camera's publishing to that subscriber. Time in which the robot's own process was stopped from outside is left out. The
robot is emulated at {ROBOT_SPEED:g} of the machine's speed.

The bounds: nothing lost, doubled or out of order; 99 of 100 frames out by the deadline plus 1.2 times the on-device
delay, and every one by the deadline plus twice that; the edge in use again {RECOVERY_S:g} s after a fault that ends.
The on-device delay is the p95 of the same robot alone, under the same load where the fault is a load. Any one fault:
`python -m benchmarks.faults --only NAME`.
"""

#: Where the faults of a group are.
MODULES = {group: group.replace(" ", "_") for group in GROUPS} | {"camera": "camera_faults"}

COLUMNS = (
    "| fault | what holds | accepted | published | lost | p99 / worst, ms | bounds, ms | back, s | not kept | test |"
)


def to_markdown(faults: Mapping[str, Fault], results: Sequence[Result]) -> str:
    """Write the page."""
    missing = [group for group in GROUPS if not any(result.group == group for result in results)]
    kept = sum(not result.failures(ends=faults[result.name].ends) for result in results)
    parts = [
        HEAD,
        f"The last run put in {len(results)} of {len(faults)} faults; all promises were kept under {kept}."
        + (f" It put in none of these groups: {', '.join(missing)}." if missing else "")
        + "\n",
    ]
    for group in GROUPS:
        rows = [
            f"| {result.name} | {faults[result.name].promise} | {result.accepted} | {result.published} | {result.lost} "
            f"| {result.p99_delay_ms:.0f} / {result.worst_delay_ms:.0f} "
            f"| {result.deadline_ms + 1.2 * result.on_device_ms:.0f} / "
            f"{result.deadline_ms + 2.0 * result.on_device_ms:.0f} "
            f"| {'–' if result.recovered_s is None else f'{result.recovered_s:.1f}'} "
            f"| {', '.join(result.failures(ends=faults[result.name].ends)) or '–'} "
            f"| `benchmarks/faults/{MODULES[group]}.py` |"
            for result in results
            if result.group == group
        ]
        if rows:
            parts.append("\n".join([f"## {group.capitalize()}", "", COLUMNS, "|" + " --- |" * 10, *rows]) + "\n")
    return "\n".join(parts)
