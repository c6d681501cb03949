# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The experiment on arms with memory, with few frames, and the shipped tables of its videos."""

from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.arms.environment import robot_table
from neurosurgeon_ros.simulation.experiments import streams
from neurosurgeon_ros.simulation.experiments.settings import Settings
from neurosurgeon_ros.simulation.scenario import Runner

UP_AND_DOWN = np.repeat([4.0, 0.0, 4.0], [30, 20, 30])


def test_no_policy_is_better_than_the_best_plan() -> None:
    with Runner(1) as runner:
        result = streams.compare(Settings(runner), {"tunnel": UP_AND_DOWN}, 30)
    assert len(result.rows) == 2 * len(streams.VIDEOS) * len(streams.ROBOTS)
    for row in result.rows:
        assert row["plan_above_bound"] == pytest.approx(0.0, abs=1e-9)
        assert all(row[f"ratio_{series}"] >= 1.0 - 1e-9 for series in streams.SERIES), row
    assert max(row["share_with_memory_plan"] for row in result.rows) > 0.5


@pytest.mark.parametrize("video", streams.VIDEOS)
def test_robots_have_arms_with_memory_by_the_calibration_of_each_video(video: str) -> None:
    table = codec_table(f"{streams.NETWORK}.{video}")
    for gmacs, hz in streams.ROBOTS:
        kept = robot_table(table.at_rate(hz), gmacs)
        assert (kept.key_bytes > 0.0).any()
        assert not kept.without_memory().key_bytes.any()
