# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Background jobs, such as measuring another arm table: one at a time, keeping only the newest pending job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from neurosurgeon_ros.robot.slot import LatestSlot

T = TypeVar("T")


class LatestJobRunner(Generic[T]):
    """
    Runs jobs one at a time in its own thread, and keeps only the newest pending job.

    :param run: called with each job, from that thread.
    :param on_problem: called with one sentence when `run` raises.
    """

    def __init__(self, run: Callable[[T], None], *, on_problem: Callable[[str], None]) -> None:
        self._run_job = run
        self._on_problem = on_problem
        self._slot: LatestSlot[T] = LatestSlot()
        self._worker = threading.Thread(target=self._run, name="latest job", daemon=True)
        self._worker.start()

    def submit(self, job: T) -> None:
        """Run a job next. It replaces a pending job that has not started."""
        self._slot.put(job)

    def close(self) -> None:
        """Drop the pending job, wait for the running job to finish, and join the thread."""
        self._slot.close()
        self._worker.join()

    def _run(self) -> None:
        while (job := self._slot.take()) is not None:
            try:
                self._run_job(job)
            except Exception as problem:  # a failed job changes nothing
                self._on_problem(f"{type(problem).__name__}: {problem}")
