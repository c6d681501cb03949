# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with a user's own network calibrates it by itself while it works: real nodes, real frames, a real edge."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.calibration.fidelity import FidelityTable, read_fidelity
from neurosurgeon_ros.calibration.online.progress import Progress, read_progress
from neurosurgeon_ros.models.files import find

#: Seconds between two frames of the camera.
PERIOD_S = 0.05

#: Size of the camera's images: width, height.
SIZE = 320, 136

#: Few codecs, so that the tests are short.
FEW = "codecs:=[uint8, fp16-zstd, int8-zstd, int6-zstd, int4-zstd, int5-delta-d0.5]"

#: Time limit for a calibration on a busy machine, in seconds.
LONG_S = 240.0

#: Arms that a robot uses without a calibration: those without loss, and fp16.
LOSSLESS = {"on_device", "fp32", "fp32-zstd", "fp16", "fp16-zstd", "uint8", "uint8-zstd", "webp-lossless", "raw"}


@functools.cache
def frames() -> tuple[NDArray[np.uint8], ...]:
    """Return the frames of the street video, small."""
    capture, found = cv2.VideoCapture(str(find("bikes.mp4"))), []
    while (read := capture.read())[0]:
        found.append(np.asarray(cv2.resize(read[1], SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8))
    capture.release()
    return tuple(found)


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        watcher.picture = lambda index: frames()[index % len(frames())]
        yield watcher


class Robots:
    """Starts robots and an edge that share a cache folder of their own."""

    def __init__(self, root: Path, cache: Path, processes: Processes) -> None:
        self.cache = cache
        self._processes = processes
        path = os.pathsep.join([str(root / "test"), os.environ.get("PYTHONPATH", "")])
        self._environment = {"PYTHONPATH": path, "NEUROSURGEON_CACHE": str(cache)}

    def start(self, *values: str, program: str = "robot_node", model: str = "calibration_network:make") -> Process:
        words = [word for value in (f"model:={model}", "threads:=1", *values) for word in ("-p", value)]
        return self._processes.start(program, "--ros-args", *words, environment=self._environment, keep_signals=True)

    @property
    def files(self) -> list[Path]:
        """Return the calibrations that are kept."""
        folder = self.cache / "calibrations"
        return [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(".progress.json")]

    @property
    def unfinished(self) -> list[Path]:
        """Return the calibrations in progress."""
        return sorted((self.cache / "calibrations").glob("*.progress.json"))


@pytest.fixture
def robots(root: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Robots:
    cache = tmp_path / "cache"
    cache.mkdir()
    return Robots(root, cache, processes)


def watch_until(watcher: Watcher, robot: Process, text: str, period_s: float = PERIOD_S) -> None:
    """Show frames at the camera's rate until the robot has logged a text."""
    timer = watcher.node.create_timer(period_s, watcher.show)
    watcher.until(lambda: text in robot.output, text, LONG_S)
    watcher.node.destroy_timer(timer)


def lossy_arms(output: str) -> list[str]:
    """Return the arms with loss that a robot has named last."""
    named = output.rpartition(" arms (")[2].partition(")")[0]
    return [arm for arm in named.split(", ") if arm.rpartition("/")[2] not in LOSSLESS]


def the_calibration(robots: Robots) -> FidelityTable:
    (path,) = robots.files
    table = read_fidelity(path)
    assert path.name == f"{table.fingerprint}.json"
    return table


def the_progress(robots: Robots, monkeypatch: pytest.MonkeyPatch) -> Progress:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(robots.cache))
    (path,) = robots.unfinished
    return read_progress(path.name.partition(".")[0])


@pytest.mark.full
def test_a_new_network_has_codecs_within_200_frames_and_at_once_after_a_restart(
    robots: Robots, watcher: Watcher
) -> None:
    robots.start(program="edge_node")
    robot = robots.start()
    watcher.robot_is_there()
    watcher.edge_serves()
    robot.wait_for_output("until then only arms without loss and fp16 are used")
    assert lossy_arms(robot.output) == []
    watch_until(watcher, robot, "fidelity was calibrated on ", period_s=0.1)
    assert int(re.findall(r"calibrated on \d+ of (\d+) frames", robot.output)[0]) <= 200
    watcher.until(lambda: "from the next frame on: " in robot.output, "the arms in use")
    table = the_calibration(robots)
    assert lossy_arms(robot.output)
    assert {*lossy_arms(robot.output)} <= {*table.arms, *table.streams}
    assert "frames of /image_raw on robot_node, until 20" in table.images
    assert table.calibrated > 0
    assert table.judged >= 24
    watcher.until(lambda: table.images in watcher.values.get("calibration", ""), "the diagnostics")
    robot.end(signal.SIGKILL)

    again = robots.start()
    again.wait_for_output("fidelity was calibrated on ")
    again.wait_for_output(" on the device")
    assert lossy_arms(again.output)
    assert "until then only arms without loss" not in again.output


def test_a_robot_that_was_killed_goes_on_where_it_was(
    robots: Robots, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = robots.start(FEW)
    watcher.robot_is_there()
    timer = watcher.node.create_timer(PERIOD_S, watcher.show)
    watcher.until(lambda: robots.unfinished and the_progress(robots, monkeypatch).judged >= 8, "some progress")
    robot.end(signal.SIGKILL)
    watcher.node.destroy_timer(timer)
    before = the_progress(robots, monkeypatch)
    assert robots.files == []

    again = robots.start(FEW)
    again.wait_for_output(f", {before.frames} of which were seen before")
    watcher.robot_is_there()
    watch_until(watcher, again, "fidelity was calibrated on ")
    assert the_calibration(robots).judged > before.judged


def test_a_robot_calibrates_nothing_if_it_is_told_so(robots: Robots, watcher: Watcher) -> None:
    robot = robots.start(FEW, "auto_calibrate:=false")
    watcher.robot_is_there()
    for _ in range(20):
        watcher.step()
    watcher.values.clear()
    watcher.until(lambda: watcher.values.get("auto-calibration") == "off", "the diagnostics")
    assert "has no calibration: only arms without loss and fp16 are used" in robot.output
    assert not (robots.cache / "calibrations").exists()
    assert robot.end(signal.SIGINT) == 0


@pytest.mark.full
def test_a_users_own_calibration_is_kept(robots: Robots, watcher: Watcher) -> None:
    robot = robots.start(FEW)
    watcher.robot_is_there()
    watch_until(watcher, robot, "fidelity was calibrated on ")
    robot.end()
    (path,) = robots.files
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "images": "my pictures"}), encoding="utf-8")
    (path.parent / f"{path.stem}.progress.json").write_text("anything", encoding="utf-8")

    again = robots.start(FEW)
    again.wait_for_output("fidelity was calibrated on my pictures")
    watcher.robot_is_there()
    watcher.values.clear()
    watcher.until(lambda: watcher.values.get("auto-calibration") == "off", "the diagnostics")
    again.end()
    other = robots.start(FEW, model="calibration_network:make_other")
    other.wait_for_output("until then only arms without loss and fp16 are used")


@pytest.mark.full
def test_a_camera_that_stops_and_a_scene_that_stands_still_prove_nothing(robots: Robots, watcher: Watcher) -> None:
    robot = robots.start(FEW)
    watcher.robot_is_there()
    timer = watcher.node.create_timer(PERIOD_S, watcher.show)
    watcher.until(lambda: len(watcher.images) >= 30, "frames of a camera")
    watcher.node.destroy_timer(timer)
    picture = watcher.picture
    watcher.picture = lambda _: picture(0)
    timer = watcher.node.create_timer(PERIOD_S, watcher.show)
    watcher.until(lambda: "waits for the scene to change" in watcher.values.get("auto-calibration", ""), "diagnostics")
    watcher.until(lambda: len(watcher.images) >= 120, "more frames of the same scene")
    watcher.node.destroy_timer(timer)
    assert robots.files == []
    assert "fidelity was calibrated" not in robot.output

    watcher.picture = picture
    watch_until(watcher, robot, "from the next frame on: ")
    assert robots.files != []
