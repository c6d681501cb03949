# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishing beside whoever publishes: a slow link holds `publish` for as long as it takes a large message."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: Messages that wait at most; of more, the oldest goes, as in a publisher's history.
CAPACITY = 8

#: Seconds that closing waits for a message that is being published.
CLOSING_S = 2.0


class Outbox:
    """
    Publishes messages in their order, in a thread of its own from its making to :meth:`close`.

    :param publish: called with each message, from that thread; may take its time.
    :param on_problem: told in one sentence what it raised; called from that thread.
    """

    def __init__(self, publish: Callable[[Any], None], *, on_problem: Callable[[str], None]) -> None:
        self._publish = publish
        self._on_problem = on_problem
        self._condition = threading.Condition()
        self._waiting: deque[Any] = deque(maxlen=CAPACITY)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, message: Any) -> None:
        """Lay down a message; nobody may change it from now on."""
        with self._condition:
            if not self._closed:
                self._waiting.append(message)
                self._condition.notify()

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
                self._condition.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                message = self._waiting.popleft()
            try:
                self._publish(message)
            except Exception as problem:  # the frame is finished on the robot, and the next one may go through
                self._on_problem(f"a request was not sent: {type(problem).__name__}: {problem}")
