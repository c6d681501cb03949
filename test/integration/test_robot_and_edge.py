# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot and edge as real processes over DDS, with real weights on the real video."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from support import Process, Processes
from watcher import LONG_S, Watcher, watching

from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.robot.decision import Outcome

ROBOT = ("threads:=1", "policy:=edge_only", "codecs:=[uint8]", "deadline_ms:=5000.0")


def parameters(*values: str) -> list[str]:
    return ["--ros-args", *(word for value in values for word in ("-p", value))]


def start_robot(processes: Processes, *values: str) -> Process:
    return processes.start("robot_node", *parameters(*ROBOT, *values))


def start_edge(processes: Processes, *values: str) -> Process:
    return processes.start("edge_node", *parameters("threads:=1", *values))


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def test_frames_go_over_the_edge_and_nothing_shows_of_it(processes: Processes, watcher: Watcher) -> None:
    edge, robot = start_edge(processes), start_robot(processes)
    watcher.robot_is_there()
    watcher.edge_serves()
    watcher.step_until(Outcome.EDGE)
    for _ in range(10):
        watcher.step()
    assert [decision.outcome for decision in watcher.decisions[-10:]] == [Outcome.EDGE] * 10
    watcher.assert_every_frame_was_answered_once_in_order()
    for decision, detections in zip(watcher.decisions, watcher.detections, strict=True):
        assert decision.detections == len(detections.detections)
        assert decision.policy == "edge_only"
    assert [decision.sequence for decision in watcher.decisions] == list(range(1, len(watcher.images) + 1))
    last = watcher.decisions[-1]
    assert (last.arm, last.partition_point, last.sent_bytes) == ("input/uint8", 0, 416 * 416 * 3)
    assert (last.frames_received, last.frames_accepted) == (len(watcher.images), len(watcher.images))
    assert last.offload_delay > last.edge_compute_delay > 0
    found = {d.results[0].hypothesis.class_id for message in watcher.detections for d in message.detections}
    assert "person" in found and found <= set(COCO_NAMES)

    # The same frame gives the same detections wherever it runs.
    assert watcher.step(0).outcome == Outcome.EDGE
    with_edge = watcher.detections[-1]
    edge.end(signal.SIGTERM)
    watcher.step_until(Outcome.ON_DEVICE)
    assert watcher.step(0).outcome == Outcome.ON_DEVICE
    alone = watcher.detections[-1]
    for one, other in zip(with_edge.detections, alone.detections, strict=True):
        assert (one.results, one.bbox) == (other.results, other.bbox)
    assert robot.end(signal.SIGINT) == 0
    assert edge.popen.returncode == 0


def test_a_robot_works_alone_from_its_first_frame_and_takes_the_edge_into_use_when_it_appears(
    processes: Processes, watcher: Watcher
) -> None:
    start_robot(processes)
    watcher.robot_is_there()
    for _ in range(3):
        assert watcher.step().outcome == Outcome.ON_DEVICE
        assert watcher.decisions[-1].reason == "no edge is there"
    assert len(watcher.images) == 3

    assert watcher.drawn == []
    watcher.watch_labels()
    watcher.until(lambda: watcher.labels, "the class names, latched")
    assert [entry.class_name for entry in watcher.labels[0].class_map] == list(COCO_NAMES)
    assert watcher.labels[0].threshold == 0.25
    watcher.watch_drawn()
    watcher.until(lambda: watcher.node.count_publishers("detections/image") > 0, "drawn images' publisher")
    while not watcher.drawn:
        watcher.step()
    assert (watcher.drawn[0].width, watcher.drawn[0].encoding) == (640, "bgr8")
    assert watcher.drawn[0].header in [image.header for image in watcher.images]

    edge = start_edge(processes)
    watcher.step_until(Outcome.EDGE)

    # SIGKILL during the run loses no frame, and the restarted edge is used again.
    edge.end(signal.SIGKILL)
    watcher.step_until(Outcome.ON_DEVICE)
    start_edge(processes)
    watcher.step_until(Outcome.EDGE)
    watcher.assert_every_frame_was_answered_once_in_order()


@pytest.mark.full
def test_a_robot_that_was_killed_is_served_again_and_one_with_its_id_is_not(
    processes: Processes, watcher: Watcher
) -> None:
    start_edge(processes)
    robot = start_robot(processes)
    watcher.robot_is_there()
    watcher.step_until(Outcome.EDGE)

    second = start_robot(processes, "robot_id:=robot_node")
    second.wait_for_output("the id robot_node is held by another robot, /robot_node on ")
    assert second.popen.wait(LONG_S) == 1

    robot.end(signal.SIGKILL)
    watcher.until(lambda: watcher.camera.get_subscription_count() == 0, "the end of the robot")
    start_robot(processes)
    watcher.robot_is_there()
    watcher.step_until(Outcome.EDGE)
