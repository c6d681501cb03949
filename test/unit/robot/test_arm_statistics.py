# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from robots import small_table

from neurosurgeon_ros.calibration.arm_table import PSI
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR, ArmStatistics


def test_the_period_follows_the_camera() -> None:
    statistics = ArmStatistics(small_table(), 1.0)
    assert statistics.period_s == 0.0
    for number in range(50):
        statistics.record_arrival(0.1 * number, number)
    assert statistics.period_s == pytest.approx(0.1)
    for number in range(50):
        statistics.record_arrival(10.0 + 0.5 * number, 50 + number)
    assert statistics.period_s == pytest.approx(0.5, rel=0.01)


def test_a_pause_of_the_camera_is_not_taken_for_its_rate() -> None:
    statistics = ArmStatistics(small_table(), 1.0)
    for number, received_s in enumerate((0.0, 0.1, 0.2, 3600.0)):
        statistics.record_arrival(received_s, number)
    assert statistics.period_s < 0.13


def test_images_that_a_busy_robot_drops_do_not_lengthen_the_period() -> None:
    """Else a robot that takes a second for a frame would see idle time on the link after each frame."""
    statistics = ArmStatistics(small_table(), 1.0)
    for number in range(1, 200, 15):
        statistics.record_arrival(0.1 * number, number)
    assert statistics.period_s == pytest.approx(0.1)


def test_the_deadline_is_the_period_or_the_on_device_delay_with_some_room() -> None:
    table = small_table()
    on_device_s = float(table.robot_s[table.on_device])
    statistics = ArmStatistics(table, 1.0)
    assert statistics.deadline_s == pytest.approx(DEADLINE_FACTOR * on_device_s)
    statistics.record_arrival(0.0, 1)
    statistics.record_arrival(100.0 * on_device_s, 2)
    assert statistics.deadline_s == pytest.approx(100.0 * on_device_s)


def test_bytes_and_encoding_follow_what_is_sent() -> None:
    table = small_table()
    statistics = ArmStatistics(table, 0.5)
    first = statistics.features
    others_s = statistics.robot_s[1:].copy()
    for _ in range(60):
        statistics.record_encoding(0, 3.0, 999)
    assert statistics.features[0, PSI] == pytest.approx(999, rel=1e-3)
    assert statistics.robot_s[0] == pytest.approx(table.robot_s[0] - 2 * table.profile.encode_s[0] + 3.0, rel=1e-3)
    assert statistics.robot_s[1:] == pytest.approx(others_s)
    assert first[0, PSI] == table.features[0, PSI], "what a policy was given stays as it was"
    with pytest.raises(ValueError, match="read-only"):
        statistics.features[0, PSI] = 0
