# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A pool of processes on this computer as the place where back-ends run: one for each core or GPU."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.edge.places.place import PlaceError, Ran, RunLost
from neurosurgeon_ros.edge.places.pool_process import Setup, WorkerLost, WorkerProcess, environment_of
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.inference.batching import ALONE, Batching
from neurosurgeon_ros.inference.device import CUDA, choose_device
from neurosurgeon_ros.inference.engine import Engine

#: Maximum seconds that the workers take to load their networks.
START_S = 300.0

#: A job is given to at most this many workers, because it may be what ends them.
TRIES = 2

#: A worker that ended is started again after this many seconds, doubled for each time in a row, up to the maximum.
AGAIN_S, LATEST_AGAIN_S = 0.1, 30.0

#: A worker that worked for this many seconds is started again at once when it ends.
STEADY_S = 10.0

#: What the monitor waits for, as :func:`multiprocessing.connection.wait` types it.
_Waitable = Any


@dataclass(slots=True, eq=False)
class _Seat:
    """
    The place of one worker in the pool.

    :param number: its number, from 0; it decides which GPU is used.
    :param worker: its process; None while it is not started.
    :param due_s: clock time at which it is to be started.
    :param wait_s: seconds to wait before it is started again.
    :param ready_s: clock time at which it was ready.
    """

    number: int
    worker: WorkerProcess | None = None
    due_s: float = 0.0
    wait_s: float = AGAIN_S
    ready_s: float = math.inf


