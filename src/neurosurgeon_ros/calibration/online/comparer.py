# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of arms with the whole network on the frames of a clip, in small units of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.calibrate import Judge
from neurosurgeon_ros.calibration.online.clip import Clip, Image, has_changed, outline
from neurosurgeon_ros.calibration.online.evidence import Evidence
from neurosurgeon_ros.calibration.online.progress import Progress
from neurosurgeon_ros.calibration.online.screening import encode_alone
from neurosurgeon_ros.calibration.stream_trial import SentFrame, StreamTrial
from neurosurgeon_ros.codecs import CameraImage, CodecError
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections, Letterbox


@dataclass(frozen=True, slots=True, eq=False)
class _Front:
    """An image, the tensors at some points, the whole network's detections if they are known, and the letterbox."""

    image: Image
    held: Mapping[int, Any]
    whole: Detections | None
    letterbox: Letterbox

    def has_objects(self, judge: Judge) -> bool:
        """Return whether the whole network found an object."""
        return self.whole is not None and judge.match(self.whole, self.whole).one > 0


class Comparer:
    """
    Compares arms with the whole network.

    :param progress: takes the results.
    :param pause: as in :class:`.online.OnlineCalibration`.

    :ivar waits: what the frames lack, in a few words; empty if they are good.
    """

    def __init__(self, engine: Engine, progress: Progress, pause: Callable[[str], None]) -> None:
        self.waits = ""
        self._engine = engine
        self._progress = progress
        self._pause = pause
        self._judge = Judge(engine)
        self._seen: NDArray[np.uint8] | None = None
        self._begin_s: float | None = None
        self._first_block = progress.newest_block + 1

    @property
    def measure(self) -> str:
        """Return the measure of agreement, see :class:`.calibrate.Judge`."""
        return self._judge.measure

    def compare(self, arms: Sequence[Arm], clip: Clip) -> bool:
        """
        Compare arms on a clip.

        :returns: whether anything was judged; it is not if the scene did not change, or shows no objects.
        """
        newest = clip.images[clip.judged[-1]]
        if not has_changed(outline(newest), self._seen):
            self.waits = "waits for the scene to change"
            return False
        if self.waits and not self._front(newest, (), whole=True).has_objects(self._judge):
            self.waits = "waits for objects"
            return False
        trials = {arm: StreamTrial(self._engine, arm) for arm in arms if arm.is_stream}
        plain = [arm for arm in arms if not arm.is_stream]
        judged = 0
        for number, image in enumerate(clip.images):
            if number in clip.judged and has_changed(outline(image), self._seen):
                judged += self._judge_frame(clip, number, plain, trials)
            elif trials:
                self._send(trials, clip, self._front(image, trials))
        self.waits = "" if judged else "waits for objects"
        return judged > 0

    def _front(self, image: Image, arms: Iterable[Arm], *, whole: bool = False) -> _Front:
        """Run the network up to the last arm's point, or the whole network."""
        engine = self._engine
        points = sorted({arm.point for arm in arms})
        self._pause("preprocess")
        x, letterbox = engine.model.preprocess(image)
        last = engine.on_device if whole else points[-1]
        held = engine.partitioned.run_front(x, last, keep=points, before_step=self._before_step)
        if not whole:
            return _Front(image, held, None, letterbox)
        self._pause("postprocess")
        return _Front(image, held, self._judge.detect(held[engine.on_device], letterbox), letterbox)

    def _judge_frame(self, clip: Clip, number: int, plain: Sequence[Arm], trials: dict[Arm, StreamTrial]) -> bool:
        """Compare the arms with the whole network on one frame. Return whether it was of use."""
        progress, image = self._progress, clip.images[number]
        front = self._front(image, (*plain, *trials), whole=True)
        has_objects = front.has_objects(self._judge)
        # Images without objects show what an arm finds where nothing is; more of them than others prove little.
        is_of_use = has_objects or 2 * (progress.empty + 1) <= progress.judged
        if is_of_use:
            self._seen = outline(image)
            progress.judged += 1
            progress.empty += not has_objects
            progress.pixels += image.shape[0] * image.shape[1]
        sent = self._send(trials, clip, front)
        if not is_of_use:
            return False
        block = self._block(clip.seen_s[number])
        for arm in plain:
            decoded = self._through(arm, front)
            if decoded is not None:
                self._take(arm, decoded, front, block)
        for arm, frame in sent.items():
            if not frame.is_key:
                self._take(arm, frame.tensors, front, block)
        return has_objects

    def _send(self, trials: dict[Arm, StreamTrial], clip: Clip, front: _Front) -> dict[Arm, SentFrame]:
        """Send a frame through the streams; an arm whose codec cannot carry it is dropped."""
        sent = {}
        for arm, trial in tuple(trials.items()):
            self._pause(arm.codec)
            try:
                frame = trial.send(front.held[arm.point], CameraImage(front.image))
            except CodecError:
                self._drop(arm)
                del trials[arm]
                continue
            self._evidence(arm).send(frame.sent_bytes, is_key=frame.is_key, period_s=clip.period_s)
            sent[arm] = frame
        return sent

    def _through(self, arm: Arm, front: _Front) -> tuple[torch.Tensor, ...] | None:
        """Return what the edge would decode; None if the arm's codec cannot carry it."""
        self._pause(arm.codec)
        try:
            encoded = encode_alone(self._engine, arm, front.held[arm.point], front.image)
            decoded = self._engine.decode(arm.point, encoded)
        except CodecError:
            self._drop(arm)
            return None
        self._evidence(arm).send(sum(one.data.nbytes for one in encoded))
        return decoded

    def _take(self, arm: Arm, tensors: tuple[torch.Tensor, ...], front: _Front, block: int) -> None:
        """Compare the results of an arm with those of the whole network."""
        outputs = self._engine.partitioned.run_back(tensors, arm.point, self._before_step)
        self._pause("postprocess")
        assert front.whole is not None
        found = self._judge.detect(outputs, front.letterbox)
        self._evidence(arm).compare(self._judge.match(front.whole, found), block)

    def _evidence(self, arm: Arm) -> Evidence:
        return self._progress.evidence.setdefault(arm.name, Evidence())

    def _drop(self, arm: Arm) -> None:
        self._progress.dropped.add(arm.name)
        self._progress.evidence.pop(arm.name, None)

    def _before_step(self) -> None:
        self._pause("step")

    def _block(self, seen_s: float) -> int:
        """Return the number of the second in which a frame was seen, counted over all starts."""
        if self._begin_s is None:
            self._begin_s = seen_s
        return self._first_block + int(max(0.0, seen_s - self._begin_s))
