# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of edge_node."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.edge.places.making import PlaceSettings
from neurosurgeon_ros.edge.places.place import LOCAL, PLACES
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.shares import EQUAL, WEIGHTS
from neurosurgeon_ros.inference.device import AUTO, DEVICES
from neurosurgeon_ros.models import MODELS, OWN_MODEL
from neurosurgeon_ros.ros.parameters import parameter
from neurosurgeon_ros.ros.process.dds import DDS_TRANSPORTS, Transport


@dataclass(frozen=True, slots=True)
class EdgeParameters:
    """Parameters of edge_node."""

    model: str = parameter("yolov3_tiny", "network to serve", choices=MODELS, otherwise=OWN_MODEL)
    weights: str = parameter("", "weights file; empty: the one in the cache folder")
    random_weights: bool = parameter(
        False, "use random weights, where only delays matter; must be the same on robot and edge"
    )
    labels: str = parameter(
        "",
        "file with the names of the classes: YAML with `names`, or one in each line; empty: the network's own; must be "
        "the same on robot and edge",
    )
    edge_namespace: str = parameter(
        "/neurosurgeon", "namespace of the topics between robot and edge; must be the same on both", namespace=True
    )
    edge_id: str = parameter("", "id of this edge; empty: host name and node name")
    own_topics: bool = parameter(
        False,
        "take requests and answer on topics of this edge, below its id; set it for all edges of a namespace but one",
    )
    max_queue: int = parameter(8, "maximum number of requests that wait; more are refused", low=1, high=1024)
    max_batch: int = parameter(
        4,
        "maximum number of requests in a batch, where a batch is faster; 1: no batches",
        low=1,
        high=64,
    )
    max_robots: int = parameter(16, "maximum number of robots that are served at once", low=1, high=64)
    robot_weights: tuple[str, ...] = parameter(
        (EQUAL,),
        "weights of robots that contend for the back-end: each gets its weight's share of the seconds; a robot that is "
        "not named has weight 1",
        choices=(EQUAL,),
        otherwise=WEIGHTS,
    )
    max_request_bytes: int = parameter(
        33554432, "maximum size of a request; larger ones are refused unread", low=65536, high=2**28
    )
    max_request_rate: float = parameter(
        200.0, "maximum number of requests per second of one robot; more are refused", unit="1/s", low=1.0, high=1e6
    )
    stream_memory_mib: int = parameter(
        256,
        "maximum memory of what the edge holds for codecs with memory; the stream that was not used for the longest "
        "time is dropped first",
        unit="MiB",
        low=1,
        high=65536,
    )
    back_end: str = parameter(
        LOCAL,
        "where back-ends run: `local` in the edge's process, `pool` in several processes on this computer, `ray` on a "
        "Ray cluster",
        choices=PLACES,
    )
    back_end_workers: int = parameter(
        0,
        "number of processes of the pool, or maximum number of replicas on Ray; 0: one per GPU if they use one, else "
        "one per core",
        low=0,
        high=256,
    )
    ray_address: str = parameter(
        "", "address of the Ray cluster's head, HOST:PORT; empty: the cluster that runs on this computer"
    )
    ray_gpus: float = parameter(
        0.0, "GPUs of each replica on the Ray cluster; 0.25: four replicas share one", low=0.0, high=16.0
    )
    threads: int = parameter(
        0,
        "threads of a back-end; 0: one per core, divided among the processes of the pool; on Ray: 1",
        low=0,
        high=256,
    )
    device: str = parameter(
        AUTO, "device of the back-ends; `auto`: a GPU if torch finds one, else the CPU", choices=DEVICES
    )
    half: bool = parameter(False, "compute in fp16 on a GPU: faster, and slightly less exact")
    transport: str = parameter(
        Transport.AUTO.value,
        "transport between processes on one machine; `auto`: shared memory where both can use it, else UDP",
        choices=DDS_TRANSPORTS,
    )
    autostart: bool = parameter(True, "configure and activate the node at start, without a lifecycle manager")
    bond_heartbeat_period: float = parameter(
        0.1,
        "time between two heartbeats for nav2's lifecycle manager, if `autostart` is false and the package bond is "
        "installed; 0: no bond",
        unit="s",
        low=0.0,
        high=1.0,
    )

    @property
    def source(self) -> NetworkSource:
        """Return where the network comes from."""
        return NetworkSource(
            self.model,
            weights=self.weights,
            random_weights=self.random_weights,
            labels=self.labels,
            device=self.device,
            half=self.half,
        )

    @property
    def place(self) -> PlaceSettings:
        """Return where back-ends run."""
        return PlaceSettings(
            self.back_end,
            workers=self.back_end_workers,
            threads=self.threads,
            max_batch=self.max_batch,
            ray_address=self.ray_address,
            ray_gpus=self.ray_gpus,
        )

    def base(self, edge_id: str) -> str:
        """Return the namespace of requests and answers."""
        return f"{self.edge_namespace}/{edge_id}" if self.own_topics else self.edge_namespace
