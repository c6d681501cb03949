# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What arms cost, and the limits of quantisation, from the first frames that a robot sees."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch

from neurosurgeon_ros.calibration.online.clip import Clip, Image
from neurosurgeon_ros.calibration.online.progress import Progress, Screened
from neurosurgeon_ros.calibration.stream_trial import StreamTrial
from neurosurgeon_ros.codecs import CameraImage, Codec, CodecError, EncodedTensor, get_codec
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine

#: Number of images of each of the first clips that give limits.
KEPT = 3


class Screening:
    """
    Measures arms on frames that judge nothing.

    :param progress: takes the results.
    :param pause: as in :class:`.online.OnlineCalibration`.
    """

    def __init__(self, engine: Engine, progress: Progress, pause: Callable[[str], None]) -> None:
        self._engine = engine
        self._progress = progress
        self._pause = pause
        self._inputs: list[torch.Tensor] = []

    def keep(self, clip: Clip) -> None:
        """Keep some images of a clip, as the network takes them, to find limits with."""
        for image in clip.images[:: max(1, len(clip.images) // KEPT)][:KEPT]:
            self._pause("preprocess")
            self._inputs.append(self._engine.model.preprocess(image)[0])
            self._progress.limit_images += 1

    def fit(self, point: int, name: str) -> CrossingLimits:
        """Find the limits of a codec at a partition point."""
        codec, specs = get_codec(name), self._engine.partitioned.points[point].tensors
        held = []
        for x in self._inputs:
            held.append(self._engine.partitioned.run_front(x, point, before_step=self._before_step)[point])
        self._pause("fit")
        return tuple(
            codec.fit([tensors[index] for tensors in held], spec) if codec.accepts(spec) else None
            for index, spec in enumerate(specs)
        )

    def screen(self, missing: Sequence[Arm], clip: Clip) -> None:
        """Measure some arms on the first two images of a clip; those whose codec cannot carry them are dropped."""
        progress = self._progress
        trials = {arm: StreamTrial(self._engine, arm) for arm in missing if arm.is_stream}
        measured: dict[str, list[Screened]] = defaultdict(list)
        points = sorted({arm.point for arm in missing})
        for image in clip.images[:2]:
            self._pause("preprocess")
            x, _ = self._engine.model.preprocess(image)
            held = self._engine.partitioned.run_front(x, points[-1], keep=points, before_step=self._before_step)
            for arm in missing:
                if arm.name in progress.dropped:
                    continue
                self._pause(arm.codec)
                try:
                    measured[arm.name].append(self._measure(arm, trials.get(arm), held[arm.point], image))
                except CodecError:
                    progress.dropped.add(arm.name)
        for arm in missing:
            of_arm = measured[arm.name]
            if arm.name not in progress.dropped:
                # The fastest counts, and of a codec with memory the bytes of the frame that is no key.
                progress.screened[arm.name] = Screened(
                    min(one.robot_s for one in of_arm), min(one.decode_s for one in of_arm), of_arm[-1].sent_bytes
                )

    def _measure(
        self, arm: Arm, trial: StreamTrial | None, tensors: tuple[torch.Tensor, ...], image: Image
    ) -> Screened:
        begin_s = time.perf_counter()
        if trial is not None:
            sent = trial.send(tensors, CameraImage(image))
            return Screened(time.perf_counter() - begin_s, 0.0, sent.sent_bytes)
        encoded = encode_alone(self._engine, arm, tensors, image)
        encoded_s = time.perf_counter()
        self._engine.decode(arm.point, encoded)
        return Screened(
            encoded_s - begin_s, time.perf_counter() - encoded_s, float(sum(one.data.nbytes for one in encoded))
        )

    def _before_step(self) -> None:
        self._pause("step")


def encode_alone(engine: Engine, arm: Arm, tensors: Sequence[torch.Tensor], image: Image) -> tuple[EncodedTensor, ...]:
    """Encode what an arm without memory sends; unlike the engine's method, this counts no tensors with NaN."""
    if arm.sends_image:
        return engine.encode_image(arm, CameraImage(image))
    specs = engine.partitioned.points[arm.point].tensors
    return tuple(
        carrier.encode(tensor, spec)
        for carrier, tensor, spec in zip(arm.carriers, tensors, specs, strict=True)
        if isinstance(carrier, Codec)
    )
