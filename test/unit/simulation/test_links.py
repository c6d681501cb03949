# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The experiment on mobile links and its references, with few frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR
from neurosurgeon_ros.simulation.environment import GAUSS
from neurosurgeon_ros.simulation.experiments import links
from neurosurgeon_ros.simulation.experiments.settings import Settings, on_device_s
from neurosurgeon_ros.simulation.policies import simulated_policy
from neurosurgeon_ros.simulation.scenario import Job, Runner, Scenario
from neurosurgeon_ros.simulation.simulate import Run
from neurosurgeon_ros.simulation.table import network, network_names

KEYS = {
    "link",
    "scale",
    "network",
    "arms",
    "robot_gmacs",
    "policy",
    "ratio",
    "ratio_best_fixed",
    "ratio_lagged",
    "frames_on_device_while_edge_better_longest",
    "frames_dropped",
}
#: 3 s with a rate, 2 s without, and 3 s with a rate.
UP_AND_DOWN = np.repeat([40.0, 0.0, 40.0], [30, 20, 30])


def scenario(mbps: FloatArray, frames: int = 60, robot_gmacs: float = 10.0) -> Scenario:
    return links.link_scenario(network("yolov3_tiny"), mbps, robot_gmacs=robot_gmacs, frames=frames, seed=0)


def run(mbps: FloatArray, policy: str, **options: Any) -> Run:
    return Job(scenario(mbps), policy, options, robot=True).run()


def test_rows_name_each_cell_and_policy_once() -> None:
    with Runner(1) as runner:
        result = links.compare(Settings(runner), {"tunnel": UP_AND_DOWN}, ["yolov3_tiny"], 30)
    assert [set(entry) for entry in result.summary] == [KEYS] * 8 * len(links.POLICIES)
    assert {(entry["scale"], entry["arms"], entry["robot_gmacs"], entry["policy"]) for entry in result.summary} == {
        (scale, arms, gmacs, policy)
        for scale in (1, 10)
        for arms in ("fp32", "codecs")
        for gmacs in (10, 60)
        for policy in links.POLICIES
    }
    for row in result.rows:
        assert (row["link"], row["network"]) == ("tunnel", "yolov3_tiny")
        assert row["ratio"] >= 0.99 and row["ratio_best_fixed"] >= 0.99 and row["ratio_lagged"] >= 0.99
        assert 0 <= row["frames_on_device_while_edge_better_longest"] <= 30


def test_links_are_made_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(links, "compare", lambda settings, rates, networks, frames: asked.append((rates, networks)))
    with Runner(1) as runner:
        links.links(Settings(runner))
        links.links(Settings(runner, seed=1))
        links.links(Settings(runner, links={"tunnel": UP_AND_DOWN}))
    (made, networks), (other, _), (given, _) = asked
    assert list(made) == ["mobile_lte", "mobile_umts", "mobile_evdo"]
    assert networks == network_names()
    assert all(len(made[name]) == 6000 and not np.array_equal(made[name], other[name]) for name in made)
    assert list(given) == ["tunnel"]


def test_time_moves_the_link_and_it_never_runs_out_of_rates() -> None:
    one = scenario(np.full(5, 40.0), frames=1000)
    environment = one.environment()
    slowest_s = (DEADLINE_FACTOR + 1.0) * on_device_s(network("yolov3_tiny"), 10.0)
    assert one.row_s == 0.1
    assert len(environment.mbps) * 0.1 >= 1000 * slowest_s


def test_the_best_fixed_arm_is_among_those_that_send_fewer_bytes_than_any_before_them() -> None:
    table = network("yolov3_tiny")
    candidates = links.candidates(table, 10.0)
    assert candidates[0] == 0 and candidates[-1] == len(table.points) - 1
    assert (np.diff(table.sent_bytes[candidates]) < 0.0).all()
    for mbps in (2.0 * UP_AND_DOWN, 0.2 * UP_AND_DOWN):
        sums = [float(run(mbps, "fixed_arm", arm=arm).delay_s.sum()) for arm in range(len(table.points))]
        assert min(sums[arm] for arm in candidates) <= 1.001 * min(sums)


def test_lagged_is_oracle_where_the_link_never_changes() -> None:
    lagged = run(np.full(10, 8.0), "lagged")
    assert lagged.ratio() == pytest.approx(1.0)


def test_lagged_follows_the_link_one_row_late() -> None:
    on_device = len(network("yolov3_tiny").points) - 1
    lagged = run(UP_AND_DOWN, "lagged")
    down = (lagged.starts_s >= 3.1) & (lagged.starts_s < 5.0)
    assert (lagged.arms[down] == on_device).all()
    assert (lagged.arms[lagged.starts_s < 3.0] != on_device).any()
    returned = (lagged.starts_s >= 6.5) & (lagged.starts_s < 8.0)
    assert (lagged.arms[returned] != on_device).any()


def test_lagged_needs_a_link_that_goes_by_time() -> None:
    by_frame = replace(scenario(UP_AND_DOWN), row_s=None, rows=0, noise=GAUSS)
    with pytest.raises(ValueError, match="needs a link whose rate follows the clock"):
        simulated_policy("lagged", by_frame.environment())


def test_frames_on_the_device_count_while_the_edge_is_better() -> None:
    table = network("yolov3_tiny")
    on_device = run(UP_AND_DOWN, "fixed_arm", arm=len(table.points) - 1)
    longest = links.longest_on_device(on_device, table, 10.0)
    # During the outage, the device is not worse than the edge, so the series ends.
    assert 0 < longest < len(on_device.arms)
    assert links.longest_on_device(run(UP_AND_DOWN, "oracle"), table, 10.0) == 0
