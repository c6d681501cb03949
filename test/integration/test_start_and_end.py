# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How nodes start, or report why they do not, and how they end."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from pathlib import Path

import pytest
from rclpy.serialization import deserialize_message
from support import Processes

from benchmarks.faults.stage.make import make_stage
from benchmarks.faults.stage.relay import Fate
from benchmarks.faults.stage.stage import Stage
from neurosurgeon_ros.models.files import FILES, HOW_TO_GET
from neurosurgeon_ros.msg import PartialInference

WEIGHTS = FILES["yolov3-tiny.weights"]


Case = tuple[str, tuple[str, ...]]

EDGE: tuple[Case, ...] = (
    ("weights:=/nowhere/tiny.weights", ("/nowhere/tiny.weights", "is missing")),
    ("model:=vgg", ("parameter model", "'vgg'", "choose one of yolov3_tiny")),
    ("edge_namespace:='no good'", ("parameter edge_namespace", "'no good'", "/neurosurgeon")),
    ("robot_weights:=[]", ("parameter robot_weights was given an empty list, expected a string array",)),
    ("threads:=1.5", ("parameter threads was given 1.5, expected an integer in [0, 256]",)),
    ("threads:=1000", ("parameter threads was given 1000, expected an integer in [0, 256]",)),
)
ROBOT: tuple[Case, ...] = (
    ("policy:=best", ("parameter policy", "'best'", "choose one of", "mu_lin_ucb", "edge_only", "on_device")),
    ("codecs:=[fp32,mp3]", ("parameter codecs", "'mp3'", "choose among", "fp32", "uint8")),
    ("confidence:=2", ("parameter confidence was given 2.0, expected a double in [0, 1]",)),
    ("robot_id:='--'", ("'--'",)),
)


@pytest.mark.parametrize(("node", "cases"), [("edge_node", EDGE), ("robot_node", ROBOT)])
def test_a_node_that_cannot_start_says_why_in_one_sentence(
    processes: Processes, node: str, cases: tuple[Case, ...]
) -> None:
    running = [(processes.start(node, "--ros-args", "-p", value), said) for value, said in cases]
    for process, said in running:
        assert process.popen.wait(60) == 1, process.output
        assert "Traceback" not in process.output
        for part in said:
            assert part in process.output
        # Another user's nodes in a parallel test may hold a shared-memory port. Fast DDS then prints a message.
        lines = [line for line in process.output.splitlines() if "RTPS_TRANSPORT_SHM" not in line]
        assert len(lines) == 1, process.output


def test_weights_in_the_cache_folder_that_are_not_the_published_ones_are_said(
    processes: Processes, tmp_path: Path
) -> None:
    running = []
    for name, size, said in (
        ("missing", None, "is missing"),
        ("short", 4, f"has 4 bytes where {WEIGHTS.size} are expected"),
        ("wrong", WEIGHTS.size, f"where {WEIGHTS.sha256} is expected"),
    ):
        cache = tmp_path / name
        cache.mkdir()
        path = cache / WEIGHTS.name
        if size is not None:
            with path.open("wb") as stream:
                stream.truncate(size)
        process = processes.start(
            "edge_node" if name == "short" else "robot_node", environment={"NEUROSURGEON_CACHE": str(cache)}
        )
        running.append((process, str(path), said))
    for process, path_said, said in running:
        assert process.popen.wait(60) == 1, process.output
        for part in (path_said, said, HOW_TO_GET):
            assert part in process.output
        assert "Traceback" not in process.output


def test_a_parameter_file_that_is_not_there_is_said(processes: Processes) -> None:
    process = processes.start("edge_node", "--ros-args", "--params-file", "/nowhere/edge.yaml")
    assert process.popen.wait(60) == 1
    assert "/nowhere/edge.yaml" in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_ends_a_node_with_exit_code_0(processes: Processes, number: signal.Signals) -> None:
    generator = random.Random(int(number))
    for node in ("robot_node", "edge_node"):
        for moment_s in sorted(generator.uniform(0.0, 4.0) for _ in range(2)):
            process = processes.start(node, "--ros-args", "-p", "threads:=1", keep_signals=True)
            # The moment itself is tested, so there is no event to wait for.
            with pytest.raises(subprocess.TimeoutExpired):
                process.popen.wait(moment_s)
            process.send(number)
            assert process.popen.wait(10) == 0, (node, moment_s, process.output)
            assert "Traceback" not in process.output, (node, moment_s)
            assert "Exception ignored" not in process.output, (node, moment_s)


#: What a robot does when it is told to end, and the kind of message that shows this.
MOMENTS = (("running", "partial_inference"), ("fallback", "partial_inference"), ("starting", "hello"))


def _end_on(stage: Stage, kind: str, number: signal.Signals) -> tuple[int, int]:
    """
    Send the stage's robot a signal at the moment when its next message of a kind is on its way to the edge.

    :returns: its exit code, and the number of the last frame of which anything was seen on the link.
    """
    robot, last, sent = stage.robot, 0, False
    assert robot is not None

    def plan(name: str, message: bytes) -> Fate:
        nonlocal last, sent
        if name == "partial_inference":
            last = max(last, deserialize_message(message, PartialInference).sequence)
        if name == kind and not sent:
            sent = True
            robot.send(number)
        return [(0.0, message)]

    stage.relay.plan = plan
    code = robot.process.wait(60)
    stage.drain()
    stage.relay.plan = None
    return code, last


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
def test_what_was_accepted_is_published_whenever_a_robot_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    with make_stage(logs=tmp_path, seed=int(number)) as stage:
        stage.start_edge()
        stage.camera.play()
        for moment, kind in (
            ("running", "partial_inference"),
            ("fallback", "partial_inference"),
            ("starting", "hello"),
        ):
            stage.start_robot()
            since = stage.counter.mark()
            stage.camera.play()
            if moment != "starting":
                assert stage.await_edge() is not None
            assert stage.edge is not None
            with stage.stopped(stage.edge) if moment == "fallback" else contextlib.nullcontext():
                code, last = _end_on(stage, kind, number)
            tally = stage.tally(since)
            assert code == 0, moment
            assert tally.accepted >= last, moment
            assert (tally.published, tally.lost, tally.duplicated) == (tally.accepted, 0, 0), moment


def test_nodes_that_were_killed_start_again_and_work(tmp_path: Path) -> None:
    with make_stage(logs=tmp_path, seed=9) as stage:
        for _ in range(2):
            stage.restore()
            stage.await_robot()
            assert stage.await_edge() is not None
            assert stage.robot is not None
            assert stage.edge is not None
            for child in (stage.robot, stage.edge):
                assert stage.end(child, signal.SIGKILL) == -signal.SIGKILL
