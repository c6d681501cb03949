# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishing from a thread of its own: a slow link blocks `publish` for as long as a large message takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: Messages that wait at most; of more, the oldest goes, as in a publisher's history.
CAPACITY = 8

#: Bytes of a message that the kernel takes without a wait, whatever the link: less than a socket's usual buffer.
AT_ONCE_BYTES = 64_000

#: Seconds that closing waits for a message that is being published.
CLOSING_S = 2.0


class Outbox:
    """
    Publishes messages in their order, one at a time.

    Its thread publishes until :meth:`close`; a message that is to go at once is published by the caller.

    :param publish: called with each message; may take its time.
    :param on_problem: told in one sentence what it raised; called from the same thread.
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
        Put in a message; nobody may change it from now on.

        :param at_once: publish it in the caller's thread, unless others are before it: for one that takes less time
            than to wake a thread does.
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
        Drop what waits, and join the thread.

        :returns: False if a message is still being published after :data:`CLOSING_S`, and the thread left to itself.
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
        except Exception as problem:  # the frame is finished on the robot, and the next one may go through
            self._on_problem(f"a request was not sent: {type(problem).__name__}: {problem}")
        finally:
            with self._condition:
                self._publishing = False
                if self._waiting:
                    self._condition.notify()
