# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot skips the padding of images of the camera's size, and takes the saved time into account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from robots import Edge, equal, make_robot, picture, small_engine, small_table, whole

from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.robot.arm_statistics import ArmStatistics
from neurosurgeon_ros.robot.local_inference import COMPARISONS, IMAGES_BEFORE_PREPARING, MOST_SIZES, LocalInference

SHAPE = (40, 200, 3)


class Engine:
    """Counts the sizes that it prepares."""

    def __init__(self, share: float | None) -> None:
        self.on_device = 2
        self.ready: list[tuple[int, ...]] = []
        self.ran: list[str] = []
        self._share = share
        self.timed = 0
        self.partitioned = SimpleNamespace(
            run_front=lambda x, p, keep: self._run("front", {p: "front"}),
            run_back=lambda held, p, before_step: self._run("back", "outputs"),
        )

    def eliminate_padding(self, shape: tuple[int, ...]) -> bool:
        self.ready.append(shape)
        return self._share is not None

    def compare_padding(self, shape: tuple[int, ...]) -> tuple[float, float]:
        self.timed += 1
        return 3.0 * (self._share or 1.0), 3.0  # the machine is slower at the moment

    def run_whole(self, x: torch.Tensor, before_step: object = None) -> str:
        return self._run("whole", "outputs")

    def _run(self, what: str, result: Any) -> Any:
        self.ran.append(what)
        return result


class Slept:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def ready(engine: Any, throttle: Throttle) -> LocalInference:
    """Return an instance that has seen enough images of one size."""
    local = LocalInference(engine, throttle)
    for _ in range(IMAGES_BEFORE_PREPARING):
        local.record_image(SHAPE)
    for _ in range(1 + COMPARISONS):
        assert local.padding_saving_s(PROFILE) == 0.0
        local.prepare()
    return local


PROFILE: Any = SimpleNamespace(front_s=np.array([0.0, 0.3, 1.0]), postprocess_s=0.1)


def test_sizes_that_stay_are_made_ready_once() -> None:
    engine: Any = Engine(0.6)
    local = LocalInference(engine, Throttle())
    for shape in [SHAPE] * (IMAGES_BEFORE_PREPARING - 1) + [(1, 1, 3)] + [SHAPE] * (IMAGES_BEFORE_PREPARING - 1):
        local.record_image(shape)
        local.prepare()
    assert engine.ready == []
    for _ in range(3 + COMPARISONS):
        local.record_image(SHAPE)
        local.prepare()
    assert (engine.ready, engine.timed) == ([SHAPE], COMPARISONS)
    assert local.padding_saving_s(PROFILE) == pytest.approx(0.4)
    local.record_image((1, 1, 3))
    assert local.padding_saving_s(PROFILE) == 0.0


@pytest.mark.parametrize("share", [None, 1.2])
def test_where_nothing_is_saved_nothing_changes(share: float | None) -> None:
    assert ready(Engine(share), Throttle()).padding_saving_s(PROFILE) == 0.0


def test_what_is_remembered_of_sizes_is_bounded() -> None:
    engine: Any = Engine(None)
    local = LocalInference(engine, Throttle())
    for height in range(1, MOST_SIZES + 3):
        for _ in range(IMAGES_BEFORE_PREPARING):
            local.record_image((height, 1, 3))
        local.prepare()
    assert len(engine.ready) == MOST_SIZES + 2
    for _ in range(IMAGES_BEFORE_PREPARING):
        local.record_image((1, 1, 3))
    local.prepare()
    assert engine.ready[-1] == (1, 1, 3), "it was forgotten, and is prepared again"


def test_stages_last_as_long_as_they_would_on_the_robot() -> None:
    engine: Any = Engine(0.6)
    time = Slept()
    local = ready(engine, Throttle(0.5, clock=time.clock, sleep=time.sleep))
    x: Any = "x"

    def seconds(step: Any) -> float:
        begin_s = time.now_s
        step()
        return round(time.now_s - begin_s, 9)

    assert seconds(lambda: local.run_front(x, 2, [], PROFILE)) == 1.2
    assert seconds(lambda: local.run_front(x, 2, [1], PROFILE)) == 2.0
    assert seconds(lambda: local.run_front(x, 1, [], PROFILE)) == 0.6
    assert seconds(lambda: local.run_rest((x,), 0, PROFILE, str)) == 1.4
    assert seconds(lambda: local.run_rest((x, x), 1, PROFILE, str)) == 1.6
    assert engine.ran == ["whole", "front", "front", "whole", "back"]


def test_the_policy_is_told_what_the_whole_network_takes_now() -> None:
    table = small_table()
    means = ArmStatistics(table, 0.5)
    deadline_s = means.deadline_s
    saved_s = 0.1 * float(table.robot_s[-1])
    means.set_padding_saving(saved_s)
    means.set_padding_saving(saved_s)
    assert means.robot_s[-1] == pytest.approx(table.robot_s[-1] - saved_s)
    assert np.array_equal(means.robot_s[:-1], table.robot_s[:-1])
    assert means.deadline_s < deadline_s
    assert means.for_table(table).robot_s[-1] == pytest.approx(table.robot_s[-1] - saved_s)
    means.set_padding_saving(0.0)
    assert means.robot_s[-1] == pytest.approx(table.robot_s[-1])


def test_the_policy_is_told_what_the_robot_needs_to_finish_a_frame_itself() -> None:
    """After a cut, the padding is not skipped; from the input on, it is."""
    table = small_table()
    means, own_s = ArmStatistics(table, 1.0), float(table.robot_s[-1])
    saved_s = 0.1 * own_s
    assert (means.robot_s + means.finish_s)[:-1] == pytest.approx(own_s + table.profile.encode_s[:-1])
    means.set_padding_saving(saved_s)
    finished_s = own_s + table.profile.encode_s[:-1] - np.where(table.point[:-1] == 0, saved_s, 0.0)
    assert (means.robot_s + means.finish_s)[:-1] == pytest.approx(finished_s)
    assert means.finish_s[-1] == 0.0


@pytest.mark.parametrize(("share", "kept"), [(None, [1]), (1.2, [1]), (0.6, [])])
def test_a_run_that_skips_padding_keeps_no_tensors(share: float | None, kept: list[int]) -> None:
    local = ready(Engine(share), Throttle())
    assert local.kept([1], 2, PROFILE) == kept
    assert local.kept([0], 1, PROFILE) == [0], "a front-end skips none"


def test_detections_stay_what_they_are() -> None:
    robot = make_robot(Edge(), "on_device")
    image = np.ascontiguousarray(picture(3)[:20])
    expected = whole(image)
    for _ in range(IMAGES_BEFORE_PREPARING + 2):
        assert equal(robot.feed(image).detections, expected)
        robot.processor.prepare()
    assert small_engine().eliminate_padding(image.shape), "this image leaves something out"
