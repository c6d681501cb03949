# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's part of the network: front-ends, and the rest where the edge gives none, at the robot's speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from neurosurgeon_ros.runtime.engine import Calibration, Engine
from neurosurgeon_ros.runtime.pace import Pace

#: Images of one size that come one after the other before anything is made ready for them.
PATIENCE = 4

#: Sizes of images of which it is remembered what they save.
MOST_SIZES = 64

T = TypeVar("T")


class OnRobot:
    """
    Runs parts of a network for images of the camera's size. For one thread.

    Whole networks leave out what images of that size do not reach, once that was made ready.

    :param pace: of the emulated robot.
    """

    def __init__(self, engine: Engine, pace: Pace) -> None:
        self._engine = engine
        self._pace = pace
        self._shape: tuple[int, ...] = ()
        self._times = 0
        self._whole_s: dict[tuple[int, ...], float | None] = {}

    def came(self, shape: tuple[int, ...]) -> None:
        """Take note of an image's shape, (height, width, 3)."""
        self._times = self._times + 1 if shape == self._shape else 1
        self._shape = shape

    def prepare(self) -> None:
        """Make ready what images of this size gain from; it takes some frames' time, so while none waits."""
        if self._times < PATIENCE or self._shape in self._whole_s:
            return
        if len(self._whole_s) >= MOST_SIZES:
            self._whole_s.clear()
        self._whole_s[self._shape] = self._engine.make_ready(self._shape)

    def saved_s(self, calibration: Calibration) -> float:
        """Give the seconds of this computer by which whole networks now take less than was calibrated, from 0."""
        whole_s = self._whole_s.get(self._shape)
        return 0.0 if whole_s is None else max(0.0, float(calibration.front_s[-1]) - whole_s)

    def front(self, x: torch.Tensor, p: int, keep: Sequence[int], calibration: Calibration) -> dict[int, Any]:
        """Run the front-end up to p, as :meth:`~neurosurgeon_ros.partition.PartitionedNetwork.run_front` does."""
        if p == self._engine.on_device and not keep:
            with self._pace.stage(float(calibration.front_s[p]) - self.saved_s(calibration)):
                return {p: self._engine.run_whole(x)}
        with self._pace.stage(float(calibration.front_s[p])):
            return self._engine.partitioned.run_front(x, p, keep=keep)

    def rest(self, held: Any, p: int, calibration: Calibration, then: Callable[[Any], T]) -> T:
        """
        Run the rest of the network, and post-processing.

        :param held: what the front-end gave at p.
        :param then: post-processing, of the network's outputs.
        """
        rest_s = float(calibration.front_s[-1] - calibration.front_s[p]) + calibration.postprocess_s
        if p == 0 and len(held) == 1:
            with self._pace.stage(rest_s - self.saved_s(calibration)):
                return then(self._engine.run_whole(held[0]))
        with self._pace.stage(rest_s):
            return then(self._engine.partitioned.run_back(held, p))
