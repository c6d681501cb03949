# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Make the place that the parameters of an edge ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.edge.places.local import LocalPlace
from neurosurgeon_ros.edge.places.place import LOCAL, POOL, RAY, Place
from neurosurgeon_ros.edge.places.pool import PoolPlace
from neurosurgeon_ros.edge.places.ray_cluster import require_ray
from neurosurgeon_ros.edge.places.ray_place import RayPlace
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.inference.batching import try_batches
from neurosurgeon_ros.inference.device import CPU
from neurosurgeon_ros.inference.engine import Engine


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """
    Where back-ends run; see the parameters of the edge.

    :param back_end: one of :data:`.place.PLACES`.
    :param workers: number of processes or replicas; 0: one for each core or GPU.
    :param threads: number of torch threads of each worker; 0: all cores, divided among the workers.
    :param max_batch: largest batch.
    :param ray_address: address of the Ray cluster's head; empty: the cluster that runs on this computer.
    :param ray_gpus: number of GPUs of each replica on the Ray cluster; may be a fraction.
    """

    back_end: str = LOCAL
    workers: int = 0
    threads: int = 0
    max_batch: int = 1
    ray_address: str = ""
    ray_gpus: float = 0.0

    @property
    def gateway_threads(self) -> int:
        """Return the number of torch threads with which the edge itself decodes tensors."""
        return self.threads if self.back_end == LOCAL else 1


def load_engine(source: NetworkSource, settings: PlaceSettings) -> Engine:
    """
    Load the network for an edge, which computes nothing with it unless back-ends run in its process.

    :raises ValueError: it cannot be loaded, or what the place needs is not installed; the message is one sentence.
    """
    if settings.back_end == RAY:
        require_ray()
    return source.load() if settings.back_end == LOCAL else source.load(device=CPU)


def make_place(
    engine: Engine, source: NetworkSource, settings: PlaceSettings, *, on_problem: Callable[[str], None]
) -> Place:
    """
    Make a place and start it: its back-ends are warm.

    :param on_problem: called with one sentence whenever a worker is lost, from any thread.
    :raises PlaceError: it cannot be used; the message is one sentence.
    """
    place: Place
    if settings.back_end == POOL:
        place = PoolPlace(
            engine,
            source,
            workers=settings.workers,
            threads=settings.threads,
            max_batch=settings.max_batch,
            on_problem=on_problem,
        )
    elif settings.back_end == RAY:
        place = RayPlace(
            engine,
            source,
            address=settings.ray_address,
            workers=settings.workers,
            threads=settings.threads,
            gpus=settings.ray_gpus,
            max_batch=settings.max_batch,
            on_problem=on_problem,
        )
    else:
        engine.warm_up()
        batching = try_batches(engine, largest=settings.max_batch, threads=settings.threads)
        place = LocalPlace({engine.fingerprint: batching})
    place.start()
    return place
