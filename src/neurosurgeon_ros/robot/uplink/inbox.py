# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inbox for the edge's answers: the executor's thread adds them, and the robot's worker thread takes them out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Key

#: Maximum number of waiting answers. Older answers are dropped, so a flood of answers does not use up memory.
CAPACITY = 256


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """
    One message from the edge: detections, or feedback.

    :param received_s: when the message arrived, in monotonic seconds.
    """

    key: Key
    received_s: float
    detections: Detections | None = None
    feedback: Feedback | None = None


class Inbox:
    """A bounded queue of answers with a bell that also rings when the edge appears or disappears."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._answers: deque[Answer] = deque(maxlen=CAPACITY)
        self._rung = False

    def put_detections(self, key: Key, detections: Detections) -> None:
        """Add the detections of one request."""
        self._put(Answer(key, self._clock(), detections=detections))

    def put_feedback(self, feedback: Feedback) -> None:
        """Add the delay feedback of one request."""
        self._put(Answer(feedback.key, self._clock(), feedback=feedback))

    def ring(self) -> None:
        """Wake the waiting thread, which then checks again whether the edge is available."""
        with self._condition:
            self._rung = True
            self._condition.notify_all()

    def take(self, until_s: float) -> list[Answer]:
        """
        Remove and return all answers. Wait for an answer or the bell until clock time `until_s`.

        :returns: the answers, oldest first; empty if the bell rang or no answer arrived.
        """
        with self._condition:
            left = until_s - self._clock()
            if left > 0.0:
                self._condition.wait_for(lambda: self._answers or self._rung, timeout=left)
            taken = list(self._answers)
            self._answers.clear()
            self._rung = False
            return taken

    def _put(self, answer: Answer) -> None:
        with self._condition:
            self._answers.append(answer)
            self._condition.notify_all()
