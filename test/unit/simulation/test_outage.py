# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A link that fails and returns, with the robot's own rules: the edge is used as before within 30 frames (fp32)."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.environment import GAUSS, HEAVY
from neurosurgeon_ros.simulation.experiments.links import link_scenario, longest_on_device
from neurosurgeon_ros.simulation.experiments.outage import LOW_MBPS, ROBOTS_GMACS, SECONDS, back_again, outage_scenario
from neurosurgeon_ros.simulation.scenario import Job
from neurosurgeon_ros.simulation.table import network, network_names

DEFAULT = "adaptive_mu_lin_ucb"


def frames_until_back(
    name: str, low_mbps: float, seconds: float, robot_gmacs: float, seed: int = 0
) -> tuple[float, float]:
    noise = (GAUSS, HEAVY)[seed % 2]
    scenario = outage_scenario(network(name), low_mbps, seconds, robot_gmacs=robot_gmacs, noise=noise, seed=seed)
    return back_again(Job(scenario, DEFAULT, robot=True).run(), seconds)


@pytest.mark.parametrize("name", network_names())
def test_the_edge_is_in_use_again_soon_after_three_bad_seconds(name: str) -> None:
    for low_mbps, robot_gmacs in product((0.0, 0.2), ROBOTS_GMACS):
        until, ratio = frames_until_back(name, low_mbps, 3.0, robot_gmacs)
        assert until <= 15 and ratio <= 1.05, (low_mbps, robot_gmacs, until, ratio)


@pytest.mark.parametrize("name", network_names())
def test_the_edge_is_in_use_again_soon_with_codecs(name: str) -> None:
    scenario = outage_scenario(codec_table(name), 0.0, 3.0, robot_gmacs=10.0, noise=HEAVY, seed=1)
    until, ratio = back_again(Job(scenario, DEFAULT, robot=True).run(), 3.0)
    assert until <= 20 and ratio <= 1.05, (until, ratio)


@pytest.mark.full
@pytest.mark.parametrize("name", network_names())
def test_the_edge_is_in_use_again_soon_after_any_outage(name: str) -> None:
    for low_mbps, seconds, robot_gmacs, seed in product(LOW_MBPS, SECONDS, ROBOTS_GMACS, range(2)):
        until, ratio = frames_until_back(name, low_mbps, seconds, robot_gmacs, seed)
        assert until <= 30 and ratio <= 1.05, (low_mbps, seconds, robot_gmacs, seed, until, ratio)


def test_a_dead_link_loses_frames_for_as_long_as_it_is_dead_and_no_longer() -> None:
    scenario = outage_scenario(network("vgg16"), 0.0, 3.0, robot_gmacs=60.0, noise=GAUSS, seed=0)
    run = Job(scenario, DEFAULT, robot=True).run()
    during = (run.starts_s - run.waited_s + run.delay_s >= 10.0) & (run.starts_s < 13.0)
    on_device = int(run.arms.max())
    missed = during & (run.arms != on_device)
    assert 1 <= np.count_nonzero(missed) <= 5, "some frames, not each"
    assert (run.cost_s[missed] > run.cost_s[during & ~missed].max()).all(), "the robot finishes them late"
    assert run.dropped > 0, "the camera does not wait"


def test_a_policy_that_never_comes_back_is_seen() -> None:
    scenario = outage_scenario(network("vgg16"), 0.0, 1.0, robot_gmacs=60.0, noise=GAUSS, seed=0)
    until, ratio = back_again(Job(scenario, "on_device", robot=True).run(), 1.0)
    assert until == math.inf and ratio > 1.5


@pytest.mark.parametrize(("first_mbps", "rows"), [(0.0, 8), (0.0, 16), (0.4, 12), (2.0, 16)])
def test_an_outage_before_the_first_frame_does_not_keep_frames_on_the_robot(first_mbps: float, rows: int) -> None:
    """
    The first message is large and late. Later probes show the link's rate, but not the extra cost of fragments.

    :param rows: number of 100 ms rows with the first rate. After three rows of 4 Mbit/s, the link has 10 Mbit/s.
    """
    table = network("tiny_yolov2")
    mbps = np.concatenate([np.full(rows, first_mbps), np.full(3, 4.0), np.full(600, 10.0)])
    for seed in range(3):
        scenario = link_scenario(table, mbps, robot_gmacs=10.0, frames=60, seed=seed)
        run = Job(scenario, DEFAULT, robot=True).run()
        assert longest_on_device(run, table, 10.0) <= 15, seed
        assert run.ratio(30) <= 1.15, seed
