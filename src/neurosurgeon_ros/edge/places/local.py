# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The edge's own process as the place where its back-ends run, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch

from neurosurgeon_ros.edge.places.place import Ran
from neurosurgeon_ros.inference.batching import ALONE, Batching
from neurosurgeon_ros.inference.engine import Engine


class LocalPlace:
    """
    Runs back-ends in the calling thread.

    :param batching: useful batches by fingerprint; a network that is missing here gets no batches.
    """

    workers = most_runs = lanes = 1
    trouble = ""
    where = "this process"

    def __init__(
        self, batching: Mapping[str, Batching] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batching = dict(batching or {})
        self._clock = clock

    def batching(self, fingerprint: str) -> Batching:
        """Return the useful batches of a network."""
        return self._batching.get(fingerprint, ALONE)

    def start(self) -> None:
        """Do nothing: there is nothing to start."""

    def stop(self) -> None:
        """Do nothing: there is nothing to free."""

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Do nothing: there is always one worker."""

    def run(self, engine: Engine, point: int, many: Sequence[Sequence[torch.Tensor]], within_s: float) -> Ran:
        """Run a back-end; see :class:`.place.Place`."""
        begin = self._clock()
        outputs = engine.run_back_together(many, point)
        return Ran(outputs, self._clock() - begin)

    def idle(self, engine: Engine) -> None:
        """Prepare optimisations of later runs."""
        engine.prepare()
