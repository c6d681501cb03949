# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon doctor`` beside real nodes on one machine: each staged fault is named, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from asker import Asker
from other_user import needs_root, nobody
from staged_doctor import CAMERA, EDGE, ROBOT, diagnose
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.ros.process.dds import SHIPPED


def start(processes: Processes, *commands: tuple[str, ...]) -> list[Process]:
    """Start nodes, and wait until all have been started."""
    return [processes.start(*words) for words in commands]


def test_a_robot_and_an_edge_that_work_are_well_and_a_camera_elsewhere_is_named(
    processes: Processes, tmp_path: Path
) -> None:
    _, robot, camera = start(processes, EDGE, ROBOT, CAMERA)
    robot.wait_for_output("uses the edge")
    found = diagnose(processes, tmp_path)
    assert (found.wrong, found.status) == ([], 0), found.screen
    assert "yolov3_tiny 834043395d70 on robot and edge" in found.what("model")
    assert "the edge is on this machine" in found.what("link rate")
    assert found.what("link loss") == "the edge is on this machine"
    assert "/video_node (best effort" in found.what("images")

    camera.end()
    processes.start(*CAMERA, "-r", "image_raw:=/front/image")
    robot.wait_for_output("no image has come on /image_raw")
    found = diagnose(processes, tmp_path)
    assert (found.wrong, found.status) == (["images"], 1), found.screen
    assert "nobody publishes it" in found.what("images") or "its publisher is gone" in found.what("images")
    assert "/front/image by /video_node" in found.what("images")
    assert found.remedy("images").startswith("remap with -r image_raw:=/front/image")


@pytest.mark.full
def test_an_edge_of_another_model_is_named(processes: Processes, tmp_path: Path) -> None:
    _, robot, _ = start(processes, (*EDGE, "-p", "model:=mobilenet_v2"), ROBOT, CAMERA)
    robot.wait_for_output("has no model 834043395d70")
    found = diagnose(processes, tmp_path)
    assert found.wrong == ["model"], found.screen
    assert "yolov3_tiny 834043395d70, the edge serves mobilenet_v2 6f62d4068371" in found.what("model")
    assert found.remedy("model") == "start both with the same model and weights"


@pytest.mark.full
def test_a_best_effort_camera_and_a_robot_that_asks_for_reliable_are_named(
    processes: Processes, tmp_path: Path
) -> None:
    wanted = ("-p", "qos_overrides./image_raw.subscription.reliability:=reliable")
    _, robot, _ = start(processes, EDGE, (*ROBOT, *wanted), CAMERA)
    robot.wait_for_output("uses the edge")
    found = diagnose(processes, tmp_path)
    assert found.wrong == ["quality of service"], found.screen
    assert "/video_node offers best effort on /image_raw, /robot_node asks for reliable" in found.what(
        "quality of service"
    )
    assert found.remedy("quality of service").startswith("remove qos_overrides./image_raw.subscription")


@pytest.mark.full
@needs_root
def test_shared_memory_of_another_user_is_named(processes: Processes, tmp_path: Path) -> None:
    """With a profile of the user's own, the nodes do not begin again over UDP."""
    own = tmp_path / "own.xml"
    own.write_text('<dds xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"><profiles/></dds>')
    profile = dict.fromkeys(SHIPPED, str(own))
    with nobody() as as_nobody:
        robot = processes.start(*as_nobody, *ROBOT, environment=profile)
        edge = processes.start(*EDGE, environment=profile)
        edge.wait_for_output("back-ends")
        robot.wait_for_output("cannot share memory between users")
        found = diagnose(processes, tmp_path)
        assert found.wrong[0] == "transports", found.screen
        assert "belongs to nobody" in found.what("transports")
        assert "transport:=udp" in found.remedy("transports")
        robot.end()


@pytest.mark.full
def test_an_edge_with_too_many_robots_is_named(processes: Processes, tmp_path: Path) -> None:
    _, robot, _ = start(processes, EDGE, ROBOT, CAMERA)
    robot.wait_for_output("uses the edge")
    with watching() as watcher:
        watcher.node.destroy_publisher(watcher.camera)
        askers = [Asker(watcher, f"asker{number}") for number in range(4)]
        for asker in askers:
            asker.meet()

        def answers() -> int:
            return sum(len(asker.feedback) for asker in askers)

        def ask() -> None:
            """Let two requests of each be under way, of which one always waits, until the next answer."""
            for asker in askers:
                while asker.sequence - len(asker.feedback) < 2:
                    asker.send()
            before = answers()
            watcher.until(lambda: answers() > before, "an answer")

        found = diagnose(processes, tmp_path, meanwhile=ask)
    assert "edge load" in found.wrong, found.screen
    assert found.what("edge load").startswith("the edge is overloaded: busy")
