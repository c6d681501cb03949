# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes a stage in its own ROS domain."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.cli.demo.domain import private_domain


@contextlib.contextmanager
def make_stage(
    *,
    logs: Path,
    seed: int,
    deadline_s: float = 0.25,
    period_s: float = 0.1,
    parameters: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    robot_parameters: Mapping[str, object] | None = None,
    edge_parameters: Mapping[str, object] | None = None,
    robots: Sequence[str] = ("robot_node",),
) -> Iterator[Stage]:
    """Yield a stage in its own ROS domain; the caller starts robot and edge."""
    logs.mkdir(parents=True, exist_ok=True)
    with private_domain() as domain:
        before = dict(os.environ)
        os.environ.update({**domain, "ROS_LOG_DIR": str(logs / "ros")})
        stage = Stage(
            logs=logs,
            seed=seed,
            deadline_s=deadline_s,
            period_s=period_s,
            parameters=parameters,
            environment={**(environment or {}), **domain, "ROS_LOG_DIR": str(logs / "ros")},
            robot_parameters=robot_parameters,
            edge_parameters=edge_parameters,
            robots=robots,
        )
        try:
            yield stage
        finally:
            stage.close()
            os.environ.clear()
            os.environ.update(before)
