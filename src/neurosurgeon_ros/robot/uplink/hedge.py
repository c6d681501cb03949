# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Hedged execution: the robot finishes a frame whose answer is overdue, and stops if the edge answers first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.requests import Requests


class EdgeAnsweredFirst(Exception):
    """The edge's detections of a frame came before the robot had finished it."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """
    Stops the robot's work on a frame once the edge has answered. For the robot's worker.

    :param until_s: the frame's deadline on the clock, after which an answer is too late.
    """

    requests: Requests
    request: OutstandingRequest
    until_s: float
    clock: Callable[[], float]

    def check(self) -> None:
        """
        Return unless the edge has answered.

        :raises EdgeAnsweredFirst: it has.
        """
        self.wait(0.0)

    def wait(self, until_s: float) -> None:
        """
        Wait for the answer until then on the clock, and not at all past the deadline.

        :raises EdgeAnsweredFirst: it came.
        """
        if self.clock() < self.until_s and self.requests.is_answered(self.request, min(until_s, self.until_s)):
            raise EdgeAnsweredFirst
