# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A place for the newest frame: what waits there is replaced, never queued."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """One place between the camera's thread and the worker's. Safe for any number of threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """
        Put in the newest item.

        :returns: True if one is dropped: an older one that waited there, or this one since the slot is closed.
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
        Wait for an item and take it out.

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
        """Whether no item waits."""
        return self._item is None

    def close(self) -> bool:
        """
        Wake every waiting thread; what is put in from now on is dropped.

        :returns: True if an item still waited: it is dropped.
        """
        with self._condition:
            self._closed = True
            dropped, self._item = self._item is not None, None
            self._condition.notify_all()
            return dropped
