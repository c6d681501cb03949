# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The interface of a place where back-ends run.

A place is given decoded tensors, and gives raw outputs and durations. Validation, streams, admission and fairness stay
with the edge's server, and so does post-processing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from neurosurgeon_ros.inference.batching import Batching
from neurosurgeon_ros.inference.engine import Engine

#: Places, as values of the parameter `back_end`.
LOCAL, POOL, RAY = "local", "pool", "ray"
PLACES = (LOCAL, POOL, RAY)


class PlaceError(ValueError):
    """A place cannot be used; the message is one sentence that says what to do."""


class RunLost(Exception):
    """No worker could run a back-end in time, though the request is good; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Ran:
    """
    Result of a run.

    :param outputs: raw outputs of each request, on the CPU. They share no memory with later runs.
    :param compute_s: seconds that the back-end computed for all of them.
    :param waited_s: seconds of the run in which nothing was computed for them: transport, and waiting for a worker.
    """

    outputs: Sequence[Any]
    compute_s: float
    waited_s: float = 0.0


class Place(Protocol):
    """A place where back-ends run. Its owner starts it before a server uses it, and stops it afterwards."""

    @property
    def where(self) -> str:
        """Return where back-ends run, for the log."""

    def start(self) -> None:
        """
        Make back-ends warm, and wait until all workers are ready.

        :raises PlaceError: the place cannot be used; nothing of it is left then.
        """

    def stop(self) -> None:
        """Free the workers. No run may be under way."""

    @property
    def workers(self) -> int:
        """Return how many runs can compute at once now; 0: none can, and :attr:`trouble` says why."""

    @property
    def most_runs(self) -> int:
        """Return how many runs may be under way at once now; at least :attr:`workers`."""

    @property
    def lanes(self) -> int:
        """Return the maximum of :attr:`most_runs`, which never changes, ≥ 1."""

    @property
    def trouble(self) -> str:
        """Return why there is no worker, in words that follow a colon; empty if there is one."""

    def batching(self, fingerprint: str) -> Batching:
        """Return the useful batches of a network; a batch is given to :meth:`run` as a whole."""

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Call a function whenever the number of workers has changed, from any thread; None: no longer."""

    def run(self, engine: Engine, point: int, many: Sequence[Sequence[torch.Tensor]], within_s: float) -> Ran:
        """
        Run a back-end for one request or for several, and wait for the outputs. Any thread may call it.

        :param many: the tensors of each request, as decoded.
        :param within_s: seconds after which it is too late to begin; may be infinite.
        :raises RunLost: no worker could run it. Any other exception is an error of the back-end.
        """

    def idle(self, engine: Engine) -> None:
        """Use the time while no request waits, to prepare optimisations of later runs."""
