# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One network made ready to run: loaded, cut, warmed up, and measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import Codec, get_codec
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models import Letterbox, Model, load_model
from neurosurgeon_ros.partition import PartitionedNetwork, partition, profile

#: Shape of the image that calibration measures with: a customary camera's.
CAMERA_SHAPE = (480, 640, 3)

#: Seconds for which the network is profiled at least.
PROFILE_S = 1.0


@dataclass(frozen=True, slots=True)
class Arm:
    """
    A partition point with a codec.

    :param point: p.
    :param codec: registered name; empty for `on_device`.
    :param name: "point/codec", or `on_device`.
    """

    point: int
    codec: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """
    What each step takes on this machine with nothing else to do; seconds.

    :param preprocess_s: key-frame score, and image to input tensor.
    :param front_s: front-end up to each p, shape (P + 1,); front_s[0] = 0, front_s[P] is the whole network.
    :param encode_s: of each arm; 0 for `on_device`.
    :param decode_s: of each arm; 0 for `on_device`.
    :param postprocess_s: raw outputs to detections.
    """

    preprocess_s: float
    front_s: FloatArray
    encode_s: FloatArray
    decode_s: FloatArray
    postprocess_s: float


class Engine:
    """
    A model with its partition points.

    :param model: the network with its pre- and post-processing.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.partitioned: PartitionedNetwork = partition(model.network, model.example_input)

    @classmethod
    def load(cls, name: str, *, weights: Path | None = None) -> Engine:
        """
        Load a registered model.

        :param weights: its weights file; None for the one in the cache folder.
        :raises ValueError: if there is no such model, or its weights are missing or not what they should be.
        """
        return cls(load_model(name, weights=weights))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of graph and weights."""
        return self.partitioned.fingerprint

    @property
    def on_device(self) -> int:
        """Partition point P."""
        return len(self.partitioned.points) - 1

    def arms(self, codecs: Sequence[str]) -> tuple[Arm, ...]:
        """
        Every partition point with every codec that can carry all its tensors, then `on_device`.

        :raises ValueError: if a codec is not registered.
        """
        chosen = [get_codec(name) for name in codecs]
        points = self.partitioned.points[: self.on_device]
        arms = [
            Arm(point.index, codec.name, f"{point.name}/{codec.name}")
            for point in points
            for codec in chosen
            if all(codec.accepts(spec) for spec in point.tensors)
        ]
        return (*arms, Arm(self.on_device, "", self.partitioned.points[self.on_device].name))

    def warm_up(self) -> None:
        """Run both halves of every cut once, so that no frame pays for a first time."""
        x = self.model.example_input
        with torch.inference_mode():
            for point in self.partitioned.points[: self.on_device]:
                self.partitioned.run_back(self.partitioned.run_front(x, point.index)[point.index], point.index)

    def calibrate(self, arms: Sequence[Arm], *, repeats: int = 7) -> Calibration:
        """
        Measure every step on this machine; the fastest of `repeats`, which nothing else was in the way of.

        Torch's thread count is the calling thread's: it has to be the one that frames run with.
        """
        image = np.random.default_rng(0).integers(0, 256, CAMERA_SHAPE, dtype=np.uint8)
        with torch.inference_mode():
            x, letterbox = self.model.preprocess(image)
            front_s = self._front_seconds(x, repeats)
            outputs = self.partitioned.run_whole(x)
            fronts = self.partitioned.run_front(x, self.on_device - 1, keep=range(self.on_device - 1))
            encode_s, decode_s = np.zeros(len(arms)), np.zeros(len(arms))
            for index, arm in enumerate(arms):
                if arm.codec:
                    encode_s[index], decode_s[index] = self._codec_seconds(arm, fronts[arm.point], repeats)
            key_frames = KeyFrameDetector()
            return Calibration(
                preprocess_s=_least_seconds(lambda: (key_frames.score(image), self.model.preprocess(image)), repeats),
                front_s=front_s,
                encode_s=encode_s,
                decode_s=decode_s,
                postprocess_s=_least_seconds(lambda: self._postprocess(outputs, letterbox), repeats),
            )

    def _front_seconds(self, x: torch.Tensor, repeats: int) -> FloatArray:
        """Profile again and again for a while, since other processes come and go; the fastest pass counts."""
        end = time.perf_counter() + PROFILE_S
        front_s = profile(self.partitioned, x, repeats=repeats, warmup=2).front_s
        while time.perf_counter() < end:
            front_s = np.minimum(front_s, profile(self.partitioned, x, repeats=1, warmup=0).front_s)
        return front_s

    def _codec_seconds(self, arm: Arm, tensors: Sequence[torch.Tensor], repeats: int) -> tuple[float, float]:
        codec: Codec = get_codec(arm.codec)
        specs = self.partitioned.points[arm.point].tensors
        encoded = [codec.encode(tensor, spec) for tensor, spec in zip(tensors, specs, strict=True)]
        return (
            _least_seconds(lambda: [codec.encode(t, s) for t, s in zip(tensors, specs, strict=True)], repeats),
            _least_seconds(lambda: [codec.decode(e, s) for e, s in zip(encoded, specs, strict=True)], repeats),
        )

    def _postprocess(self, outputs: object, letterbox: Letterbox) -> None:
        self.model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45)


def _least_seconds(step: Callable[[], object], repeats: int) -> float:
    seconds: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


Image = NDArray[np.uint8]
