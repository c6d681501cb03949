# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Serve application of a network: how many replicas there are, and what each of them may use."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.handle import DeploymentHandle

from neurosurgeon_ros.edge.places.replica import DEPLOYMENT, Replica, ReplicaSettings

#: Number of requests under way for each replica that the autoscaler aims at: one runs, and little waits.
TARGET = 1.2

#: Seconds of load after which replicas are added, and of idleness after which they are removed.
UP_S, DOWN_S = 2.0, 60.0


def make_application(
    settings: ReplicaSettings, *, most_replicas: int, gpus: float, most_ongoing: int
) -> serve.Application:
    """
    Make the application of a network.

    :param most_replicas: maximum number of replicas; there is always one.
    :param gpus: number of GPUs of each replica; may be a fraction.
    :param most_ongoing: maximum number of requests that one replica takes at once.
    """
    # Replicas on this computer find what this process finds; on other computers, the folders do not exist.
    path = os.pathsep.join([*filter(None, sys.path), "${PYTHONPATH}"])
    options: dict[str, Any] = {
        "num_cpus": settings.threads,
        "num_gpus": gpus,
        "runtime_env": {"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": str(settings.threads)}},
    }
    deployment: Any = serve.deployment(
        Replica,
        name=DEPLOYMENT,
        ray_actor_options=options,
        max_ongoing_requests=most_ongoing,
        autoscaling_config=AutoscalingConfig(
            min_replicas=1,
            max_replicas=most_replicas,
            target_ongoing_requests=TARGET,
            upscale_delay_s=UP_S,
            downscale_delay_s=DOWN_S,
            metrics_interval_s=1.0,
            look_back_period_s=2.0,
        ),
        health_check_period_s=2.0,
        health_check_timeout_s=10.0,
        max_constructor_retry_count=1,
    )
    application: serve.Application = deployment.bind(settings)
    return application


def deploy(application: serve.Application, name: str, within_s: float) -> DeploymentHandle[Any] | None:
    """
    Deploy an application; return its handle, or None if no replica is ready in time because the cluster has no room.

    :raises Exception: what Ray raises if a replica does not start.
    """
    made: list[DeploymentHandle[Any]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            made.append(serve.run(application, name=name, route_prefix=None))
        except Exception as problem:
            failed.append(problem)

    thread = threading.Thread(target=run, name="edge ray deploys", daemon=True)
    thread.start()
    thread.join(within_s)
    if failed:
        raise failed[0]
    return made[0] if made else None
