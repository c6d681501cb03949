# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a robot calibrates its network by itself, and what it needs for that."""

from __future__ import annotations

from collections.abc import Callable

from neurosurgeon_ros.calibration.online.candidates import Candidates, Terms
from neurosurgeon_ros.nodes.configured_robot import ConfiguredRobot, admission_of
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.robot.auto_calibration.calibrator import Calibrator, Reports
from neurosurgeon_ros.robot.auto_calibration.idle_time import IdleTime


def make_calibrator(
    configured: ConfiguredRobot,
    parameters: Callable[[], RobotParameters],
    *,
    idle: IdleTime,
    image_topic: str,
    reports: Reports,
) -> Calibrator | None:
    """
    Make the calibrator of a robot whose network has no calibration.

    :param parameters: returns the present parameters.
    :returns: None if there is nothing to calibrate, see :attr:`.ConfiguredRobot.progress`.
    """
    if configured.progress is None:
        return None
    now = parameters()

    def terms() -> Terms:
        present = parameters()
        return Terms(present.codecs, admission_of(present, None))

    return Calibrator(
        configured.engine,
        Candidates(configured.engine, terms, configured.table.profile, now.robot_speed),
        configured.progress,
        idle=idle,
        source=f"{image_topic} on {configured.robot_id}",
        reports=reports,
    )
