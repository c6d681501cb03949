# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios that can be sent to another process, and a runner that uses several processes."""

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
    PERIOD_S,
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
    Parameters of the truth `measured`; see :func:`measured_environment`.

    :param round_trip_s: seconds that an empty message takes to the edge and back.
    :param fragment_factor: link time per byte of messages above 64 kB, relative to smaller messages.
    """

    round_trip_s: float
    fragment_factor: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    All parameters of an environment.

    :param network: name of a shipped network, or the table of a network. With a codec table, the arms are those that
        the robot would have. Otherwise each partition point is one arm with fp32 tensors.
    :param link: process of the uplink's rate.
    :param robot_gmacs: the robot's speed in 10^9 multiply-accumulates per second.
    :param edge_gmacs: the edge's speed in the same unit.
    :param load: process of the edge's load.
    :param noise: noise of the observed durations.
    :param frames: number of frames.
    :param measured: parameters of the truth `measured`; None for the truth `linear`, as required by a codec table.
    :param seed: seed of all random numbers.
    :param throttle: factor on the robot's stages, which the robot does not know in advance.
    :param deadline_s: seconds after which the robot finishes a frame itself; infinity as in :class:`Environment`.
    :param row_s: seconds for which each rate of the link holds; None: a rate holds for one frame, however long it
        takes.
    :param rows: number of rates to draw if `row_s` is given; 0: as many as frames. After the last row, the last rate
        above 0 holds until the end.
    :param period_s: seconds between two camera images.
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
    period_s: float = PERIOD_S

    def environment(self) -> Environment:
        """
        Draw the environment.

        :raises ValueError: if the scenario has a codec table and parameters of the truth `measured`.
        """
        drawn = self._undisturbed()
        throttle = None
        if self.throttle is not None:
            throttle, _ = self.throttle.sample(self.frames, np.random.default_rng(self.seed))
        mbps = drawn.mbps
        if self.row_s is not None and self.rows:
            mbps = self.link.sample(self.rows, np.random.default_rng(self.seed))
        return replace(
            drawn,
            mbps=mbps,
            throttle=throttle,
            deadline_s=self.deadline_s,
            row_s=self.row_s,
            period_s=self.period_s,
        )

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
                period_s=self.period_s,
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
    :param robot: True: use the robot's own rules, see :func:`simulate_robot`; False: use those of the judged
        experiments.
    """

    scenario: Scenario
    policy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    robot: bool = False

    def run(self) -> Run:
        """Simulate the policy in the scenario."""
        environment = self.scenario.environment()
        policy = simulated_policy(self.policy, environment, seed=self.scenario.seed, **self.options)
        return (simulate_robot if self.robot else simulate)(policy, environment)


def _run(job: Job) -> Run:
    return job.run()


class Runner:
    """
    Runs jobs in several processes, and reports each finished job.

    :param processes: number of processes; 1: all jobs run in the current process.
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

        :returns: the run of each job, in the order of `jobs`.
        """
        results = map(_run, jobs) if self._pool is None else self._pool.map(_run, jobs, chunksize=4)
        runs = []
        for result in results:
            runs.append(result)
            self._on_done()
        return runs
