# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's worker: slot, counts, and a result for every accepted frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from robots import LONG_S, Chooser, Edge, Robot, equal, make_robot, picture, whole

from neurosurgeon_ros.learning.interface import Choice, Context
from neurosurgeon_ros.robot.arrival import Arrival, ImageRejected
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.pipeline import RobotPipeline
from neurosurgeon_ros.robot.uplink.link import NO_EDGE


class Rig:
    """A pipeline whose frames the test releases one by one."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.problems: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.pipeline = RobotPipeline(robot.processor, robot.sink, on_problem=self.problems.append)
        self.pipeline.start()

    def offer(self, number: int, image: NDArray[np.uint8] | None = None) -> None:
        def decode() -> NDArray[np.uint8]:
            self.begun.release()
            assert self.go.acquire(timeout=LONG_S)
            return picture(number) if image is None else image

        self.pipeline.offer(Arrival(number, time.monotonic(), decode))

    def await_begin(self) -> None:
        assert self.begun.acquire(timeout=LONG_S)

    def end(self) -> None:
        """Release every waiting frame, and stop."""
        for _ in range(100):
            self.go.release()
        self.pipeline.stop()


@pytest.fixture
def rig() -> Iterator[Rig]:
    edge = Edge()
    edge.blocked = NO_EDGE
    rig = Rig(make_robot(edge))
    yield rig
    rig.end()


def test_what_comes_while_a_frame_is_worked_on_is_replaced_and_counted(rig: Rig) -> None:
    rig.offer(1)
    rig.await_begin()
    for number in (2, 3, 4):
        rig.offer(number)
    rig.go.release()
    rig.await_begin()
    rig.end()
    assert [result.header for result in rig.robot.sink.results] == [1, 4]
    assert [result.sequence for result in rig.robot.sink.results] == [1, 2]
    counts = rig.pipeline.counts
    assert (counts.received, counts.accepted, counts.dropped, counts.rejected) == (4, 2, 2, 0)
    for decision in rig.robot.sink.decisions:
        seen = decision.counts
        assert seen.received >= seen.accepted + seen.dropped + seen.rejected


def test_stopping_lets_the_frame_under_way_come_out_and_drops_the_one_that_waits(rig: Rig) -> None:
    rig.offer(1)
    rig.await_begin()
    rig.offer(2)
    thread = threading.Thread(target=rig.pipeline.stop)
    thread.start()
    rig.go.release()
    thread.join(LONG_S)
    rig.pipeline.offer(Arrival(3, 0.0, lambda: picture(3)))
    assert [result.header for result in rig.robot.sink.results] == [1]
    counts = rig.pipeline.counts
    assert counts.received == counts.accepted + counts.dropped == 3


@pytest.mark.parametrize("problem", [ImageRejected("it was cut off"), RuntimeError("the converter failed")])
def test_an_image_that_cannot_be_converted_is_rejected_and_the_next_one_taken(rig: Rig, problem: Exception) -> None:
    def decode() -> NDArray[np.uint8]:
        rig.begun.release()
        raise problem

    rig.pipeline.offer(Arrival(1, 0.0, decode))
    rig.await_begin()
    rig.offer(2)
    rig.await_begin()
    rig.end()
    assert len(rig.robot.sink.reasons) == 1 and str(problem) in rig.robot.sink.reasons[0]
    assert [result.sequence for result in rig.robot.sink.results] == [1]
    assert (rig.pipeline.counts.rejected, rig.pipeline.counts.accepted) == (1, 1)


def test_an_image_that_breaks_everything_still_gets_its_message(rig: Rig) -> None:
    rig.offer(1, np.zeros((0, 0, 3), dtype=np.uint8))
    rig.await_begin()
    rig.go.release()
    rig.offer(2)
    rig.await_begin()
    rig.end()
    first, second = rig.robot.sink.results
    assert (len(first.detections), first.outcome) == (0, Outcome.FALLBACK)
    assert equal(second.detections, whole(picture(2)))
    assert "then the whole network failed" in rig.robot.sink.decisions[0].reason
    assert len(rig.problems) == 1


def test_results_that_cannot_be_handed_out_do_not_end_the_worker(rig: Rig) -> None:
    take = rig.robot.sink.detections
    calls = []

    def fail_once(result: object) -> None:
        calls.append(result)
        if len(calls) == 1:
            raise OSError("nobody takes it")
        take(result)  # type: ignore[arg-type]

    rig.robot.sink.detections = fail_once  # type: ignore[method-assign]
    rig.offer(1)
    rig.await_begin()
    rig.go.release()
    rig.offer(2)
    rig.await_begin()
    rig.end()
    assert [result.sequence for result in rig.robot.sink.results] == [2]
    assert any("nobody takes it" in problem for problem in rig.problems)


def test_stopping_waits_for_no_answer() -> None:
    asked = threading.Event()

    class Deaf(Edge):
        def publish(self, request: object) -> None:
            asked.set()

    def choose(context: Context) -> Choice:
        return Choice(0)

    edge = Deaf()
    robot = make_robot(edge, Chooser(choose))
    robot.processor.settings = type(robot.processor.settings)(deadline_s=10_000.0, confidence=0.0)
    rig = Rig(robot)
    rig.offer(1)
    rig.await_begin()
    rig.go.release()
    assert asked.wait(LONG_S)
    rig.pipeline.stop()
    (result,) = robot.sink.results
    assert result.outcome is Outcome.FALLBACK
    assert equal(result.detections, whole(picture(1)))
    assert robot.policy.observations == []
