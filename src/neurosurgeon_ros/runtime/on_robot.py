# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's part of the network: front-ends, and the rest where the edge gives none, at the robot's speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from neurosurgeon_ros.runtime.engine import Calibration, Engine
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.race import Race

#: Images of one size that come one after the other before anything is made ready for them.
PATIENCE = 4

#: Times that a run with everything and one without what is left out are compared; the fastest of each count. Fewer tell
#: it to three percent of the network, these to one.
COMPARISONS = 6

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
        self._seconds: dict[tuple[int, ...], list[tuple[float, float]] | None] = {}

    def came(self, shape: tuple[int, ...]) -> None:
        """Take note of an image's shape, (height, width, 3)."""
        self._times = self._times + 1 if shape == self._shape else 1
        self._shape = shape

    def prepare(self) -> None:
        """
        Make ready what images of this size gain from, step by step.

        A step takes as long as some frames do, so that it is for moments in which none waits.
        """
        if self._times < PATIENCE:
            return
        if self._shape not in self._seconds:
            if len(self._seconds) >= MOST_SIZES:
                self._seconds.clear()
            self._seconds[self._shape] = [] if self._engine.make_ready(self._shape) else None
            return
        seconds = self._seconds[self._shape]
        if seconds is not None and len(seconds) < COMPARISONS:
            seconds.append(self._engine.time_whole(self._shape))

    def saved_s(self, calibration: Calibration) -> float:
        """Give the seconds of this computer by which whole networks now take less than was calibrated, from 0."""
        seconds = self._seconds.get(self._shape)
        if not seconds or len(seconds) < COMPARISONS:
            return 0.0
        share = min(trimmed for trimmed, _ in seconds) / min(whole for _, whole in seconds)
        return max(0.0, 1.0 - share) * float(calibration.front_s[-1])

    def front(self, x: torch.Tensor, p: int, keep: Sequence[int], calibration: Calibration) -> dict[int, Any]:
        """Run the front-end up to p, as :meth:`~neurosurgeon_ros.partition.PartitionedNetwork.run_front` does."""
        if p == self._engine.on_device and not keep:
            with self._pace.stage(float(calibration.front_s[p]) - self.saved_s(calibration)):
                return {p: self._engine.run_whole(x)}
        with self._pace.stage(float(calibration.front_s[p])):
            return self._engine.partitioned.run_front(x, p, keep=keep)

    def rest(
        self, held: Any, p: int, calibration: Calibration, then: Callable[[Any], T], race: Race | None = None
    ) -> T:
        """
        Run the rest of the network, and post-processing.

        :param held: what the front-end gave at p.
        :param then: post-processing, of the network's outputs.
        :param race: with the edge, which works on the same frame.
        :raises EdgeWasFirst: the race is lost.
        """
        before_step, wait = (None, None) if race is None else (race.look, race.wait)
        rest_s = float(calibration.front_s[-1] - calibration.front_s[p]) + calibration.postprocess_s
        if p == 0 and len(held) == 1:
            with self._pace.stage(rest_s - self.saved_s(calibration), wait):
                return then(self._engine.run_whole(held[0], before_step))
        with self._pace.stage(rest_s, wait):
            return then(self._engine.partitioned.run_back(held, p, before_step))
