# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Dispatches waiting requests to the place where back-ends run, and answers them.

Each lane is a thread that takes a request, or several that share a run, decodes it, waits for the place to run the
back-end, and post-processes the outputs. There are as many lanes as the place runs back-ends at once.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

import torch

from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.edge.answers import Answers
from neurosurgeon_ros.edge.fair_queue import FairQueue
from neurosurgeon_ros.edge.load import Load
from neurosurgeon_ros.edge.places.place import Place, RunLost
from neurosurgeon_ros.edge.waiting import Refusal, Waiting
from neurosurgeon_ros.inference.batching import Batching
from neurosurgeon_ros.inference.threads import use_threads
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.protocol.requests import Feedback, Reply, Request, Status

_STOPPING = "the edge is shutting down"


class Dispatcher:
    """
    The lanes.

    :param queue: the waiting requests; used with the lock held.
    :param lock: lock of the queue.
    :param threads: number of torch threads of each lane; 0 keeps torch's default.
    """

    def __init__(
        self,
        place: Place,
        queue: FairQueue,
        answers: Answers,
        *,
        lock: threading.Condition,
        clock: Callable[[], float],
        threads: int,
    ) -> None:
        self._place = place
        self._queue = queue
        self._answers = answers
        self._condition = lock
        self._clock = clock
        self._threads = threads
        self._stopping = False
        self._load = Load()
        self._busy_until_s: dict[int, float] = {}
        self._most_runs = 1
        self._lanes = [
            threading.Thread(target=self._run, args=(lane,), name=f"edge server {lane}", daemon=True)
            for lane in range(place.lanes)
        ]

    def load(self) -> float:
        """Return the share of the last second that the workers spent on requests, in [0, 1]."""
        with self._condition:
            return self._load.share(self._clock(), self._queue.workers)

    def start(self) -> None:
        """Start the lanes."""
        self._place.watch(self._workers_changed)
        self._workers_changed()
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Finish the runs under way, refuse the waiting requests, and join the lanes."""
        with self._condition:
            self._stopping = True
            waiting = self._queue.clear()
            self._condition.notify_all()
        self._place.watch(None)
        for request in waiting:
            self._answers.refuse(request, Status.OVERLOADED, _STOPPING)
        for lane in self._lanes:
            lane.join()

    def put(self, arrived: Waiting) -> None:
        """Queue a request, or refuse it."""
        with self._condition:
            if self._stopping:
                refused = [Refusal.of(arrived, _STOPPING)]
            elif not self._most_runs:
                refused = [Refusal.of(arrived, self._no_worker())]
            else:
                refused = self._queue.put(arrived, busy_s=self._busy_s(arrived.arrived_s))
                self._condition.notify()
        self._answers.refuse_all(refused)

    def _busy_s(self, now_s: float) -> list[float]:
        return [max(0.0, until_s - now_s) for until_s in self._busy_until_s.values()]

    def _no_worker(self) -> str:
        return f"the edge has no worker for back-ends now: {self._place.trouble or 'none is ready'}"

    def _workers_changed(self) -> None:
        workers, most_runs = self._place.workers, self._place.most_runs
        waiting: list[Request] = []
        with self._condition:
            self._most_runs = most_runs
            if workers:
                self._queue.workers = workers
            else:
                waiting = self._queue.clear()
            self._condition.notify_all()
        for request in waiting:
            self._answers.refuse(request, Status.OVERLOADED, self._no_worker())

    def _may_take(self) -> bool:
        return self._stopping or (len(self._queue) > 0 and len(self._busy_until_s) < self._most_runs)

    def _run(self, lane: int) -> None:
        use_threads(self._threads)
        with torch.inference_mode():
            while True:
                with self._condition:
                    self._condition.wait_for(self._may_take)
                    if self._stopping:
                        return
                    begin = self._clock()
                    batch, refused = self._queue.take(begin, self._busy_s(begin))
                    if batch:
                        expected_s = self._queue.times.expected_s(batch[0].request, len(batch))
                        self._busy_until_s[lane] = begin + expected_s
                    elif len(self._queue) and not refused:  # a worker is kept free for a robot whose turn it is
                        self._condition.wait(self._queue.held_until_s - begin)
                self._answers.refuse_all(refused)
                if not batch:
                    continue
                waited_s = self._work(batch)
                end = self._clock()
                with self._condition:
                    del self._busy_until_s[lane]
                    self._load.add(begin, end - waited_s)
                    self._queue.ended(batch, end - begin - waited_s, end)
                    is_idle = not len(self._queue)
                if is_idle:
                    self._place.idle(batch[0].engine)

    def _work(self, batch: Sequence[Waiting]) -> float:
        """
        Answer requests of the same network and partition point. A failure of one does not affect the others.

        :returns: the seconds in which nothing was computed for them.
        """
        first = batch[0].request
        begin = self._clock()
        decoded = [one for one in batch if self._decode(one)]
        complete = len(decoded) == len(batch)
        batching, waited_s = self._place.batching(first.fingerprint), 0.0
        for size in batching.split(first.partition_point, len(decoded)):
            together, decoded = decoded[:size], decoded[size:]
            waited_s += self._run_back(together, batching)
        for one in batch:
            one.tensors = None  # the lane keeps the batch until the next one
        if complete and len(batch) > 1:
            with self._condition:
                self._queue.times.took(first, self._clock() - begin - waited_s, len(batch))
        return waited_s

    def _decode(self, one: Waiting) -> bool:
        """Decode a request's tensors, if that is not done. Refuse the request and return False if that fails."""
        if one.tensors is not None:
            return True
        begin = self._clock()
        try:
            one.tensors = one.engine.decode(one.request.partition_point, one.request.tensors)
        except CodecError as problem:
            self._answers.refuse(one.request, Status.INVALID, str(problem))
        except Exception as problem:  # one robot's request must not stop the edge for all
            self._answers.fail(one, problem)
        one.decode_s = self._clock() - begin
        return one.tensors is not None

    def _run_back(self, together: list[Waiting], batching: Batching) -> float:
        """Run a back-end for one request or for several, and answer them; return the seconds of waiting."""
        engine, point = together[0].engine, together[0].request.partition_point
        tensors = [one.tensors for one in together if one.tensors is not None]
        begin = self._clock()
        try:
            ran = self._place.run(engine, point, tensors, self._within_s(together))
        except RunLost as problem:
            for one in together:
                self._answers.refuse(one.request, Status.OVERLOADED, str(problem), one.held)
            return self._clock() - begin
        except Exception as problem:
            if len(together) > 1:  # run each request alone, to find out which one fails
                return sum(self._run_back([one], batching) for one in together)
            self._answers.fail(together[0], problem)
            return 0.0
        compute_s = batching.alone_s(point, len(together), ran.compute_s)
        if len(together) > 1:
            self._answers.count(batched=len(together))
        for one, output in zip(together, ran.outputs, strict=True):
            self._finish(one, output, compute_s)
        return ran.waited_s

    def _within_s(self, together: Sequence[Waiting]) -> float:
        """Return the seconds after which a run of these requests need not begin any more."""
        due_s = math.inf
        for one in together:
            if one.request.deadline_s > 0.0:
                due_s = min(due_s, one.arrived_s + one.request.deadline_s)
        if due_s == math.inf:
            return due_s
        return due_s - self._clock() - self._queue.times.expected_s(together[0].request, len(together))

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
            self._answers.fail(one, problem)
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
        self._answers.send(Reply(feedback, request.header, detections if request.key.kind is Kind.FRAME else None))
