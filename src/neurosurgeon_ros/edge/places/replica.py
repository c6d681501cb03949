# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What runs on a Ray cluster: replicas that have a network warm, in a Serve application for each network.

A replica that cannot serve its edge says why when it is asked, instead of failing to start. Import this only where Ray
is installed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import torch
from ray import serve
from torch.utils import _pytree as pytree

from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_arrays import Packed, pack, unpack
from neurosurgeon_ros.inference.batching import ALONE, try_batches
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import use_threads

#: Name of the deployment within each application.
DEPLOYMENT = "Replica"


@dataclass(frozen=True, slots=True)
class Job:
    """A request: a partition point and the tensors that cross there."""

    point: int
    tensors: Sequence[Packed]


@dataclass(frozen=True, slots=True)
class Result:
    """
    The answer to a job.

    :param leaves: the values of the outputs; their structure is that of the network's outputs.
    :param compute_s: seconds that the back-end takes for this request alone.
    :param error: what the back-end raised; empty if it ran.
    :param problem: why this replica cannot serve the edge, in one sentence; empty if it can.
    """

    leaves: Sequence[Packed] = ()
    compute_s: float = 0.0
    error: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """
    What all replicas of an application have in common.

    :param fingerprint: fingerprint of the network, as the edge has it.
    :param torch_version: version of torch that the edge has; another one may round differently.
    :param threads: number of torch threads.
    :param max_batch: maximum number of requests in a batch.
    """

    source: NetworkSource
    fingerprint: str
    torch_version: str
    threads: int
    max_batch: int


class Replica:
    """A process of the cluster that runs back-ends of one network, in one thread."""

    def __init__(self, settings: ReplicaSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1)
        self._engine: Engine | None = None
        self._batching = ALONE
        self._problem = ""
        self._together.set_max_batch_size(settings.max_batch)
        self._thread.submit(self._prepare).result()

    def _prepare(self) -> None:
        settings = self._settings
        use_threads(settings.threads)
        if _release(torch.__version__) != _release(settings.torch_version):
            self._problem = (
                f"replicas run torch {torch.__version__}, the edge runs {settings.torch_version}: install the same "
                "version on all computers of the cluster"
            )
            return
        try:
            engine = settings.source.load()
        except ValueError as problem:
            self._problem = f"a computer of the cluster cannot load the network: {problem}"
            return
        if engine.fingerprint != settings.fingerprint:
            self._problem = (
                f"replicas have model {engine.fingerprint[:12]}, the edge has {settings.fingerprint[:12]}: give all "
                "computers of the cluster the same model and weights"
            )
            return
        engine.warm_up()
        self._batching = try_batches(engine, largest=settings.max_batch, threads=settings.threads)
        self._engine = engine

    async def about(self) -> dict[str, Any]:
        """Return why this replica cannot serve its edge, empty if it can, and its settings."""
        return {"problem": self._problem, "settings": asdict(self._settings)}

    async def run(self, job: Job) -> Result:
        """Run the back-end for a request, in a batch with others that wait."""
        result: Result = await self._together(job)
        return result

    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0.0)  # type: ignore[untyped-decorator]
    async def _together(self, jobs: list[Job]) -> list[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run_all, jobs)

    def _run_all(self, jobs: Sequence[Job]) -> list[Result]:
        """Run jobs; those with the same partition point share runs where that is faster."""
        if self._engine is None:
            return [Result(problem=self._problem)] * len(jobs)
        results: dict[int, Result] = {}
        with torch.inference_mode():
            for point in dict.fromkeys(job.point for job in jobs):
                alike = [index for index, job in enumerate(jobs) if job.point == point]
                for size in self._batching.split(point, len(alike)):
                    chosen, alike = alike[:size], alike[size:]
                    results |= zip(chosen, self._run(self._engine, point, [jobs[i] for i in chosen]), strict=True)
        return [results[index] for index in range(len(jobs))]

    def _run(self, engine: Engine, point: int, jobs: Sequence[Job]) -> list[Result]:
        try:
            many = [[unpack(tensor) for tensor in job.tensors] for job in jobs]
            begin = time.perf_counter()
            made = engine.run_back_together(many, point)
            compute_s = self._batching.alone_s(point, len(jobs), time.perf_counter() - begin)
            return [Result([pack(leaf) for leaf in pytree.tree_leaves(one)], compute_s) for one in made]
        except Exception as problem:  # one request must not stop the others
            if len(jobs) > 1:
                return [result for job in jobs for result in self._run(engine, point, [job])]
            return [Result(error=f"{type(problem).__name__}: {problem}")]


def _release(version: str) -> str:
    """Return a version without its build."""
    return version.split("+")[0]
