# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A slot for the newest frame: a waiting frame is replaced, never queued."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """A single-item slot between the camera's thread and the worker's thread. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """
        Put in the newest item.

        :returns: True if an item is dropped: the older one that waited, or this one because the slot is closed.
        """
        with self._condition:
            if self._closed:
                return True
            replaced = self._item is not None
            self._item = item
            self._condition.notify()
            return replaced

    def take(self) -> T | None:
        """
        Wait for an item and remove it.

        :returns: the item, or None once the slot is closed and empty.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return item

    def take_now(self) -> T | None:
        """Remove and return the item, if there is one."""
        with self._condition:
            item, self._item = self._item, None
            return item

    @property
    def is_empty(self) -> bool:
        """Return whether no item waits."""
        return self._item is None

    def close(self) -> bool:
        """
        Wake every waiting thread, and drop every item that is put in from now on.

        :returns: True if an item was still waiting; it is dropped.
        """
        with self._condition:
            self._closed = True
            dropped, self._item = self._item is not None, None
            self._condition.notify_all()
            return dropped
