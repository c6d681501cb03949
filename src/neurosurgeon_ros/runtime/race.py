# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot and the edge work on the same frame, since the edge's answer is overdue; whoever is first ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.runtime.conversation import Conversation
from neurosurgeon_ros.runtime.transfers import Transfer


class EdgeWasFirst(Exception):
    """The edge's detections of a frame came before the robot was done with it."""


@dataclass(frozen=True, slots=True)
class Race:
    """
    What the robot's work on a frame is broken off by. For the robot's worker.

    :param until_s: the frame's deadline on the clock, after which an answer is too late.
    """

    conversation: Conversation
    transfer: Transfer
    until_s: float
    clock: Callable[[], float]

    def look(self) -> None:
        """
        Go on unless the edge has answered.

        :raises EdgeWasFirst: it has.
        """
        self.wait(0.0)

    def wait(self, until_s: float) -> None:
        """
        Wait for the answer until then on the clock; past the deadline for none.

        :raises EdgeWasFirst: it came.
        """
        if self.clock() < self.until_s and self.conversation.is_answered(self.transfer, min(until_s, self.until_s)):
            raise EdgeWasFirst
