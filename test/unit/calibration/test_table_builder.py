# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables that are rebuilt while the robot runs, and the thread that builds them."""

from __future__ import annotations

import threading

import numpy as np
from robots import LONG_S, small_engine

from neurosurgeon_ros.calibration.admission import ALL_ARMS
from neurosurgeon_ros.calibration.table_builder import TableBuilder
from neurosurgeon_ros.robot.latest_job import LatestJobRunner


def test_a_second_table_has_the_quiet_measures_of_the_first() -> None:
    builder = TableBuilder(small_engine(), speed=0.5, threads=1)
    first = builder.build(("fp32",), ALL_ARMS, 0.0)
    second = builder.build(("uint8", "fp16"), ALL_ARMS, 0.0)
    assert {arm.codec for arm in second.arms} <= {"uint8", "fp16", ""} and second.arms[-1].codec == ""
    quiet = first.profile
    assert (second.profile.preprocess_s, second.profile.postprocess_s) == (
        quiet.preprocess_s,
        quiet.postprocess_s,
    )
    assert np.array_equal(second.profile.front_s, quiet.front_s)
    assert second.robot_s[second.on_device] == first.robot_s[first.on_device]
    spent_s = np.where(second.camera, 0.0, quiet.preprocess_s) + quiet.front_s[second.point] + second.profile.encode_s
    assert np.allclose(second.robot_s[:-1], 2.0 * spent_s[:-1])
    assert not second.robot_s.flags.writeable


def test_the_newest_of_what_waits_is_done_and_a_failure_ends_nothing() -> None:
    done: list[int] = []
    problems: list[str] = []
    begun, go_on, all_done = threading.Event(), threading.Event(), threading.Event()

    def do(what: int) -> None:
        if what == 1:
            begun.set()
            assert go_on.wait(LONG_S)
            raise ValueError("one cannot be done")
        done.append(what)
        all_done.set()

    beside = LatestJobRunner(do, on_problem=problems.append)
    beside.submit(1)
    assert begun.wait(LONG_S)
    for what in (2, 3, 4):
        beside.submit(what)
    go_on.set()
    assert all_done.wait(LONG_S)
    beside.close()
    assert (done, problems) == ([4], ["ValueError: one cannot be done"])
