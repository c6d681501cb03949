# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The thread that calibrates a network while its robot uses it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, FidelityTable
from neurosurgeon_ros.calibration.online.candidates import Candidates
from neurosurgeon_ros.calibration.online.clip import Image
from neurosurgeon_ros.calibration.online.kept import publish
from neurosurgeon_ros.calibration.online.online import OnlineCalibration
from neurosurgeon_ros.calibration.online.progress import Progress, remove_progress, write_progress
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import use_one_thread
from neurosurgeon_ros.robot.auto_calibration.clips import Clips
from neurosurgeon_ros.robot.auto_calibration.idle_time import Closed, IdleTime

#: Number of frames within which a robot has arms of its own calibration.
FRAMES = 200

#: Number of frames after which the arms that are judged by then are used; the others follow when all are judged.
FIRST_FRAMES = 160

#: Number of frames after which a calibration ends, finished or not.
MOST_FRAMES = 2000

#: The thread's niceness. Not the highest: a thread that holds Python's lock has to get on if the machine is full.
NICENESS = 5

#: Seconds until a scene is looked at again that did not change or has no objects; twice as long each time.
LEAST_REST_S, MOST_REST_S = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Reports:
    """
    What a calibrator tells its robot; each is called from its thread.

    :param use: takes a calibration, to use its arms from now on.
    :param say: takes one sentence about what was done.
    :param problem: takes one sentence about what went wrong.
    """

    use: Callable[[FidelityTable], object]
    say: Callable[[str], object]
    problem: Callable[[str], object]


class Calibrator:
    """
    Calibrates a network in idle time, from :meth:`start` to :meth:`close`, or until it is done.

    :param progress: what an earlier start has found.
    :param idle: says when there is time.
    :param source: description of the frames, for the calibration: topic and robot.
    """

    def __init__(
        self,
        engine: Engine,
        candidates: Candidates,
        progress: Progress,
        *,
        idle: IdleTime,
        source: str,
        reports: Reports,
    ) -> None:
        self._engine = engine
        self._candidates = candidates
        self._progress = progress
        self._idle = idle
        self._source = source
        self._reports = reports
        self._clips = Clips(progress.frames)
        self._calibration: OnlineCalibration | None = None
        self._end = ""
        self._is_published = bool(progress.published)
        self._said: set[str] = set()
        self._worker = threading.Thread(target=self._run, name="auto-calibration", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def close(self) -> None:
        """Stop within a unit of work, and join the thread. What was found so far is on disk."""
        self._idle.close()
        self._clips.close()
        self._worker.join()

    def see(self, image: Image, now_s: float) -> None:
        """
        Take a frame whose detections are published. Takes microseconds.

        :param image: BGR, shape (H, W, 3); held, and never changed.
        """
        if not self._end:
            self._clips.see(image, now_s)

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to do."""
        return bool(self._end)

    def status(self) -> str:
        """Return how far the calibration is, in one line."""
        if self._end:
            return self._end
        calibration = self._calibration
        if calibration is None:
            return f"{self._clips.seen} of {FRAMES} frames"
        state = calibration.state
        arms = f"{state.judged} of {state.judged + state.left} arms"
        waits = state.waits or ("the robot is never idle" if self._idle.starved else "")
        return f"{self._clips.seen} of {FRAMES} frames, {arms}{f'; {waits}' if waits else ''}"

    def _run(self) -> None:
        _be_nice()
        use_one_thread()
        try:
            with contextlib.suppress(Closed):
                self._calibrate()
        except Exception as problem:  # the robot goes on with the arms that it has
            self._finish(f"failed: {type(problem).__name__}: {problem}")
            self._try(lambda: remove_progress(self._engine.fingerprint))  # it may be the cause
            self._reports.problem(f"the network could not be calibrated: {type(problem).__name__}: {problem}")
        self._clips.close()

    def _calibrate(self) -> None:
        calibration = OnlineCalibration(self._engine, self._candidates, self._progress, self._idle.wait)
        self._calibration = calibration
        rest_s = LEAST_REST_S
        while not calibration.is_done and self._clips.seen < MOST_FRAMES:
            clip = self._clips.take()
            if clip is None:
                return
            is_of_use = calibration.use(clip)
            self._idle.end_unit()
            self._save()
            is_due = self._clips.seen >= FIRST_FRAMES and not self._is_published and calibration.state.admitted > 0
            if is_due and not calibration.is_done and not self._publish(calibration.table()):
                return
            if not is_of_use and calibration.state.waits:
                self._clips.skip()
                self._idle.rest(rest_s)
                self._clips.go_on()
            rest_s = LEAST_REST_S if is_of_use else min(2.0 * rest_s, MOST_REST_S)
        if self._publish(calibration.table()):
            self._try(lambda: remove_progress(self._engine.fingerprint))
            state = calibration.state
            self._finish(f"done after {self._clips.seen} frames: {state.admitted} of {state.judged} arms agree")

    def _publish(self, table: FidelityTable) -> bool:
        """
        Write the calibration, and let the robot use it, even if it cannot be written.

        :returns: False if somebody else has made one, which is used instead.
        """
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        judged = self._progress.judged
        table = replace(table, images=f"{judged} of {self._clips.seen} frames of {self._source}, until {when}")
        self._is_published = True
        used = table
        try:
            used = publish(table, before=self._progress.published)
        except CalibrationProblem as problem:
            self._complain(f"{problem}: its arms are used until the robot stops")
        self._reports.use(used)
        self._reports.say(f"fidelity was calibrated on {used.images}")
        if used is not table:
            self._finish("another calibration was made meanwhile, which is used")
            return False
        self._progress.published = table.images
        self._save()
        return True

    def _save(self) -> None:
        self._progress.frames = self._clips.seen
        self._try(lambda: write_progress(self._progress))

    def _finish(self, end: str) -> None:
        self._end = end
        self._clips.close()

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except CalibrationProblem as problem:
            self._complain(f"{problem}: a restart begins the calibration again")

    def _complain(self, problem: str) -> None:
        if problem not in self._said:
            self._said.add(problem)
            self._reports.problem(problem)


def _be_nice() -> None:
    """Lower the priority of the calling thread, where the system has such a thing for threads."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
