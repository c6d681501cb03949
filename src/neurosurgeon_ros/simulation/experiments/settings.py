# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings that all experiments share, and random scenarios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.arms.environment import robot_table
from neurosurgeon_ros.simulation.environment import ROBOT_LAYER_S
from neurosurgeon_ros.simulation.processes import ConstantLink
from neurosurgeon_ros.simulation.scenario import Measured, Runner, Scenario
from neurosurgeon_ros.simulation.table import NetworkTable, network, network_names

JUDGED_NETWORKS = ("vgg16", "tiny_yolov2")
RATES_MBPS = (4.0, 16.0, 50.0)
EDGES_GMACS = (2000.0, 200.0)
LEARNERS = ("adaptive_mu_lin_ucb", "mu_lin_ucb", "lin_ucb", "epsilon_greedy")
BASELINES = ("neurosurgeon", "edge_only", "on_device")
DEFAULT = "adaptive_mu_lin_ucb"
#: Arms of the experiments with the robot's own rules: every partition point with fp32 tensors, or the arms with codecs
#: that the robot would have.
FP32, CODECS = ARMS = ("fp32", "codecs")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Settings of all experiments.

    :param runner: runs jobs.
    :param seed: seed of the random scenarios and of the generated links.
    :param seeds: number of runs of each scenario of `grid`, `change` and `constants`; `outage` uses a tenth of it.
    :param tables: tables by network name; they replace the shipped ones.
    :param links: recorded links by name, as rates in Mbit/s per 100 ms; they replace the generated ones.
    :param codec_tables: codec tables by network name; they replace the shipped ones.
    """

    runner: Runner
    seed: int = 0
    seeds: int = 20
    tables: dict[str, NetworkTable] = field(default_factory=dict)
    links: Mapping[str, FloatArray] = field(default_factory=dict)
    codec_tables: Mapping[str, CodecTable] = field(default_factory=dict)

    def table(self, name: str) -> NetworkTable:
        """Return a network's table."""
        return self.tables.get(name) or network(name)

    def arms(self, kind: str, name: str) -> NetworkTable | CodecTable:
        """
        Return a network's table with one kind of arms.

        :param kind: one of :data:`ARMS`.
        """
        if kind == CODECS:
            return self.codec_tables.get(name) or codec_table(name)
        return self.table(name)

    def video_arms(self, name: str, video: str) -> CodecTable:
        """
        Return a network's codec table of a calibration on a video, with arms with memory.

        :param video: one of :data:`.streams.VIDEOS`.
        """
        full = f"{name}.{video}"
        return self.codec_tables.get(full) or codec_table(full)

    def networks(self) -> tuple[str, ...]:
        """Return the names of the networks of the paper's experiments."""
        return tuple(name for name in ("vgg16", "resnet50", "tiny_yolov2", "yolov3_tiny") if name in network_names())


def on_device_s(table: NetworkTable | CodecTable, robot_gmacs: float) -> float:
    """Return the delay of `on_device` in the truth `linear` on a robot of this speed, in seconds."""
    if isinstance(table, CodecTable):
        return float(robot_table(table, robot_gmacs).robot_s[-1])
    return float(table.back_macs[0]) / (1e9 * robot_gmacs) + ROBOT_LAYER_S * float(table.back_layers[0])


def random_scenario(seed: int, number: int) -> Scenario:
    """
    Draw scenario `number` of a seed.

    The network is one of the shipped ones. Log-uniform are the rate of the uplink (2 to 200 Mbit/s), the speeds of the
    edge (60 to 4,000 GMAC/s) and the robot (10 to 200 GMAC/s), and the round trip (1 to 30 ms). The cost of a byte in
    fragmented messages (1 to 1.6) is uniform.
    """
    rng = np.random.default_rng((seed, number))

    def log_uniform(low: float, high: float) -> float:
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))

    names = network_names()
    return Scenario(
        network=names[int(rng.integers(len(names)))],
        link=ConstantLink(log_uniform(2.0, 200.0)),
        edge_gmacs=log_uniform(60.0, 4000.0),
        robot_gmacs=log_uniform(10.0, 200.0),
        measured=Measured(round_trip_s=log_uniform(1e-3, 30e-3), fragment_factor=float(rng.uniform(1.0, 1.6))),
        seed=int(rng.integers(2**31)),
    )
