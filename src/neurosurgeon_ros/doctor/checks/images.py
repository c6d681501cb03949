# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the camera's images reach the robot."""

from __future__ import annotations

from neurosurgeon_ros.doctor.facts import Facts
from neurosurgeon_ros.doctor.finding import Finding, error, ok, skipped, warning

IMAGES = "images"

_RATE = "frames in [Hz]"


def images(facts: Facts) -> Finding:
    """Check that somebody publishes what the robot subscribes to, and that it arrives."""
    robot, camera = facts.robot, facts.camera
    if robot is None:
        return skipped(IMAGES, "no robot is heard")
    if camera is None:
        return skipped(IMAGES, f"the subscription of {robot.node} to images is not seen")
    if any(one.topic == camera.topic and one.subscriber == robot.node for one in facts.transport.mismatches):
        return skipped(IMAGES, f"none arrive on {camera.topic}, see quality of service")
    if not camera.sources:
        return _split(camera.cause())
    rate_hz = 0.0 if robot.report is None else _number(robot.report.values.get(_RATE, ""))
    if robot.report is None:
        return skipped(IMAGES, f"{robot.node} has not said how many arrive")
    if rate_hz == 0.0:
        return _split(camera.cause())
    if "were lost before they reached the robot" in robot.report.message:
        found = _split(robot.report.message)
        return warning(IMAGES, found.what, found.what_to_do)
    about = ", ".join(sorted({source.about for source in camera.sources}))
    return ok(IMAGES, f"{rate_hz:.1f} Hz on {camera.topic} from {about}")


def _split(sentence: str) -> Finding:
    """Make an error of a sentence whose last part, after a colon, says what to do."""
    what, _, remedy = sentence.rpartition(": ")
    return error(IMAGES, what, remedy)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
