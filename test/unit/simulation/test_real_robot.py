# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Policies with realistic delays: YOLOv3-tiny with two codecs, and a robot with a fifth of the edge's speed."""

from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import FEATURES
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.processes import StepLoad
from neurosurgeon_ros.simulation.simulate import simulate
from neurosurgeon_ros.simulation.table import NetworkTable

# Seconds on the robot, seconds at the edge, the back-end's convolutions, their MACs, its activations, bytes sent.
ARMS = {
    "input/uint8": (0.006, 0.036, 13, 2.78e9, 7.5e6, 519_168),
    "pool2/fp32": (0.035, 0.029, 11, 2.51e9, 3.4e6, 1_384_448),
    "pool3/fp32": (0.047, 0.027, 10, 2.31e9, 2.7e6, 692_224),
    "pool4/fp32": (0.057, 0.025, 9, 2.11e9, 2.3e6, 346_112),
    "on_device": (0.180, 0.0, 0, 0.0, 0.0, 0),
}
ALL = tuple(ARMS)
FP32 = ("pool2/fp32", "pool3/fp32", "pool4/fp32", "on_device")
LEARNERS = ("mu_lin_ucb", "adaptive_mu_lin_ucb")


def robot(names: tuple[str, ...], mbps: float, noise: float, seed: int, load: StepLoad | None = None) -> Environment:
    frames = 300
    rows = np.array([ARMS[name] for name in names])
    features = np.zeros((len(names), len(FEATURES)))
    features[:, FEATURES.index("conv_macs")], features[:, FEATURES.index("act_macs")] = rows[:, 3], rows[:, 4]
    features[:, FEATURES.index("conv_layers")] = rows[:, 2]
    features[:, FEATURES.index("act_layers")] = np.maximum(rows[:, 2] - 2, 0)
    features[:, FEATURES.index("psi")] = rows[:, 5]
    rng = np.random.default_rng(seed)
    return Environment(
        table=NetworkTable("yolov3_tiny", names, features, rows[:, 0], rows[:, 1]),
        robot_s=rows[:, 0],
        compute_s=rows[:, 1],
        transmission_factor=np.ones(len(names)),
        round_trip_s=0.003,
        mbps=np.full(frames, mbps),
        slowdown=load.sample(frames, rng)[0] if load else np.ones(frames),
        queue_s=np.zeros(frames),
        key_frames=rng.random(frames) < 0.2,
        noise=Noise(sd=noise),
        seed=seed,
    )


def most_chosen(name: str, environment: Environment, first: int = 150) -> tuple[str, float]:
    """Return the most frequent arm after `first` frames, and the mean relative error of the predicted delays."""
    run = simulate(make_policy(name, n_arms=len(environment.robot_s)), environment)
    last = slice(first, None)
    offloaded = run.offload_s[last] > 0.0
    error = np.abs(run.predicted_s[last] / np.where(offloaded, run.offload_s[last], np.nan) - 1.0)
    arm = environment.table.points[int(np.argmax(np.bincount(run.arms[last])))]
    return arm, float(np.nanmean(error)) if offloaded.any() else 0.0


@pytest.mark.parametrize("noise", [0.05, 0.2])
@pytest.mark.parametrize(
    ("names", "mbps", "best"),
    [(ALL, 1600.0, "input/uint8"), (FP32, 50.0, "pool4/fp32"), (ALL, 4.0, "on_device")],
    ids=["without a limit", "50 Mbit/s", "4 Mbit/s"],
)
@pytest.mark.parametrize("name", LEARNERS)
def test_finds_the_best_arm(name: str, names: tuple[str, ...], mbps: float, best: str, noise: float) -> None:
    for seed in range(3):
        arm, error = most_chosen(name, robot(names, mbps, noise, seed))
        assert arm == best
        assert error < 0.3


@pytest.mark.parametrize("slow_frames", [1, 5, 20])
def test_a_slow_start_fixes_no_bad_choice(slow_frames: int) -> None:
    load = StepLoad(((10.0, slow_frames), (1.0, 1)))
    for seed in range(3):
        environment = robot(ALL, 1600.0, 0.05, seed, load)
        assert most_chosen("adaptive_mu_lin_ucb", environment, first=100)[0] == "input/uint8"
