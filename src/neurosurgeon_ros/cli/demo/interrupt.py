# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The user's request to end the run, as an event."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """The user has asked to end the run."""


class Interrupt:
    """SIGINT and SIGTERM as an event, while the context is active."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise :class:`Interrupted` if the user has asked to end the run."""
        if self.requested.is_set():
            raise Interrupted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested.set()