class PoolPlace:
    """
    Runs back-ends in other processes, which have them warm.

    A job whose worker ends is given to another worker, and a new worker takes the place of the old one.

    :param engine: the network, as the edge has it; its device does not matter.
    :param source: where workers find the network.
    :param workers: number of workers; 0: one for each GPU if the device is one, else one for each core.
    :param threads: number of torch threads of each worker; 0: all cores, divided among the workers.
    :param max_batch: largest batch that is tried.
    :param on_problem: called with one sentence whenever a worker ended.
    """

    def __init__(
        self,
        engine: Engine,
        source: NetworkSource,
        *,
        workers: int = 0,
        threads: int = 0,
        max_batch: int = 1,
        on_problem: Callable[[str], None],
    ) -> None:
        cores = len(os.sched_getaffinity(0))
        self._gpus = torch.cuda.device_count() if choose_device(source.device).type == CUDA else 0
        number = workers or self._gpus or cores
        self._engine = engine
        self._setup = Setup(source, threads or max(1, cores // number), requests=max_batch)
        self._on_problem = on_problem
        self._batching = ALONE
        self._condition = threading.Condition()
        self._seats = [_Seat(index) for index in range(number)]
        self._idle: deque[WorkerProcess] = deque()
        self._ready: set[WorkerProcess] = set()
        self._changed: Callable[[], None] | None = None
        self._failed = ""
        self._has_started = self._stopping = False
        self._waker, self._woken = connection.Pipe()
        self._structure = pytree.tree_structure(None)
        self._monitor = threading.Thread(target=self._watch_over, name="edge pool", daemon=True)

    @property
    def workers(self) -> int:
        """Return the number of workers that are ready."""
        return len(self._ready)

    most_runs = workers

    @property
    def lanes(self) -> int:
        """Return the number of workers when all are ready."""
        return len(self._seats)

    @property
    def trouble(self) -> str:
        """Return why there is no worker."""
        return "" if self._ready else "the workers of the pool have ended and are being started again"

    @property
    def where(self) -> str:
        """Return where back-ends run, for the log."""
        what = f"{self._gpus} GPUs" if self._gpus else f"{self._setup.threads} threads each"
        return f"{len(self._seats)} processes on this computer, {what}"

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers that are ready."""
        with self._condition:
            return [worker.pid for worker in self._ready]

    def batching(self, fingerprint: str) -> Batching:
        """Return the useful batches, as the first worker found them."""
        return self._batching if fingerprint == self._engine.fingerprint else ALONE

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Call a function whenever the number of workers has changed."""
        self._changed = changed

    def idle(self, engine: Engine) -> None:
        """Do nothing: workers prepare optimisations by themselves."""

    def start(self) -> None:
        """
        Start the workers, and wait until all are ready.

        :raises PlaceError: a worker cannot start; none is left then.
        """
        with torch.inference_mode():
            self._structure = pytree.tree_structure(self._engine.run_whole(self._engine.model.example_input))
        self._monitor.start()
        with self._condition:
            self._condition.wait_for(lambda: self._failed or len(self._ready) == len(self._seats), START_S)
            failed = self._failed
            if not failed and len(self._ready) < len(self._seats):
                failed = f"{len(self._seats) - len(self._ready)} workers are not ready after {START_S:.0f} s"
        self._has_started = not failed
        if failed:
            self.stop()
            raise PlaceError(
                f"the pool of back-ends cannot start: {failed}; remove the cause, or choose back_end 'local'"
            )

    def stop(self) -> None:
        """End the workers. No run may be under way."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._waker.send_bytes(b"stop")
        self._monitor.join()
        for seat in self._seats:
            if seat.worker is not None:
                seat.worker.connection.close()  # all end at the same time
        for seat in self._seats:
            if seat.worker is not None:
                seat.worker.close()
        self._waker.close()
        self._woken.close()

    def run(self, engine: Engine, point: int, many: Sequence[Sequence[torch.Tensor]], within_s: float) -> Ran:
        """Run a back-end in a worker, and again in another one if the worker ends; see :class:`.place.Place`."""
        begin_s = time.monotonic()
        for _ in range(TRIES):
            worker = self._take(begin_s + within_s)
            try:
                with torch.inference_mode():
                    ran = worker.run(point, many)
            except WorkerLost:
                self._lose(worker)
                continue
            except BaseException:
                self._give_back(worker)
                raise
            self._give_back(worker)
            return Ran(ran.outputs, ran.compute_s, time.monotonic() - begin_s - ran.compute_s)
        raise RunLost(f"{TRIES} workers of the pool ended while they ran this back-end")

    def _take(self, until_s: float) -> WorkerProcess:
        with self._condition:
            while not self._idle:
                wait_s = until_s - time.monotonic()
                if not self._ready or self._stopping or wait_s <= 0.0:
                    raise RunLost("a worker of the pool ended, and no other one is free in time")
                self._condition.wait(min(wait_s, threading.TIMEOUT_MAX))
            return self._idle.popleft()

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._condition:
            if worker in self._ready:
                self._idle.append(worker)
                self._condition.notify()

    def _lose(self, worker: WorkerProcess) -> None:
        """Use a worker no longer. The monitor hears of its end by itself."""
        with self._condition:
            self._ready.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            self._condition.notify_all()
        self._tell()

    def _tell(self) -> None:
        changed = self._changed
        if changed is not None:
            changed()

    # The monitor's thread.

    def _watch_over(self) -> None:
        while not self._stopping:
            now_s = time.monotonic()
            for seat in self._seats:
                if seat.worker is None and now_s >= seat.due_s:
                    self._begin(seat)
            seats: dict[_Waitable, _Seat] = {}
            for seat in self._seats:
                if seat.worker is not None:
                    seats[seat.worker.pidfd] = seat
                    if not seat.worker.is_ready:
                        seats[seat.worker.connection] = seat
            due_s = min((seat.due_s for seat in self._seats if seat.worker is None), default=math.inf)
            wait_s = None if math.isinf(due_s) else max(0.0, due_s - now_s)
            for one in connection.wait([self._woken, *seats], wait_s):
                said = seats.get(one)
                if said is None or said.worker is None:
                    continue
                if one is said.worker.connection:
                    self._hear(said, said.worker)
                else:
                    self._bury(said, said.worker)

    def _begin(self, seat: _Seat) -> None:
        """Start a worker's process."""
        largest = self._setup.requests if seat.number == 0 and not self._batching.stretch else 1
        setup = Setup(self._setup.source, self._setup.threads, self._setup.requests, try_batches=largest)
        try:
            seat.worker = WorkerProcess(self._engine, self._structure, setup, environment_of(seat.number, self._gpus))
        except OSError as problem:
            self._fail(seat, f"worker {seat.number} of the pool cannot be started ({problem})")

    def _hear(self, seat: _Seat, worker: WorkerProcess) -> None:
        """Take over a worker that says that it is ready, or why it is not."""
        try:
            hello = worker.hello()
        except WorkerLost:
            return  # its pidfd says so, too
        problem = hello.get("error", "")
        if not problem and hello["fingerprint"] != self._engine.fingerprint:
            problem = f"it has model {hello['fingerprint'][:12]}, the edge has {self._engine.fingerprint[:12]}"
        if problem:
            self._bury(seat, worker, f"worker {seat.number} of the pool cannot run the network: {problem}")
            return
        if hello["stretch"]:
            self._batching = Batching({point: dict(sizes) for point, sizes in hello["stretch"]})
        seat.ready_s = time.monotonic()
        with self._condition:
            self._ready.add(worker)
            self._idle.append(worker)
            self._condition.notify_all()
        self._tell()

    def _bury(self, seat: _Seat, worker: WorkerProcess, problem: str = "") -> None:
        """Free what is left of a worker that ended, and have it started again."""
        was_steady = time.monotonic() - seat.ready_s >= STEADY_S
        self._lose(worker)
        how = worker.close()
        seat.worker, seat.ready_s = None, math.inf
        if was_steady:
            seat.wait_s = AGAIN_S
        self._fail(seat, problem or f"worker {seat.number} of the pool ended ({how}): it is started again")

    def _fail(self, seat: _Seat, text: str) -> None:
        seat.due_s = time.monotonic() + seat.wait_s
        seat.wait_s = min(LATEST_AGAIN_S, 2.0 * seat.wait_s)
        with self._condition:
            self._failed = self._failed or text
            self._condition.notify_all()
        if self._has_started and not self._stopping:
            self._on_problem(text)
