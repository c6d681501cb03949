# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The robot's worker: one thread that processes every frame from the latest-frame slot to its detections.

With `max_in_flight` above 1 the worker starts the next frame while answers to earlier frames are outstanding.

Each accepted frame results in exactly one detections message, in camera order, even if a step fails.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.inference.threads import use_threads
from neurosurgeon_ros.robot.arrival import Arrival, Counts, ImageRejected
from neurosurgeon_ros.robot.auto_calibration.idle_time import IdleTime
from neurosurgeon_ros.robot.decision import Sink
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.processor import FrameProcessor
from neurosurgeon_ros.robot.slot import LatestSlot

T = TypeVar("T")


class RobotPipeline:
    """
    Takes camera images and publishes one answer for each accepted image.

    :param processor: processes each frame; belongs to the worker from :meth:`start` to :meth:`stop`.
    :param on_problem: called from the worker thread with one sentence for each error that a person should read.
    :param threads: number of torch threads of the worker; 0 keeps torch's default.

    :ivar idle: says when there is time for work that may wait.
    """

    def __init__(
        self, processor: FrameProcessor, sink: Sink, *, on_problem: Callable[[str], None], threads: int = 0
    ) -> None:
        self.processor = processor
        self._sink = sink
        self._on_problem = on_problem
        self._threads = threads
        self._torch_threads = threads or torch.get_num_threads()
        self._slot: LatestSlot[Arrival] = LatestSlot()
        self._flights: deque[Flight] = deque()
        self._lock = threading.Lock()
        self._counts = Counts()
        self.idle = IdleTime()
        self._worker = threading.Thread(target=self._run, name="robot pipeline", daemon=True)

    @property
    def counts(self) -> Counts:
        """Return the image counts since the start."""
        return self._counts

    def start(self) -> None:
        """Start the worker."""
        self._worker.start()

    def stop(self) -> None:
        """Stop accepting frames, finish the current frame, and join the worker."""
        self._count(dropped=int(self._slot.close()))
        self.processor.edges.close()
        self._worker.join()

    def offer(self, arrival: Arrival) -> None:
        """Put a camera image into the slot."""
        self._count(received=1)
        self.idle.arrived()
        if self._slot.put(arrival):
            self._count(dropped=1)
        if self.processor.settings.max_in_flight > 1:
            self.processor.edges.ring()  # the worker may be waiting for an answer

    def reject(self) -> None:
        """Count an image that was found to be broken before it reached the slot."""
        self._count(received=1, rejected=1)

    def _run(self) -> None:
        use_threads(self._threads)
        torch.set_num_threads(self._torch_threads)  # whatever number another thread has set before its first use
        with torch.inference_mode():
            while (arrival := self._slot.take()) is not None:
                self.idle.begin_work()
                self._guarded(self._take, arrival)
                while self._flights:
                    self._go_on()
                if self._slot.is_empty:
                    self._guarded(FrameProcessor.prepare, self.processor)
                self.idle.end_work()

    def _go_on(self) -> None:
        """Start the waiting frame if another frame may be in flight. Otherwise finish the oldest frame."""
        oldest = self._flights[0]
        has_room = len(self._flights) < self.processor.settings.max_in_flight

        def next_waits() -> bool:
            return has_room and not self._slot.is_empty

        with self.idle.meanwhile() if oldest.request is not None else nullcontext():
            is_settled = self.processor.is_settled(oldest, next_waits)
        if not is_settled:
            arrival = self._slot.take_now()
            if arrival is not None:
                self._guarded(self._take, arrival)
            return
        self._flights.popleft()
        self._guarded(self._finish, oldest)

    def _guarded(self, step: Callable[[T], None], what: T) -> None:
        try:
            step(what)
        except Exception as problem:  # a failed delivery must not stop later frames
            self._on_problem(f"a frame's results were lost: {type(problem).__name__}: {problem}")

    def _take(self, arrival: Arrival) -> None:
        taken_s = self.processor.clock()
        try:
            image = arrival.decode()
        except Exception as problem:  # bad camera data must not stop the worker
            self._count(rejected=1)
            said = isinstance(problem, ImageRejected)
            self._sink.rejected(str(problem) if said else f"{type(problem).__name__}: {problem}")
            return
        counts = self._count(accepted=1)
        try:
            self._flights.append(self.processor.begin(arrival, image, counts, taken_s))
        except Exception as problem:  # the frame still gets its message, and the next frame its turn
            while self._flights:
                self._guarded(self._finish, self._flights.popleft())
            self._rescue(arrival, image, counts, problem)

    def _finish(self, flight: Flight) -> None:
        try:
            self.processor.finish(flight)
        except Exception as problem:  # as above
            frame = flight.frame
            self._rescue(frame.arrival, frame.image.pixels, frame.counts, problem)

    def _rescue(self, arrival: Arrival, image: NDArray[np.uint8], counts: Counts, problem: Exception) -> None:
        self._on_problem(f"frame {counts.accepted} failed on the robot: {type(problem).__name__}: {problem}")
        self.processor.rescue(arrival, image, counts, f"{type(problem).__name__}: {problem}")

    def _count(self, *, received: int = 0, accepted: int = 0, dropped: int = 0, rejected: int = 0) -> Counts:
        with self._lock:
            old = self._counts
            self._counts = Counts(
                old.received + received, old.accepted + accepted, old.dropped + dropped, old.rejected + rejected
            )
            return self._counts
