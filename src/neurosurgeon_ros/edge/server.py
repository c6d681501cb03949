# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Edge server: validates, queues and decodes requests, runs the back-end, post-processes, and answers.

The edge answers every request whose key can be read, at least with an error and its reason. One worker thread runs the
back-ends. The thread that submits a request validates it and answers probes. Frames of streams are decoded in a third
thread before they are queued, see :mod:`.stream_worker`. Requests of several robots that wait for the same back-end
share one run if that is faster; each request gets its own answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.load import EdgeCounts, Load
from neurosurgeon_ros.edge.stream_worker import LONGER, StreamWorker
from neurosurgeon_ros.edge.streams import STREAM_BYTES, StreamStore
from neurosurgeon_ros.edge.waiting import Refusal, Waiting
from neurosurgeon_ros.inference.batching import ALONE, Batching
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import use_threads
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status
from neurosurgeon_ros.protocol.validation import InvalidRequest, check_probe, check_request


class EdgeServer:
    """
    The edge's queue and worker.

    :param engines: engines by fingerprint.
    :param reply: called with each answer, from the worker thread or from the thread that called :meth:`submit`.
    :param on_problem: called from the answering threads with one sentence for each error that a person should read.
    :param max_queue: maximum number of waiting requests; more are refused with the load as the reason.
    :param threads: number of torch threads of the worker; 0 keeps torch's default.
    :param batching: useful batches by fingerprint; a network that is missing here gets no batches.
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
        max_queue: int = 8,
        threads: int = 0,
        batching: Mapping[str, Batching] | None = None,
        stream_bytes: int = STREAM_BYTES,
        weights: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engines = dict(engines)
        self._reply = reply
        self._on_problem = on_problem
        self._threads = threads
        self._clock = clock
        self._condition = threading.Condition()
        self._batching = dict(batching or {})
        self._queue = FairQueue(
            max_queue, lambda one: self._batching.get(one.fingerprint, ALONE).sizes(one.partition_point), weights
        )
        self._busy_until_s: float | None = None
        self._stopping = False
        self._counts, self._load = EdgeCounts(), Load()
        self.streams = StreamStore(stream_bytes)
        self._decoder = StreamWorker(
            self.streams,
            max_waiting=LONGER * max_queue,
            then=self._enqueue,
            refuse=self._refuse,
            on_problem=on_problem,
            threads=threads,
            clock=clock,
        )
        self._worker = threading.Thread(target=self._run, name="edge server", daemon=True)

    @property
    def counts(self) -> EdgeCounts:
        """Return the number of requests since the start."""
        return self._counts

    @property
    def queue_length(self) -> int:
        """Return the number of requests that wait now."""
        return len(self._queue)

    def load(self) -> float:
        """Return the share of the last second that the worker spent on requests, in [0, 1]."""
        with self._condition:
            return self._load.share(self._clock())

    def used(self) -> dict[str, float]:
        """Return the share of the last seconds that the worker spent on each robot, in [0, 1]."""
        with self._condition:
            return self._queue.shares.used(self._clock())

    def start(self) -> None:
        """Start the worker, and the one of the streams."""
        self._worker.start()
        self._decoder.start()

    def stop(self) -> None:
        """Finish the current request, refuse the waiting requests, and join the workers."""
        waiting = self._decoder.stop()
        with self._condition:
            self._stopping = True
            waiting += self._queue.clear()
            self._condition.notify_all()
        for request in waiting:
            self._refuse(request, Status.OVERLOADED, "the edge is shutting down")
        self._worker.join()

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
        with self._condition:
            self._counts = replace(self._counts, requests=self._counts.requests + 1)
        try:
            if request.key.kind is Kind.PROBE:
                check_probe(request)
                self._send(Reply(Feedback(request.key, queue_s=self._clock() - arrived_s), request.header))
                return
            engine = self.engines.get(request.fingerprint)
            if engine is None:
                served = ", ".join(f"{e.model.name} ({f[:12]})" for f, e in self.engines.items()) or "none"
                text = f"this edge has no model {request.fingerprint[:12]!r}, it serves {served}"
                self._refuse(request, Status.MODEL_MISMATCH, text)
                return
            check_request(request, engine.partitioned, engine.model.name)
        except InvalidRequest as problem:
            self._refuse(request, Status.INVALID, str(problem))
            return
        arrived = Waiting(request, engine, arrived_s)
        if not self._decoder.take(arrived):
            self._enqueue(arrived)

    def _enqueue(self, arrived: Waiting) -> None:
        with self._condition:
            if self._stopping:
                refused = [Refusal.of(arrived, "the edge is shutting down")]
            else:
                busy_s = -1.0 if self._busy_until_s is None else max(0.0, self._busy_until_s - arrived.arrived_s)
                refused = self._queue.put(arrived, busy_s=busy_s)
                self._condition.notify()
        self._refuse_all(refused)

    def _refuse_all(self, refused: list[Refusal]) -> None:
        for one in refused:
            self._refuse(one.request, Status.OVERLOADED, one.reason, one.held, one.retry_s)

    def _refuse(self, request: Request, status: Status, reason: str, held: int = 0, retry_s: float = 0.0) -> None:
        with self._condition:
            self._counts = replace(self._counts, refused=self._counts.refused + 1)
            rate = self._queue.promised_rate(request, self._clock()) if status is Status.OVERLOADED else 0.0
        self._send(Reply(Feedback(request.key, status, reason, held=held, rate=rate, retry_s=retry_s), request.header))

    def _fail(self, one: Waiting, problem: Exception) -> None:
        self._refuse(one.request, Status.FAILED, f"{type(problem).__name__}: {problem}", one.held)

    def _send(self, reply: Reply) -> None:
        """Send an answer. A failure to send it must not stop the edge or lose other robots' answers."""
        try:
            self._reply(reply)
        except Exception as problem:
            self._on_problem(f"an answer was lost: {type(problem).__name__}: {problem}")

    def _run(self) -> None:
        use_threads(self._threads)
        with torch.inference_mode():
            while True:
                with self._condition:
                    self._condition.wait_for(lambda: len(self._queue) or self._stopping)
                    if self._stopping:
                        return
                    begin = self._clock()
                    batch, refused = self._queue.take(begin)
                    if batch:
                        self._busy_until_s = begin + self._queue.times.expected_s(batch[0].request, len(batch))
                    elif len(self._queue) and not refused:  # the back-end is kept free for a robot whose turn it is
                        self._condition.wait(self._queue.held_until_s - begin)
                self._refuse_all(refused)
                if not batch:
                    continue
                self._work(batch)
                end = self._clock()
                with self._condition:
                    self._busy_until_s = None
                    self._load.add(begin, end)
                    self._queue.ended(batch, end - begin, end)
                    is_idle = not len(self._queue)
                if is_idle:
                    batch[0].engine.prepare()

    def _work(self, batch: Sequence[Waiting]) -> None:
        """Answer requests of the same network and partition point. A failure of one does not affect the others."""
        first = batch[0].request
        begin = self._clock()
        decoded = [one for one in batch if self._decode(one)]
        complete = len(decoded) == len(batch)
        batching = self._batching.get(first.fingerprint, ALONE)
        for size in batching.split(first.partition_point, len(decoded)):
            together, decoded = decoded[:size], decoded[size:]
            self._run_back(together, batching)
        for one in batch:
            one.tensors = None  # the worker keeps the batch until the next one
        if complete and len(batch) > 1:
            with self._condition:
                self._queue.times.took(first, self._clock() - begin, len(batch))

    def _decode(self, one: Waiting) -> bool:
        """Decode a request's tensors, if that is not done. Refuse the request and return False if that fails."""
        if one.tensors is not None:
            return True
        begin = self._clock()
        try:
            one.tensors = one.engine.decode(one.request.partition_point, one.request.tensors)
        except CodecError as problem:
            self._refuse(one.request, Status.INVALID, str(problem))
        except Exception as problem:  # one robot's request must not stop the edge for all
            self._fail(one, problem)
        one.decode_s = self._clock() - begin
        return one.tensors is not None

    def _run_back(self, together: list[Waiting], batching: Batching) -> None:
        """Run a back-end for one request or for several, and answer them."""
        engine, point = together[0].engine, together[0].request.partition_point
        begin = self._clock()
        try:
            tensors = [one.tensors for one in together if one.tensors is not None]
            alone = len(together) == 1
            outputs = [engine.run_back(tensors[0], point)] if alone else engine.run_back_together(tensors, point)
        except Exception as problem:
            if len(together) > 1:  # run each request alone, to find out which one fails
                for one in together:
                    self._run_back([one], batching)
            else:
                self._fail(together[0], problem)
            return
        compute_s = batching.alone_s(point, len(together), self._clock() - begin)
        if len(together) > 1:
            with self._condition:
                self._counts = replace(self._counts, batched=self._counts.batched + len(together))
        for one, output in zip(together, outputs, strict=True):
            self._finish(one, output, compute_s)

    def _finish(self, one: Waiting, output: object, compute_s: float) -> None:
        """
        Post-process the back-end's outputs for a request, and answer it.

        :param compute_s: seconds of the back-end for this request alone; the rest of a shared run counts as queueing.
        """
        request, model = one.request, one.engine.model
        detections: Detections | None = None
        begin = self._clock()
        try:
            if request.letterbox is not None:
                detections = model.postprocess(
                    output, request.letterbox, confidence=request.confidence, iou=request.iou
                )
        except Exception as problem:  # one robot's request must not stop the edge for all
            self._fail(one, problem)
            return
        postprocess_s = (end := self._clock()) - begin
        own_s = one.decode_s + compute_s + postprocess_s
        with self._condition:
            self._queue.times.took(request, own_s - one.decode_s if request.is_of_stream else own_s)
            rate = self._queue.promised_rate(request, end)
        feedback = Feedback(
            request.key,
            queue_s=max(0.0, end - one.arrived_s - own_s),
            decode_s=one.decode_s,
            compute_s=compute_s,
            postprocess_s=postprocess_s,
            held=one.held,
            rate=rate,
        )
        self._send(Reply(feedback, request.header, detections if request.key.kind is Kind.FRAME else None))
