# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Inference on the robot: front-ends, the rest after them, and the whole network without an image's padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.robot.uplink.hedge import Hedge

#: Number of consecutive images of one size before anything is prepared for that size.
IMAGES_BEFORE_PREPARING = 4

#: Number of runs with and without the padding to compare; the fastest of each counts. This many runs measure the
#: saving to within one percent of the network's time, fewer runs to within three percent.
COMPARISONS = 6

#: Maximum number of image sizes whose savings are remembered.
MOST_SIZES = 64

T = TypeVar("T")


class LocalInference:
    """
    Runs parts of a network for images of the camera's size. Use from one thread only.

    :param throttle: throttle of the emulated robot.
    """

    def __init__(self, engine: Engine, throttle: Throttle) -> None:
        self._engine = engine
        self._throttle = throttle
        self._shape: tuple[int, ...] = ()
        self._in_a_row = 0
        self._compared: dict[tuple[int, ...], list[tuple[float, float]] | None] = {}

    def record_image(self, shape: tuple[int, ...]) -> None:
        """Record the shape of a frame's image, (height, width, 3)."""
        self._in_a_row = self._in_a_row + 1 if shape == self._shape else 1
        self._shape = shape

    def prepare(self) -> None:
        """
        Prepare for images of the newest size, one step per call.

        A step takes as long as several frames, so call this only when no frame waits.
        """
        if self._in_a_row < IMAGES_BEFORE_PREPARING:
            return
        if self._shape not in self._compared:
            if len(self._compared) >= MOST_SIZES:
                self._compared.clear()
            self._compared[self._shape] = [] if self._engine.eliminate_padding(self._shape) else None
            return
        compared = self._compared[self._shape]
        if compared is not None and len(compared) < COMPARISONS:
            compared.append(self._engine.compare_padding(self._shape))

    def padding_saving_s(self, profile: DelayProfile) -> float:
        """Return the seconds that whole networks now save on this computer compared to the profile, at least 0."""
        compared = self._compared.get(self._shape)
        if not compared or len(compared) < COMPARISONS:
            return 0.0
        share = min(without for without, _ in compared) / min(whole for _, whole in compared)
        return max(0.0, 1.0 - share) * float(profile.front_s[-1])

    def kept(self, points: Sequence[int], p: int, profile: DelayProfile) -> Sequence[int]:
        """Return the points whose tensors a run up to p can keep at no cost: none if it skips the image's padding."""
        return [] if p == self._engine.on_device and self.padding_saving_s(profile) > 0.0 else points

    def run_front(self, x: torch.Tensor, p: int, keep: Sequence[int], profile: DelayProfile) -> dict[int, Any]:
        """Run the front-end up to p, as :meth:`~neurosurgeon_ros.partition.PartitionedNetwork.run_front` does."""
        if p == self._engine.on_device and not keep:
            with self._throttle.stage(float(profile.front_s[p]) - self.padding_saving_s(profile)):
                return {p: self._engine.run_whole(x)}
        with self._throttle.stage(float(profile.front_s[p])):
            return self._engine.partitioned.run_front(x, p, keep=keep)

    def run_rest(
        self, tensors: Any, p: int, profile: DelayProfile, then: Callable[[Any], T], hedge: Hedge | None = None
    ) -> T:
        """
        Run the rest of the network and post-processing.

        :param tensors: the front-end's tensors at p.
        :param then: post-processing of the network's outputs.
        :param hedge: stops the run once the edge has answered.
        :raises EdgeAnsweredFirst: if the edge has answered.
        """
        before_step, wait = (None, None) if hedge is None else (hedge.check, hedge.wait)
        rest_s = float(profile.front_s[-1] - profile.front_s[p]) + profile.postprocess_s
        if p == 0 and len(tensors) == 1:
            with self._throttle.stage(rest_s - self.padding_saving_s(profile), wait):
                return then(self._engine.run_whole(tensors[0], before_step))
        with self._throttle.stage(rest_s, wait):
            return then(self._engine.partitioned.run_back(tensors, p, before_step))
