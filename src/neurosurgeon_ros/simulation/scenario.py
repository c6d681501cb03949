# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios that can be sent to another process, and a runner for many of them on all cores."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.arms.environment import codec_environment
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.environment import (
    GAUSS,
    Environment,
    Noise,
    linear_environment,
    measured_environment,
)
from neurosurgeon_ros.simulation.policies import simulated_policy
from neurosurgeon_ros.simulation.processes import ConstantLoad, Link, Load, StepLoad
from neurosurgeon_ros.simulation.simulate import Run, simulate
from neurosurgeon_ros.simulation.table import NetworkTable, network


@dataclass(frozen=True, slots=True)
class Measured:
    """
    Parameters of truth `measured`; see :func:`measured_environment`.

    :param round_trip_s: seconds that an empty message takes to the edge and back.
    :param fragment_factor: cost of a byte in messages above 64 kB, relative to smaller messages.
    """

    round_trip_s: float
    fragment_factor: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    All parameters of an environment.

    :param network: name of a shipped network, or the table of a network. With a codec table, the arms are those that
        the robot would have, instead of one per partition point with fp32 tensors.
    :param link: process of the uplink's rate.
    :param robot_gmacs: the robot's speed in 10^9 multiply-accumulates per second.
    :param edge_gmacs: the edge's speed in the same unit.
    :param load: process of the edge's load.
    :param noise: noise of the observed durations.
    :param frames: number of frames.
    :param measured: parameters of truth `measured`; None for truth `linear`. A codec table has only `linear`.
    :param seed: seed of all random numbers.
    :param throttle: factor on the robot's stages, which the robot does not know in advance.
    :param deadline_s: seconds after which the robot finishes a frame itself; infinity as in :class:`Environment`.
    :param row_s: seconds for which each rate of the link holds; None: a rate holds for one frame, however long it
        takes.
    :param rows: number of rates to draw if `row_s` is given; the last rate above 0 stays. 0: one rate for each frame.
    """

    network: str | NetworkTable | CodecTable
    link: Link
    robot_gmacs: float = 60.0
    edge_gmacs: float = 2000.0
    load: Load = field(default_factory=ConstantLoad)
    noise: Noise = GAUSS
    frames: int = 400
    measured: Measured | None = None
    seed: int = 0
    throttle: StepLoad | None = None
    deadline_s: float = math.inf
    row_s: float | None = None
    rows: int = 0

    def environment(self) -> Environment:
        """
        Draw the environment.

        :raises ValueError: if a codec table is given with parameters of truth `measured`.
        """
        drawn = self._undisturbed()
        throttle = None
        if self.throttle is not None:
            throttle, _ = self.throttle.sample(self.frames, np.random.default_rng(self.seed))
        mbps = drawn.mbps
        if self.row_s is not None and self.rows:
            mbps = self.link.sample(self.rows, np.random.default_rng(self.seed))
        return replace(drawn, mbps=mbps, throttle=throttle, deadline_s=self.deadline_s, row_s=self.row_s)

    def _undisturbed(self) -> Environment:
        table = network(self.network) if isinstance(self.network, str) else self.network
        if isinstance(table, CodecTable):
            if self.measured is not None:
                raise ValueError(f"{table.name} was given with codecs and truth measured; leave `measured` out")
            return codec_environment(
                table,
                self.link,
                robot_gmacs=self.robot_gmacs,
                edge_gmacs=self.edge_gmacs,
                load=self.load,
                noise=self.noise,
                frames=self.frames,
                seed=self.seed,
            )
        if self.measured is None:
            return linear_environment(
                table,
                self.link,
                robot_gmacs=self.robot_gmacs,
                edge_gmacs=self.edge_gmacs,
                load=self.load,
                noise=self.noise,
                frames=self.frames,
                seed=self.seed,
            )
        return measured_environment(
            table,
            self.link,
            robot_gmacs=self.robot_gmacs,
            edge_gmacs=self.edge_gmacs,
            round_trip_s=self.measured.round_trip_s,
            fragment_factor=self.measured.fragment_factor,
            load=self.load,
            noise=self.noise,
            frames=self.frames,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """
    One policy in one scenario.

    :param scenario: the scenario.
    :param policy: the policy's name.
    :param options: the policy's own keyword arguments.
    :param robot: whether to use the robot's own rules, see :func:`simulate_robot`; otherwise those of the judged
        experiments.
    """

    scenario: Scenario
    policy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    robot: bool = False

    def run(self) -> Run:
        """Run the job."""
        environment = self.scenario.environment()
        policy = simulated_policy(self.policy, environment, seed=self.scenario.seed, **self.options)
        return (simulate_robot if self.robot else simulate)(policy, environment)


def _run(job: Job) -> Run:
    return job.run()


class Runner:
    """
    Runs jobs on several processes, and reports each finished job.

    :param processes: number of processes; with 1, everything runs in the current process.
    :param on_done: called once for each finished job.
    """

    def __init__(self, processes: int, on_done: Callable[[], None] = lambda: None) -> None:
        self._processes, self._on_done = processes, on_done
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Runner:
        if self._processes > 1:
            self._pool = ProcessPoolExecutor(self._processes, mp_context=multiprocessing.get_context("spawn"))
        return self

    def __exit__(self, *reason: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, jobs: Sequence[Job]) -> list[Run]:
        """
        Run jobs.

        :param jobs: jobs in any order.
        :returns: runs of the jobs, in the same order.
        """
        results = map(_run, jobs) if self._pool is None else self._pool.map(_run, jobs, chunksize=4)
        runs = []
        for result in results:
            runs.append(result)
            self._on_done()
        return runs
