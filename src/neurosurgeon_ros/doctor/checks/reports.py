# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What robot and edge say about themselves on /diagnostics."""

from __future__ import annotations

from collections.abc import Sequence

from neurosurgeon_ros.doctor.facts import Facts, Report
from neurosurgeon_ros.doctor.finding import Finding, State, error, ok, skipped, warning

ROBOT_SAYS, EDGE_SAYS = "robot says", "edge says"


def reports(facts: Facts, others: Sequence[Finding]) -> tuple[Finding, Finding]:
    """
    Return the reports of robot and edge; a complaint counts only if no other check has found a cause.

    :param others: findings of all other checks.
    """
    explained = any(one.state in (State.WARNING, State.ERROR) for one in others)
    robot, edge = facts.robot, facts.edge
    return (
        _report(ROBOT_SAYS, None if robot is None else robot.report, explained),
        _report(EDGE_SAYS, None if edge is None else edge.report, explained),
    )


def _report(name: str, report: Report | None, explained: bool) -> Finding:
    if report is None:
        return skipped(name, "nothing on /diagnostics")
    if report.level == "ok":
        return ok(name, report.message)
    if explained:
        return skipped(name, f"{report.message}, see above")
    make = error if report.level == "error" else warning
    return make(name, report.message, "see docs/troubleshooting.md for this sentence, and the node's log")
