# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure how well each arm with memory agrees with the whole network, and how much it sends, at several rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from neurosurgeon_ros.calibration.agreement import Matches, bootstrap, f1, total
from neurosurgeon_ros.calibration.calibrate import Judge
from neurosurgeon_ros.calibration.fidelity import INTERVAL_TOLERANCE, StreamFidelity
from neurosurgeon_ros.calibration.footage import STREAMS, Footage, Image, StreamPlan
from neurosurgeon_ros.calibration.stream_trial import SentFrame, StreamTrial
from neurosurgeon_ros.codecs import STREAM_CODECS, CameraImage, CodecError
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections, Letterbox

#: Successive frames show the same objects, so the bootstrap draws blocks of this duration, in seconds.
BLOCK_S = 1.0

#: An arm that agrees less than this is left out at that rate, after :data:`TRIED` streams if there are more.
LEAST_AGREEMENT, TRIED = 0.8, 3

#: An arm that agrees less than this has :data:`.STREAMS` streams and no more, however wide its interval is.
WORTH_MORE = 0.9


@dataclass(slots=True, eq=False)
class _Tally:
    """What is measured of one arm at one rate: matches by stream and block, and bytes of frames and of keys."""

    blocks: defaultdict[int, defaultdict[int, list[Matches]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    sent: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)

    @property
    def agreement(self) -> float:
        """Return the agreement so far, in [0, 1]."""
        return f1([match for stream in self.blocks.values() for block in stream.values() for match in block])

    @property
    def interval(self) -> tuple[float, float]:
        """
        Return the interval of the agreement: the wider one of two.

        One draws streams, since what a key shows makes a whole stream good or bad. The other draws seconds of the
        footage, since streams that overlap show the same objects.
        """
        streams = [[total(block) for block in stream.values()] for stream in self.blocks.values()]
        seconds: defaultdict[int, list[Matches]] = defaultdict(list)
        for stream in self.blocks.values():
            for second, block in stream.items():
                seconds[second].extend(block)
        one, other = bootstrap(streams), bootstrap([[total(block) for block in seconds.values()]])
        return min(one[0], other[0]), max(one[1], other[1])

    @property
    def is_settled(self) -> bool:
        """Return whether more streams would change little, or the arm is not worth them."""
        agreement = self.agreement
        return agreement < WORTH_MORE or agreement - self.interval[0] <= INTERVAL_TOLERANCE

    def fidelity(self, rate_hz: float) -> StreamFidelity:
        sent_bytes, key_bytes = float(np.mean(self.sent)), float(np.mean(self.keys))
        return StreamFidelity(self.agreement, *self.interval, sent_bytes, rate_hz=rate_hz, key_bytes=key_bytes)


def calibrate_streams(
    engine: Engine,
    footage: Sequence[Footage],
    *,
    codecs: Sequence[str] = STREAM_CODECS,
    step: Callable[[], None] = lambda: None,
) -> dict[str, tuple[StreamFidelity, ...]]:
    """
    Measure the arms with memory on successive frames, at each rate that the footage allows.

    Agreement is measured on frames that are no keys, since a robot sends few keys. Its interval comes from streams that
    are drawn with replacement, and from seconds of the footage that are. If there is footage of several cameras, the
    one on which an arm agrees least counts, and bytes are the mean of all.

    An arm is kept if at some rate no other arm of its point agrees as well with fewer bytes. Arms that send the
    camera's image are compared with each other only. An arm is also left out if its codec cannot carry these frames.

    The time is bounded, however long the footage is: for each rate, 6 streams of 40 frames are sent, of which 10 are
    judged. Arms whose interval is still wide have up to 18 streams. An arm that agrees less than
    :data:`LEAST_AGREEMENT` is left out.

    :param footage: of one camera or several.
    :param codecs: registered names; those without memory are ignored.
    :param step: called after each frame of each stream, :attr:`.StreamPlan.steps` times for a plan unless the footage
        ends early.
    :returns: agreement at each rate in ascending order, by name of the arm; empty if all footage is too short.
    """
    arms = [arm for arm in engine.arms(codecs) if arm.is_stream]
    measured: defaultdict[float, list[dict[Arm, StreamFidelity]]] = defaultdict(list)
    with torch.inference_mode():
        for camera in footage:
            for plan in camera.plans():
                measured[plan.nominal_hz].append(_measure(engine, camera, plan, arms, step))
    rates = [_of_all_cameras(measured[nominal_hz]) for nominal_hz in sorted(measured)]
    best = {arm for at_rate in rates for arm in frontier(at_rate)}
    return {arm.name: tuple(at_rate[arm] for at_rate in rates if arm in at_rate) for arm in arms if arm in best}


def _of_all_cameras(cameras: Sequence[Mapping[Arm, StreamFidelity]]) -> dict[Arm, StreamFidelity]:
    """Return what holds for every camera at one nominal rate; arms that could not be judged on all are left out."""
    found = {}
    for arm in cameras[0]:
        known = [camera[arm] for camera in cameras if arm in camera]
        if len(known) == len(cameras):
            found[arm] = replace(
                min(known, key=lambda one: one.low),
                sent_bytes=float(np.mean([one.sent_bytes for one in known])),
                key_bytes=float(np.mean([one.key_bytes for one in known])),
                rate_hz=max(one.rate_hz for one in known),
            )
    return found


def frontier(measured: Mapping[Arm, StreamFidelity]) -> list[Arm]:
    """Return the arms for which no other arm of the same point agrees as well with fewer bytes."""

    def is_better(other: Arm, arm: Arm) -> bool:
        one, than = measured[other], measured[arm]
        return (
            (other.point, other.sends_image) == (arm.point, arm.sends_image)
            and (one.sent_bytes, -one.fidelity) < (than.sent_bytes, -than.fidelity)
            and one.fidelity >= than.fidelity
        )

    return [arm for arm in measured if not any(is_better(other, arm) for other in measured)]


def _measure(
    engine: Engine, footage: Footage, plan: StreamPlan, arms: Sequence[Arm], step: Callable[[], None]
) -> dict[Arm, StreamFidelity]:
    """Measure arms at one rate; those that could not be judged are left out."""
    judge, judged = Judge(engine), plan.judged
    tallies = {arm: _Tally() for arm in arms}
    running = list(arms)
    for stream, begin in enumerate(plan.begins):
        if stream and stream % TRIED == 0:
            tallies = _agreeing(tallies)
            running = [arm for arm in running if arm in tallies and (stream < STREAMS or not tallies[arm].is_settled)]
        if not running:
            for _ in range(plan.sent):
                step()
            continue
        # One stream at a time, since the ends of a stream take memory.
        trials = {arm: StreamTrial(engine, arm) for arm in running}
        for number, image in enumerate(footage.stream(begin, plan)):
            block = int((begin + number * plan.every) / footage.rate_hz / BLOCK_S)
            sent = _send(engine, trials, image, judge if number in judged else None)
            for arm in trials.keys() - sent.frames.keys():
                del tallies[arm], trials[arm]
            for arm, frame in sent.frames.items():
                (tallies[arm].keys if frame.is_key else tallies[arm].sent).append(frame.sent_bytes)
                if sent.whole is not None and not frame.is_key:
                    outputs = engine.partitioned.run_back(frame.tensors, arm.point)
                    tallies[arm].blocks[stream][block].append(
                        judge.match(sent.whole, judge.detect(outputs, sent.letterbox))
                    )
            step()
        running = [arm for arm in running if arm in trials]
    return {arm: tally.fidelity(plan.rate_hz) for arm, tally in _agreeing(tallies).items() if tally.blocks}


def _agreeing(tallies: dict[Arm, _Tally]) -> dict[Arm, _Tally]:
    return {arm: tally for arm, tally in tallies.items() if tally.agreement >= LEAST_AGREEMENT}


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """One frame: the whole network's detections if it is judged, and what each arm made of it."""

    whole: Detections | None
    letterbox: Letterbox
    frames: dict[Arm, SentFrame]


def _send(engine: Engine, trials: Mapping[Arm, StreamTrial], image: Image, judge: Judge | None) -> _Sent:
    """Send an image through the stream of each arm; arms whose codec cannot carry it are left out."""
    points = sorted({arm.point for arm in trials})
    x, letterbox = engine.model.preprocess(image)
    last = engine.on_device if judge or not points else points[-1]
    held = engine.partitioned.run_front(x, last, keep=points)
    frames = {}
    for arm, trial in trials.items():
        try:
            frames[arm] = trial.send(held[arm.point], CameraImage(image))
        except CodecError:
            continue
    whole = None if judge is None else judge.detect(held[engine.on_device], letterbox)
    return _Sent(whole, letterbox, frames)
