# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether robot and edge share one network, how well it is known, and whether the edge keeps up."""

from __future__ import annotations

import statistics

from neurosurgeon_ros.doctor.facts import Facts
from neurosurgeon_ros.doctor.finding import Finding, error, ok, skipped, warning

MODEL, CALIBRATION, EDGE_LOAD = "model", "calibration", "edge load"

#: Share of its time that a busy edge spends on back-ends, and the signs that this is too much: waiting requests on
#: average, and the share of requests that are refused.
_BUSY, _WAITING, _REFUSED = 0.6, 1.0, 0.02

#: Digits of a fingerprint that are shown.
_SHOWN = 12


def model(facts: Facts) -> Finding:
    """Check that the edge serves the robot's network with the same weights."""
    robot, edge = facts.robot, facts.edge
    if robot is None or edge is None:
        return skipped(MODEL, f"no {'robot' if robot is None else 'edge'} is heard")
    own = f"{robot.model} {robot.fingerprint[:_SHOWN]}"
    if robot.fingerprint in edge.models:
        return ok(MODEL, f"{own} on robot and edge")
    served = ", ".join(f"{name} {fingerprint[:_SHOWN]}" for fingerprint, name in edge.models.items()) or "none"
    same = robot.model in edge.models.values()
    return error(
        MODEL,
        f"the robot runs {own}, the edge serves {served}",
        "start both with the same weights" if same else "start both with the same model and weights",
    )


def calibration(facts: Facts) -> Finding:
    """Check that the robot's network is calibrated, so that lossy codecs may be used."""
    robot = facts.robot
    if robot is None or not robot.near:
        return skipped(CALIBRATION, "no robot is heard on this machine")
    if facts.calibration_problem:
        return error(
            CALIBRATION, facts.calibration_problem, f"remove the file, or run `neurosurgeon calibrate {robot.model}`"
        )
    if not facts.calibration:
        return warning(
            CALIBRATION,
            f"{robot.model} {robot.fingerprint[:_SHOWN]} has none, so only arms without loss and fp16 are used",
            f"run `neurosurgeon calibrate {robot.model}` on the robot, with the robot's weights",
        )
    return ok(CALIBRATION, f"on {facts.calibration}")


def is_overloaded(facts: Facts) -> bool:
    """Return whether the edge is busy, and requests wait for others or are refused."""
    edge = facts.edge
    if edge is None or not edge.loads or statistics.fmean(edge.loads) < _BUSY:
        return False
    refused = edge.refused / edge.requests if edge.requests else 0.0
    return statistics.fmean(edge.queues) >= _WAITING or refused >= _REFUSED


def edge_load(facts: Facts) -> Finding:
    """Check that the edge does not have more requests than it can answer."""
    edge = facts.edge
    if edge is None or not edge.loads:
        return skipped(EDGE_LOAD, "no edge is heard")
    load, waiting = statistics.fmean(edge.loads), statistics.fmean(edge.queues)
    what = f"busy {load:.0%} of the time, {waiting:.1f} requests wait, {edge.refused} of {edge.requests} were refused"
    if is_overloaded(facts):
        return error(
            EDGE_LOAD,
            f"the edge is overloaded: {what}",
            "let fewer robots use it, lower the rate of their cameras, or give it a GPU (device) or more cores",
        )
    return ok(EDGE_LOAD, what)
