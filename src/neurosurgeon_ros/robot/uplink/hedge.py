# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Hedged execution: the robot finishes a frame whose answer is overdue, and stops if the edge answers first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.robot.uplink.requests import Requests


class EdgeAnsweredFirst(Exception):
    """The edge's detections of a frame arrived before the robot finished it."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """
    Stops the robot's work on a frame once the edge has answered. Used only by the robot's worker thread.

    :param until_s: clock time of the frame's deadline, after which an answer is too late.
    """

    requests: Requests
    request: OutstandingRequest
    until_s: float
    clock: Callable[[], float]

    def check(self) -> None:
        """
        Check whether the edge has answered, without waiting.

        :raises EdgeAnsweredFirst: if it has.
        """
        self.wait(0.0)

    def wait(self, until_s: float) -> None:
        """
        Wait for the answer until clock time `until_s`, but never past the deadline.

        :raises EdgeAnsweredFirst: if the answer has arrived.
        """
        if self.clock() < self.until_s and self.requests.is_answered(self.request, min(until_s, self.until_s)):
            raise EdgeAnsweredFirst
