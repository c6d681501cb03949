# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster as the place where back-ends run: a Serve application for each network, and replicas as needed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.edge.places.place import PlaceError, Ran, RunLost
from neurosurgeon_ros.edge.places.pool_process import BackEndFailed
from neurosurgeon_ros.edge.places.ray_cluster import connect, disconnect, one_line, require_ray
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_arrays import pack, unpack
from neurosurgeon_ros.inference.batching import ALONE, Batching
from neurosurgeon_ros.inference.engine import Engine

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from neurosurgeon_ros.edge.places.replica import ReplicaSettings

#: A request is given to at most this many replicas.
TRIES = 3

#: A replica that has not answered for this many seconds is given up.
STUCK_S = 30.0

#: A replica always has this many seconds to answer.
LEAST_S = 0.5

#: Maximum seconds until the first replica is ready.
START_S = 120.0

#: Seconds between looks at the number of replicas.
LOOK_PERIOD_S = 1.0

#: Maximum number of requests that an edge has under way on the cluster.
MOST_LANES = 256


class RayPlace:
    """
    Runs back-ends on a Ray cluster. This computer must be a node of it.

    A request whose replica ends is given to another one. The application stays when the edge stops.

    :param engine: the network, as the edge has it.
    :param source: where replicas find the network.
    :param address: address of the cluster's head; empty: the cluster that runs on this computer.
    :param workers: maximum number of replicas; 0: as many as the cluster's cores or GPUs allow.
    :param threads: number of torch threads, and of the cluster's cores, of each replica; 0: one.
    :param gpus: number of the cluster's GPUs for each replica; may be a fraction.
    :param max_batch: maximum number of requests in a batch, where a batch is faster.
    :param on_problem: called with one sentence when there is no replica any more.
    :param torch_version: version of torch that replicas must have.
    """

    trouble = "the Ray application has no replica that is ready"

    def __init__(
        self,
        engine: Engine,
        source: NetworkSource,
        *,
        address: str = "",
        workers: int = 0,
        threads: int = 0,
        gpus: float = 0.0,
        max_batch: int = 1,
        on_problem: Callable[[str], None],
        torch_version: str = torch.__version__,
    ) -> None:
        require_ray()
        self._engine = engine
        self._source = source
        self._address = address
        self._threads = threads or 1
        self._gpus = gpus
        self._max_batch = max_batch
        self._on_problem = on_problem
        self._torch_version = torch_version
        self._depth = max(2, max_batch)
        self._most_replicas = workers
        self._replicas = 0
        self._changed: Callable[[], None] | None = None
        self._stopping = threading.Event()
        self._structure = pytree.tree_structure(None)
        self._handle: DeploymentHandle[Any] | None = None
        self._looker = threading.Thread(target=self._look, name="edge ray", daemon=True)

    @property
    def application(self) -> str:
        """Return the name of the network's Serve application."""
        return f"neurosurgeon_{self._engine.fingerprint[:12]}"

    @property
    def where(self) -> str:
        """Return where back-ends run, for the log."""
        return f"up to {self._most_replicas} replicas of {self.application} on the Ray cluster at {self._cluster}"

    @property
    def _cluster(self) -> str:
        return self._address or "this computer"

    @property
    def workers(self) -> int:
        """Return the number of replicas that are ready."""
        return self._replicas

    @property
    def most_runs(self) -> int:
        """Return how many requests may be under way: one more than runs for each replica, so that none has to wait."""
        return min(self.lanes, self._depth * self._replicas)

    @property
    def lanes(self) -> int:
        """Return the maximum number of requests under way."""
        return min(MOST_LANES, self._depth * max(1, self._most_replicas))

    def batching(self, fingerprint: str) -> Batching:
        """Return no batches: requests share runs at the replicas, those of other edges, too."""
        return ALONE

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Call a function whenever the number of replicas has changed."""
        self._changed = changed

    def idle(self, engine: Engine) -> None:
        """Do nothing."""

    def start(self) -> None:
        """
        Connect to the cluster, deploy the application if it is not there, and wait until a replica is ready.

        :raises PlaceError: the cluster cannot be used.
        """
        with torch.inference_mode():
            self._structure = pytree.tree_structure(self._engine.run_whole(self._engine.model.example_input))
        connect(self._address)
        try:
            self._deploy()
            self._replicas = max(1, self._count())
        except PlaceError:
            self._leave()
            raise
        except Exception as problem:
            self._leave()
            raise PlaceError(
                f"the Ray cluster at {self._cluster} cannot run {self.application}: {one_line(problem)}"
            ) from None
        self._looker.start()

    def stop(self) -> None:
        """Disconnect from the cluster; the application stays warm."""
        self._stopping.set()
        self._looker.join()
        self._leave()

    def _leave(self) -> None:
        """Disconnect from the cluster, and end the thread that sends requests there."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.shutdown()
        disconnect()

    def _settings(self) -> ReplicaSettings:
        from neurosurgeon_ros.edge.places.replica import ReplicaSettings

        return ReplicaSettings(
            self._source,
            fingerprint=self._engine.fingerprint,
            torch_version=self._torch_version,
            threads=self._threads,
            max_batch=self._max_batch,
        )

    def _deploy(self) -> None:
        import ray
        from ray import serve

        from neurosurgeon_ros.edge.places.ray_application import deploy, make_application

        if not self._most_replicas:
            have = ray.cluster_resources()
            number = have.get("GPU", 0.0) / self._gpus if self._gpus else have.get("CPU", 1.0) / self._threads
            self._most_replicas = max(1, math.floor(number + 1e-9))
        settings = self._settings()
        handle = self._handle = self._running()
        if handle is None or self._ask(handle)["settings"] != asdict(settings):
            if handle is not None:
                handle.shutdown()
            serve.start(proxy_location="Disabled")
            application = make_application(
                settings, most_replicas=self._most_replicas, gpus=self._gpus, most_ongoing=self._depth
            )
            handle = self._handle = deploy(application, self.application, START_S)
        if handle is None:
            raise PlaceError(
                f"the Ray cluster at {self._cluster} has no replica of {self.application} ready after {START_S:.0f} s: "
                f"each needs {self._threads} free cores and {self._gpus:g} GPUs, see `neurosurgeon cluster status`"
            )
        problem = self._ask(handle)["problem"]
        if problem:
            raise PlaceError(f"the Ray cluster at {self._cluster} cannot run {self.application}: {problem}")

    def _running(self) -> DeploymentHandle[Any] | None:
        """Return the application, if it runs already."""
        from ray import serve

        known = serve.status().applications.get(self.application)
        if known is None or known.status not in ("RUNNING", "DEPLOYING"):
            return None
        return serve.get_app_handle(self.application)

    def _ask(self, handle: DeploymentHandle[Any]) -> dict[str, Any]:
        about: dict[str, Any] = handle.about.remote().result(timeout_s=START_S)
        return about

    def _count(self) -> int:
        """Return the number of replicas that are ready."""
        from ray import serve

        known = serve.status().applications.get(self.application)
        deployments = [] if known is None else list(known.deployments.values())
        return sum(one.replica_states.get("RUNNING", 0) for one in deployments)

    def _look(self) -> None:
        """Follow the number of replicas."""
        while not self._stopping.wait(LOOK_PERIOD_S):
            try:
                replicas, why = self._count(), "they ended and are being started again"
            except Exception as problem:
                replicas, why = 0, one_line(problem)
            if replicas == self._replicas:
                continue
            self._replicas = replicas
            if not replicas:
                self._on_problem(f"the Ray cluster at {self._cluster} has no replica of {self.application}: {why}")
            changed = self._changed
            if changed is not None:
                changed()

    def run(self, engine: Engine, point: int, many: Sequence[Sequence[torch.Tensor]], within_s: float) -> Ran:
        """Run a back-end at a replica, and again at another one if the replica ends; see :class:`.place.Place`."""
        begin = time.monotonic()
        outputs, compute_s = [], 0.0
        for tensors in many:
            output, seconds = self._run(point, tensors, begin + within_s)
            outputs.append(output)
            compute_s += seconds
        return Ran(outputs, compute_s, time.monotonic() - begin - compute_s)

    def _run(self, point: int, tensors: Sequence[torch.Tensor], until_s: float) -> tuple[Any, float]:
        from neurosurgeon_ros.edge.places.replica import Job, Result

        handle = self._handle
        if handle is None:
            raise RunLost("the edge has left the Ray cluster")
        job, why = Job(point, [pack(tensor) for tensor in tensors]), ""
        for turn in range(TRIES):
            left_s = until_s - time.monotonic()
            if turn and left_s <= 0.0:
                break
            response = handle.run.remote(job)
            try:
                result: Result = response.result(timeout_s=min(STUCK_S, max(LEAST_S, left_s)))
            except TimeoutError:
                response.cancel()
                why = "it did not answer in time"
                break
            except Exception as problem:  # the replica, its computer, or the cluster is gone
                why = type(problem).__name__
                continue
            if result.problem:
                why = result.problem
                continue
            if result.error:
                raise BackEndFailed(result.error)
            return pytree.tree_unflatten([unpack(leaf) for leaf in result.leaves], self._structure), result.compute_s
        raise RunLost(f"a replica on the Ray cluster was lost, and no other one answers in time ({why})")
