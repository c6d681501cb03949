# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Decode the requests of streams in a thread of its own, in the order in which each robot sent them.

The executor's thread must not decode, because it also serves hellos and other robots' requests. The worker of the
back-ends must not, because it refuses requests for load and overtakes some, while each frame of a stream needs the
frame before it. So every frame of a stream is decoded first, and only then may be refused for load: what is refused is
the back-end, and the stream goes on.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

import torch

from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.edge.streams import Diverged, NotHeld, StreamStore
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.inference.threads import use_threads
from neurosurgeon_ros.protocol.requests import Request, Status

#: An edge lets this many times as many frames wait to be decoded as for the back-end: decoding is short, and a frame
#: that is not decoded costs its stream a key.
LONGER = 4


class Refuse(Protocol):
    """Refuses requests."""

    def __call__(self, request: Request, status: Status, reason: str, held: int = 0) -> None:
        """Answer a request with an error, and with the frame that the edge holds of its stream."""


class StreamWorker:
    """
    Decodes frames of streams, one robot after another.

    If too many requests wait, the robot with the most of them loses its newest one.

    :param store: the streams; used by this worker's thread.
    :param max_waiting: maximum number of requests that wait to be decoded.
    :param then: called with each request that is decoded, from the worker's thread.
    :param refuse: called with each request that is not, from that thread or from the one that called :meth:`take`.
    :param on_problem: called with one sentence when a robot's stream diverges, once for each robot.
    :param threads: number of torch threads; 0 keeps torch's default.
    """

    def __init__(
        self,
        store: StreamStore,
        *,
        max_waiting: int,
        then: Callable[[Waiting], None],
        refuse: Refuse,
        on_problem: Callable[[str], None],
        threads: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._then = then
        self._refuse = refuse
        self._on_problem = on_problem
        self._threads = threads
        self._clock = clock
        self._condition = threading.Condition()
        self._lines: OrderedDict[str, deque[Waiting]] = OrderedDict()
        self._current: str | None = None
        self._stopping = False
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="edge streams", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> list[Request]:
        """Finish the current request, join the thread, and return the requests that waited."""
        with self._condition:
            self._stopping = True
            waiting = [one.request for line in self._lines.values() for one in line]
            self._lines.clear()
            self._condition.notify_all()
        self._thread.join()
        return waiting

    def take(self, one: Waiting) -> bool:
        """
        Take a request over if it is a frame of a stream, or if its robot's earlier requests wait here.

        :returns: whether the request was taken over; if not, it goes on at once.
        """
        robot = one.request.key.robot_id
        with self._condition:
            line = self._lines.get(robot)
            is_behind = line is not None or self._current == robot
            if self._stopping or not (one.request.is_of_stream or is_behind):
                return False
            spared = self._spared_for(one)
            if spared is not one:
                self._lines.setdefault(robot, deque()).append(one)
                self._condition.notify()
        if spared is not None:
            text = f"{self._max_waiting} requests wait to be decoded"
            self._refuse(spared.request, Status.OVERLOADED, text, self._store.held(spared.request))
        return True

    def _spared_for(self, one: Waiting) -> Waiting | None:
        """Take out the request that has no room beside a new one, which may be the new one itself; None if all have."""
        lines = self._lines
        if sum(map(len, lines.values())) < self._max_waiting:
            return None
        longest = max(lines.values(), key=len)
        own = len(lines.get(one.request.key.robot_id, ()))
        return longest.pop() if len(longest) > own + 1 else one

    def forget(self, robot_id: str) -> None:
        """Drop the streams of a robot that is gone, and its waiting requests without an answer."""
        with self._condition:
            self._lines.pop(robot_id, None)
            if self._current == robot_id:
                self._current = None
            self._warned.discard(robot_id)
        self._store.forget(robot_id)

    def _run(self) -> None:
        use_threads(self._threads)
        with torch.inference_mode():
            while (one := self._next()) is not None:
                self._handle(one)
                del one  # its tensors may be large

    def _next(self) -> Waiting | None:
        """Wait for a request, and take it out of its robot's line; None once the worker stops."""
        with self._condition:
            self._current = None
            self._condition.wait_for(lambda: self._lines or self._stopping)
            if self._stopping:
                return None
            robot, line = next(iter(self._lines.items()))
            one = line.popleft()
            self._lines.move_to_end(robot)
            if not line:
                del self._lines[robot]
            self._current = robot
            return one

    def _handle(self, one: Waiting) -> None:
        request = one.request
        if request.is_of_stream and not self._decode(one):
            return
        with self._condition:
            is_gone = self._current is None
        if is_gone:
            self._store.forget(request.key.robot_id)
        else:
            self._then(one)

    def _decode(self, one: Waiting) -> bool:
        """Decode a frame of a stream; refuse it and return False if that fails."""
        request, begin_s = one.request, self._clock()
        try:
            one.tensors, one.held = self._store.decode(request, one.engine)
        except NotHeld as problem:
            self._refuse(request, Status.NOT_HELD, str(problem), problem.held)
        except Diverged as problem:
            self._warn(request, str(problem))
            self._refuse(request, Status.DIVERGED, str(problem))
        except CodecError as problem:
            self._refuse(request, Status.INVALID, str(problem))
        except Exception as problem:  # one robot's request must not stop the edge for all
            self._refuse(request, Status.FAILED, f"{type(problem).__name__}: {problem}")
        else:
            one.decode_s = self._clock() - begin_s
            return True
        return False

    def _warn(self, request: Request, text: str) -> None:
        robot = request.key.robot_id
        with self._condition:
            is_new = robot not in self._warned
            self._warned.add(robot)
        if is_new:
            self._on_problem(f"robot {robot} and this edge differ in a stream of {request.stream_codec}: {text}")
