# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Calibration from the frames that a robot sees: a clip of successive frames at a time, in small units of work.

The first clips give the limits of quantisation, and the size of each arm's data; they judge nothing. On each later
clip, the most valuable arms are compared with the whole network, until no arm is left that would make the robot better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from neurosurgeon_ros.calibration.fidelity import ArmFidelity, FidelityTable, StreamFidelity
from neurosurgeon_ros.calibration.online.candidates import Candidates, calibrated_codec, calibrated_sibling
from neurosurgeon_ros.calibration.online.clip import Clip
from neurosurgeon_ros.calibration.online.comparer import Comparer
from neurosurgeon_ros.calibration.online.evidence import Evidence, Verdict
from neurosurgeon_ros.calibration.online.progress import Progress, Screened
from neurosurgeon_ros.calibration.online.screening import Screening
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine

#: Number of clips that give limits and sizes. They judge nothing: no arm is judged on frames that it was fitted to.
LIMIT_CLIPS = 2

#: An arm may be doubted after this many images with objects.
DOUBTED_IMAGES = 4

#: Maximum number of arms that are judged at once. More would share the whole network's time, and be finished later.
ACTIVE = 8


@dataclass(frozen=True, slots=True)
class State:
    """
    How far a calibration is.

    :param judged: number of arms that are judged or dropped.
    :param admitted: number of arms that may be used because they were judged.
    :param left: number of arms that are worth judging.
    :param waits: what the frames lack, in a few words; empty if they are good.
    """

    judged: int = 0
    admitted: int = 0
    left: int = 0
    waits: str = ""


