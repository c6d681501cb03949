# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from robots import Edge, Robot, make_robot, small_table

from neurosurgeon_ros.learning.interface import Choice, Context
from neurosurgeon_ros.protocol.requests import Feedback, Identity, Key, Kind
from neurosurgeon_ros.robot.edges.route import Route


@pytest.fixture
def robot() -> Iterator[Robot]:
    with Edge() as edge:
        robot = make_robot(edge)
        robot.feed()
        yield robot


@pytest.fixture
def route(robot: Robot) -> Route:
    return robot.processor.edges.used


@pytest.fixture
def context(robot: Robot) -> Context:
    return replace(robot.policy.contexts[-1], period_s=0.1, penalty_s=0.003)


def test_the_expected_delay_is_that_of_the_choice_with_its_penalty(route: Route, context: Context) -> None:
    arm = 0
    assert route.expected_s(Choice(arm, predicted_offload_s=0.02), context) == pytest.approx(
        context.robot_s[arm] + 0.003 + 0.02
    )
    here = small_table().on_device
    assert route.expected_s(Choice(here, predicted_offload_s=0.0), context) == pytest.approx(
        context.robot_s[here] + 0.003
    )


def test_without_a_prediction_the_measured_delays_count(route: Route, context: Context) -> None:
    assert route.expected_s(Choice(0), context) == pytest.approx(route.measured_s) and route.measured_s > 0.0
    route.forget()
    assert math.isnan(route.expected_s(Choice(0), context)) and route.answers == 0


def test_frames_beyond_the_promised_rate_count_with_the_robots_own_delay(route: Route, context: Context) -> None:
    key = Key(Identity("robot", 7).robot_id, 7, 1, Kind.FRAME)
    route.uplink.pacer.heard(Feedback(key, rate=4.0), 0.0)
    here_s = float(context.cost_s[context.on_device])
    share_s = 0.4 * (float(context.cost_s[0]) + 0.5) + 0.6 * here_s
    assert route.expected_s(Choice(0, predicted_offload_s=0.5), context) == pytest.approx(share_s)
    route.uplink.pacer.heard(Feedback(key, rate=40.0), 0.1)
    whole_s = float(context.cost_s[0]) + 0.5
    assert route.expected_s(Choice(0, predicted_offload_s=0.5), context) == pytest.approx(whole_s)
