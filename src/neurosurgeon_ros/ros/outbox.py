# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publish from a separate thread: on a slow link, `publish` blocks for as long as a large message takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: Maximum number of waiting messages; if there are more, the oldest is dropped, as in a publisher's history.
CAPACITY = 8

#: Size of a message that the kernel accepts without blocking on any link, bytes: less than the usual socket buffer.
AT_ONCE_BYTES = 64_000

#: Seconds that closing waits for a message that is being published.
CLOSING_S = 2.0


class Outbox:
    """
    Publishes messages in order, one at a time.

    Its thread publishes until :meth:`close`; the caller publishes a message that is sent at once.

    :param publish: called with each message; may block.
    :param on_problem: called with one sentence about an exception of `publish`, from the same thread.
    """

    def __init__(self, publish: Callable[[Any], None], *, on_problem: Callable[[str], None]) -> None:
        self._publish = publish
        self._on_problem = on_problem
        self._condition = threading.Condition()
        self._waiting: deque[Any] = deque(maxlen=CAPACITY)
        self._publishing = self._closed = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, message: Any, *, at_once: bool = False) -> None:
        """
        Queue a message; nobody may change it afterwards.

        :param at_once: publish it in the caller's thread, unless other messages are ahead of it; for a message that
            takes less time to publish than a thread takes to wake.
        """
        with self._condition:
            if self._closed:
                return
            if not at_once or self._publishing or self._waiting:
                self._waiting.append(message)
                self._condition.notify()
                return
            self._publishing = True
        self._send(message)

    def close(self) -> bool:
        """
        Drop the waiting messages, and join the thread.

        :returns: False if a message is still being published after :data:`CLOSING_S`; the thread then keeps running.
        """
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify()
        self._thread.join(CLOSING_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: (self._waiting and not self._publishing) or self._closed)
                if self._closed:
                    return
                message = self._waiting.popleft()
                self._publishing = True
            self._send(message)

    def _send(self, message: Any) -> None:
        try:
            self._publish(message)
        except Exception as problem:  # the robot finishes the frame, and the next one may succeed
            self._on_problem(f"a request was not sent: {type(problem).__name__}: {problem}")
        finally:
            with self._condition:
                self._publishing = False
                if self._waiting:
                    self._condition.notify()