class OnlineCalibration:
    """
    Judges the arms of a network. For one thread, except `state`.

    :param progress: what an earlier start has found.
    :param pause: called with a kind of work before each unit of it; returns when there is time for it. An exception
        that it raises ends the work on a clip.

    :ivar state: see :class:`State`.
    """

    def __init__(
        self, engine: Engine, candidates: Candidates, progress: Progress, pause: Callable[[str], None]
    ) -> None:
        self.state = State()
        self.progress = progress
        self._engine = engine
        self._candidates = candidates
        self._comparer = Comparer(engine, progress, pause)
        self._screening = Screening(engine, progress, pause)
        self._limit_clips = 0
        self._left: list[Arm] = []
        self._next: list[Arm] = []
        self._unscreened: list[Arm] = []
        self._settle()

    @property
    def is_done(self) -> bool:
        """Return whether no arm is left that would make the robot better."""
        return self._limit_clips >= LIMIT_CLIPS and not self._left

    def use(self, clip: Clip) -> bool:
        """
        Go on with a clip.

        :returns: whether it was of use; it is not if the scene did not change, or shows no objects.
        """
        with torch.inference_mode():
            if self._limit_clips < LIMIT_CLIPS:
                self._limit_clips += 1
                self._screening.keep(clip)
                if self._limit_clips == LIMIT_CLIPS:
                    self._screen(clip)
                return True
            used = self._comparer.compare(self._active(), clip)
            self._screen(clip)
        return used

    def _screen(self, clip: Clip) -> None:
        """Measure what the arms cost that may be judged next, and those that lose nothing."""
        self._settle()
        while self._unscreened:
            self._screening.screen(self._unscreened, clip)
            self._settle()

    # What is left.

    def table(self) -> FidelityTable:
        """Return what is known of the arms that were judged, and of those that lose nothing."""
        progress, engine = self.progress, self._engine
        arms: dict[str, ArmFidelity] = {}
        streams: dict[str, tuple[StreamFidelity, ...]] = {}
        for arm in self._candidates.arms(progress.limits):
            evidence = progress.evidence.get(arm.name)
            if arm.is_lossless and arm.name in progress.screened:
                arms[arm.name] = ArmFidelity(1.0, 1.0, 1.0, progress.screened[arm.name].sent_bytes)
            elif evidence is not None and self._verdict(evidence) is Verdict.JUDGED:
                known = evidence.fidelity()
                if isinstance(known, StreamFidelity):
                    streams[arm.name] = (known,)
                else:
                    arms[arm.name] = known
        return FidelityTable(
            model=engine.model.name,
            fingerprint=engine.fingerprint,
            measure=self._comparer.measure,
            images="",
            calibrated=progress.limit_images,
            judged=progress.judged,
            arms=arms,
            pixels=progress.pixels / max(1, progress.judged),
            limits={name: limits for name, limits in progress.limits.items() if name in arms},
            streams=streams,
        )

    def _settle(self) -> None:
        """Find the arms that are left, in the order of their value."""
        progress, candidates = self.progress, self._candidates
        arms, table = candidates.arms(progress.limits), self.table()
        known = candidates.known(arms, table)
        verdicts = {name: self._verdict(one) for name, one in progress.evidence.items()}
        hopeless = {name for name, verdict in verdicts.items() if verdict is Verdict.HOPELESS}
        judged = {*table.arms, *table.streams} & progress.evidence.keys()
        refused = progress.dropped | hopeless | (judged - known)
        usable = known - progress.dropped
        if self._limit_clips >= LIMIT_CLIPS:
            arms = self._with_siblings(arms, usable, refused)
        guesses = {arm.name: Screened(0.0, 0.0, self._engine.expected_bytes(arm)) for arm in arms if arm.codec}
        costs = {**guesses, **progress.screened}
        self._left = self._next = candidates.order(arms, usable, refused, costs)
        doubtful = {name for name, one in progress.evidence.items() if self._is_doubtful(one)} - refused
        if doubtful & {arm.name for arm in self._left}:
            ahead = candidates.order(arms, usable, refused | doubtful, costs)
            self._next = [*self._left, *(arm for arm in ahead if arm not in self._left)]
        self._unscreened = [
            arm
            for arm in (*self._next[:ACTIVE], *(arm for arm in arms if arm.codec and arm.name in usable))
            if arm.name not in progress.screened
        ]
        counted = sum(verdict is not Verdict.OPEN for verdict in verdicts.values())
        self.state = State(counted, len(judged & known), len(self._left), self._comparer.waits)

    def _with_siblings(self, arms: tuple[Arm, ...], usable: set[str], refused: set[str]) -> tuple[Arm, ...]:
        """Find limits for the arms that lose too much, where an arm with limits would be worth judging."""
        progress = self.progress
        guesses = dict(progress.screened)
        siblings = {}
        for arm in arms:
            if arm.name in refused and arm.name in progress.screened and calibrated_codec(arm):
                sibling, guess = calibrated_sibling(self._engine, arm, progress.screened[arm.name])
                if sibling.name not in progress.limits:
                    siblings[sibling.name], guesses[sibling.name] = sibling, guess
        if not siblings:
            return arms
        order = self._candidates.order((*siblings.values(), *arms), usable, refused, guesses)
        for arm in order[:ACTIVE]:
            if arm.name in siblings:
                progress.limits[arm.name] = self._screening.fit(arm.point, arm.codec)
        return self._candidates.arms(progress.limits)

    def _verdict(self, evidence: Evidence) -> Verdict:
        return evidence.verdict(self._candidates.terms().admission.min_fidelity)

    def _is_doubtful(self, evidence: Evidence) -> bool:
        """Return whether an arm agrees too little so far, so that others should be judged beside it."""
        known = self._verdict(evidence) is not Verdict.OPEN or evidence.images < DOUBTED_IMAGES
        return not known and evidence.fidelity().fidelity < self._candidates.terms().admission.min_fidelity

    def _active(self) -> list[Arm]:
        """Return the arms that are judged on the next clip: first those that are nearly finished."""
        evidence = self.progress.evidence
        return sorted(self._next, key=lambda arm: -evidence[arm.name].images if arm.name in evidence else 0)[:ACTIVE]
