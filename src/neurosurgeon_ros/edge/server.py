# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Edge server: validates, queues and decodes requests, has a back-end run, post-processes, and answers.

The edge answers every request whose key can be read, at least with an error and its reason. The thread that submits a
request validates it and answers probes. Frames of streams are decoded in a thread of their own before they are queued,
see :mod:`.stream_worker`. The threads of :mod:`.dispatcher` take requests off the queue and give them to the place
where back-ends run, see :mod:`.places`. Requests of several robots that wait for the same back-end share one run if
that is faster; each request gets its own answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from neurosurgeon_ros.edge.answers import Answers
from neurosurgeon_ros.edge.dispatcher import Dispatcher
from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.load import EdgeCounts
from neurosurgeon_ros.edge.places.local import LocalPlace
from neurosurgeon_ros.edge.places.place import Place
from neurosurgeon_ros.edge.stream_worker import LONGER, StreamWorker
from neurosurgeon_ros.edge.streams import STREAM_BYTES, StreamStore
from neurosurgeon_ros.edge.waiting import Waiting
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status
from neurosurgeon_ros.protocol.validation import InvalidRequest, check_probe, check_request


class EdgeServer:
    """
    The edge's queue, and what feeds and empties it.

    :param engines: engines by fingerprint.
    :param reply: called with each answer, from a lane's thread or from the thread that called :meth:`submit`.
    :param on_problem: called from the answering threads with one sentence for each error that a person should read.
    :param place: where back-ends run; None: in this process, without batches. It must be started.
    :param max_queue: maximum number of waiting requests; more are refused with the load as the reason.
    :param threads: number of torch threads of each thread that decodes or computes; 0 keeps torch's default.
    :param stream_bytes: maximum memory of the streams of all robots, in bytes.
    :param weights: weight of each robot id, > 0; a robot that is missing here has weight 1.

    :ivar streams: the streams; other threads may read their counts.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        reply: Callable[[Reply], None],
        *,
        on_problem: Callable[[str], None],
        place: Place | None = None,
        max_queue: int = 8,
        threads: int = 0,
        stream_bytes: int = STREAM_BYTES,
        weights: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engines = dict(engines)
        self._clock = clock
        self._condition = threading.Condition()
        place = LocalPlace(clock=clock) if place is None else place
        self._queue = FairQueue(
            max_queue, lambda one: place.batching(one.fingerprint).sizes(one.partition_point), weights
        )
        self._answers = Answers(reply, on_problem=on_problem, queue=self._queue, lock=self._condition, clock=clock)
        self._dispatcher = Dispatcher(
            place, self._queue, self._answers, lock=self._condition, clock=clock, threads=threads
        )
        self.streams = StreamStore(stream_bytes)
        self._decoder = StreamWorker(
            self.streams,
            max_waiting=LONGER * max_queue,
            then=self._dispatcher.put,
            refuse=self._answers.refuse,
            on_problem=on_problem,
            threads=threads,
            clock=clock,
        )

    @property
    def counts(self) -> EdgeCounts:
        """Return the number of requests since the start."""
        return self._answers.counts

    @property
    def queue_length(self) -> int:
        """Return the number of requests that wait now."""
        return len(self._queue)

    def load(self) -> float:
        """Return the share of the last second that the workers spent on requests, in [0, 1]."""
        return self._dispatcher.load()

    def used(self) -> dict[str, float]:
        """Return how many workers' time was recently spent on each robot, about in [0, number of workers]."""
        with self._condition:
            return self._queue.shares.used(self._clock())

    def start(self) -> None:
        """Start the threads."""
        self._dispatcher.start()
        self._decoder.start()

    def stop(self) -> None:
        """Finish the requests under way, refuse the waiting requests, and join the threads."""
        waiting = self._decoder.stop()
        self._dispatcher.stop()
        for request in waiting:
            self._answers.refuse(request, Status.OVERLOADED, "the edge is shutting down")

    def forget(self, robot_id: str) -> None:
        """Drop the streams of a robot that is gone, and its waiting requests without an answer."""
        self._decoder.forget(robot_id)
        with self._condition:
            self._queue.forget(robot_id)

    def submit(self, request: Request) -> None:
        """
        Accept a request: refuse it, answer it if it is a probe, or queue it; see :class:`.fair_queue.FairQueue`.

        A newer request replaces the robot's older waiting request, which is refused.
        """
        arrived_s = self._clock()
        self._answers.count(requests=1)
        try:
            if request.key.kind is Kind.PROBE:
                check_probe(request)
                self._answers.send(Reply(Feedback(request.key, queue_s=self._clock() - arrived_s), request.header))
                return
            engine = self.engines.get(request.fingerprint)
            if engine is None:
                served = ", ".join(f"{e.model.name} ({f[:12]})" for f, e in self.engines.items()) or "none"
                text = f"this edge has no model {request.fingerprint[:12]!r}, it serves {served}"
                self._answers.refuse(request, Status.MODEL_MISMATCH, text)
                return
            check_request(request, engine.partitioned, engine.model.name)
        except InvalidRequest as problem:
            self._answers.refuse(request, Status.INVALID, str(problem))
            return
        arrived = Waiting(request, engine, arrived_s)
        if not self._decoder.take(arrived):
            self._dispatcher.put(arrived)
