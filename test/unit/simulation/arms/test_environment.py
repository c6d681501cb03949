# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Environments with the arms that a robot of a given speed would have."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.arms.environment import FIDELITY_PRICE_S, MIN_FIDELITY, codec_environment, robot_table
from neurosurgeon_ros.simulation.experiments.settings import on_device_s
from neurosurgeon_ros.simulation.processes import ConstantLink
from neurosurgeon_ros.simulation.scenario import Job, Measured, Scenario
from neurosurgeon_ros.simulation.table import network, network_names

TINY = "yolov3_tiny"


def test_fidelity_is_required_and_priced_as_on_a_robot() -> None:
    parameters = RobotParameters()
    assert parameters.min_fidelity == MIN_FIDELITY == Admission().min_fidelity
    assert pytest.approx(FIDELITY_PRICE_S) == parameters.fidelity_price_ms / 1e3


@pytest.mark.parametrize("name", network_names())
@pytest.mark.parametrize("gmacs", [10.0, 60.0])
def test_a_robot_keeps_a_few_arms(name: str, gmacs: float) -> None:
    arms = robot_table(codec_table(name), gmacs)
    assert arms.arms[-1] == "on_device"
    assert 2 <= len(arms.arms) <= 20
    linear_s = on_device_s(network(name), gmacs)
    assert linear_s < on_device_s(codec_table(name), gmacs) < 1.5 * linear_s, "and pre- and post-processing"


def test_what_the_robot_does_scales_with_its_speed_and_what_the_edge_does_not() -> None:
    table = codec_table(TINY)
    slow, fast = (codec_environment(table, ConstantLink(8.0), robot_gmacs=gmacs) for gmacs in (10.0, 60.0))
    both = [name for name in slow.table.points if name in fast.table.points and name != "on_device"]
    assert both
    assert slow.coding is not None and fast.coding is not None
    for name in both:
        one, other = slow.table.points.index(name), fast.table.points.index(name)
        assert slow.robot_s[one] > fast.robot_s[other]
        assert slow.coding.encode_s[one] >= fast.coding.encode_s[other]
        assert slow.coding.decode_s[one] == fast.coding.decode_s[other]
        assert slow.compute_s[one] == fast.compute_s[other]
        assert slow.robot_s[one] >= slow.coding.encode_s[one]


def test_penalties_follow_the_fidelity() -> None:
    one = codec_environment(codec_table(TINY), ConstantLink(8.0), robot_gmacs=10.0)
    assert one.coding is not None
    np.testing.assert_allclose(one.coding.penalty_s, 0.05 * (1.0 - one.coding.fidelity))
    assert one.coding.fidelity.min() < 1.0 and one.coding.penalty_s[-1] == 0.0


def test_arms_with_codecs_are_no_slower_for_oracle_than_fp32() -> None:
    means = {}
    for kind, table in (("fp32", network(TINY)), ("codecs", codec_table(TINY))):
        scenario = Scenario(table, ConstantLink(2.0), robot_gmacs=10.0, frames=50, row_s=0.1)
        run = Job(scenario, "oracle", robot=True).run()
        means[kind] = float((run.delay_s + run.penalty_s).mean())
    assert means["codecs"] < 0.8 * means["fp32"]


def test_the_default_policy_finds_good_arms_with_codecs() -> None:
    scenario = Scenario(codec_table(TINY), ConstantLink(4.0), robot_gmacs=10.0, frames=150, row_s=0.1, seed=1)
    run = Job(scenario, "adaptive_mu_lin_ucb", robot=True).run()
    assert run.ratio(50) <= 1.1


def test_the_truth_measured_has_no_codecs() -> None:
    scenario = Scenario(codec_table(TINY), ConstantLink(4.0), measured=Measured(0.001, 1.0))
    with pytest.raises(ValueError, match="leave `measured` out"):
        scenario.environment()
    assert dataclasses.replace(scenario, measured=None).environment().coding is not None
