# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The end that a user asks for, as an event."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """The user has asked for the end."""


class Interrupt:
    """SIGINT and SIGTERM as an event, for as long as the context lasts."""

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
        """Raise if the end was asked for."""
        if self.requested.is_set():
            raise Interrupted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested.set()
