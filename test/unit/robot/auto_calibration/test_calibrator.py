# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The calibrator's thread, with a real network, real codecs and frames of the real video."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.delay_profile import DelayProfile, measure_delays
from neurosurgeon_ros.calibration.fidelity import FidelityTable
from neurosurgeon_ros.calibration.online.candidates import Candidates, Terms
from neurosurgeon_ros.calibration.online.kept import find_kept
from neurosurgeon_ros.calibration.online.progress import Progress
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.robot.auto_calibration.calibrator import Calibrator, Reports
from neurosurgeon_ros.robot.auto_calibration.idle_time import IdleTime

LONG_S = 120.0
FEW = ("uint8", "fp16-zstd", "int8-zstd", "int6-zstd", "int4-zstd", "int5-delta-d0.5")


@functools.cache
def engine() -> Engine:
    return Engine.load("calibration_network:make")


@functools.cache
def profile() -> DelayProfile:
    measured = measure_delays(engine(), engine().arms(("uint8",)), repeats=2)
    # As on a slow robot, so that the arms that are worth judging do not depend on what else this machine does.
    return replace(measured, front_s=np.linspace(0.0, 1.0, len(measured.front_s)) ** 4)


@functools.cache
def frames() -> tuple[NDArray[np.uint8], ...]:
    """Return frames of the street video, small, 0.2 s apart."""
    capture, found = cv2.VideoCapture(str(find("bikes.mp4"))), []
    while (read := capture.read())[0]:
        found.append(np.asarray(cv2.resize(read[1], (320, 136), interpolation=cv2.INTER_AREA), dtype=np.uint8))
    capture.release()
    return tuple(found[::5])


@dataclass
class Robot:
    """What a robot gives its calibrator, and what it is told."""

    terms: Terms = field(default_factory=lambda: Terms(FEW, Admission()))
    tables: list[FidelityTable] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    shown: int = 0

    def make(self, progress: Progress | None = None) -> Calibrator:
        found = progress or find_kept(engine().fingerprint).progress
        assert found is not None
        return Calibrator(
            engine(),
            Candidates(engine(), lambda: self.terms, profile(), 1.0),
            found,
            idle=IdleTime(),
            source="/image_raw on robot",
            reports=Reports(self.tables.append, self.said.append, self.problems.append),
        )

    def show(
        self,
        calibrator: Calibrator,
        until: Callable[[], object],
        picture: Callable[[int], NDArray[np.uint8]] = lambda number: frames()[number % len(frames())],
        most: int = 2000,
    ) -> None:
        """Show frames, 0.2 s apart on the camera's clock, each once the one before is used up."""
        end = time.monotonic() + LONG_S
        for _ in range(most):
            if until():
                return
            assert time.monotonic() < end, calibrator.status()
            calibrator.see(picture(self.shown), 0.2 * self.shown)
            self.shown += 1
            time.sleep(0.005)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    frames()
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def robot() -> Robot:
    return Robot()


def test_arms_are_judged_written_and_used(robot: Robot) -> None:
    calibrator = robot.make()
    calibrator.start()
    robot.show(calibrator, lambda: calibrator.is_done)
    calibrator.close()
    assert robot.problems == []
    table = robot.tables[-1]
    admitted = {
        arm.name for arm in Admission(fidelity=table).admit(engine(), engine().arms(FEW)) if not arm.is_lossless
    }
    assert admitted & {"second/int8-zstd", "second/int6-zstd", "second/int5-delta-d0.5"}
    assert {*table.arms, *table.streams} >= {name for name in admitted if not name.endswith("fp16-zstd")}
    assert calibrator.status().startswith("done after ")
    assert robot.said == [f"fidelity was calibrated on {table.images}"] * len(robot.tables)
    kept = find_kept(engine().fingerprint)
    assert kept.progress is None
    assert kept.table is not None
    assert kept.table.images == table.images
    assert {**kept.table.streams}.keys() == {**table.streams}.keys()


def test_a_restart_goes_on_and_judges_nothing_again(robot: Robot) -> None:
    first = robot.make()
    first.start()
    robot.show(first, lambda: (find_kept(engine().fingerprint).progress or Progress("")).judged >= 8)
    first.close()
    assert not first.is_done
    before = find_kept(engine().fingerprint).progress
    assert before is not None
    images = {name: one.images for name, one in before.evidence.items()}
    newest = before.newest_block
    assert max(images.values()) >= 4

    second = robot.make()
    assert second.status() == f"{before.frames} of 200 frames"
    second.start()
    robot.show(second, lambda: second.is_done)
    second.close()
    assert robot.tables[-1].judged > max(images.values())
    assert robot.tables[-1].calibrated > before.limit_images
    assert newest >= 0


def test_a_still_or_empty_scene_is_waited_for(robot: Robot) -> None:
    calibrator = robot.make()
    calibrator.start()
    robot.show(calibrator, lambda: "waits for the scene to change" in calibrator.status(), lambda _: frames()[0])
    dark = np.zeros_like(frames()[0])

    def flicker(number: int) -> NDArray[np.uint8]:
        return np.asarray(dark + 10 * (number % 3), dtype=np.uint8)

    robot.show(calibrator, lambda: "waits for objects" in calibrator.status(), flicker)
    assert robot.tables == []
    robot.show(calibrator, lambda: calibrator.is_done)
    calibrator.close()
    assert len(robot.tables) >= 1


def test_a_cache_that_cannot_be_written_does_not_matter_until_a_restart(robot: Robot, cache: Path) -> None:
    (cache / "calibrations").write_text("a file where a folder should be", encoding="utf-8")
    calibrator = robot.make()
    calibrator.start()
    robot.show(calibrator, lambda: calibrator.is_done)
    calibrator.close()
    assert robot.tables
    assert sum("a restart begins the calibration again" in one for one in robot.problems) <= 2
    assert sum("its arms are used until the robot stops" in one for one in robot.problems) == len(robot.tables)


def test_nothing_is_worth_judging_if_only_lossless_codecs_are_asked_for(robot: Robot) -> None:
    robot.terms = Terms(("fp32", "uint8"), Admission())
    calibrator = robot.make()
    calibrator.start()
    robot.show(calibrator, lambda: calibrator.is_done)
    calibrator.close()
    assert robot.tables[-1].streams == {}
    assert all(arm.fidelity == 1.0 for arm in robot.tables[-1].arms.values())
    assert "0 of 0 arms agree" in calibrator.status()


def test_closing_ends_the_thread_while_it_waits_for_frames_and_before_it_has_any(robot: Robot) -> None:
    calibrator = robot.make()
    calibrator.start()
    calibrator.close()
    calibrator = robot.make()
    calibrator.start()
    robot.show(calibrator, lambda: robot.shown >= 10)
    calibrator.close()
    assert not any(thread.name == "auto-calibration" for thread in threading.enumerate())
    assert robot.problems == []


def test_a_failure_is_said_once_and_the_robot_goes_on(robot: Robot) -> None:
    def fail() -> Terms:
        raise RuntimeError("no terms")

    calibrator = robot.make()
    calibrator._candidates.terms = fail
    calibrator.start()
    robot.show(calibrator, lambda: calibrator.is_done)
    calibrator.close()
    assert robot.problems == ["the network could not be calibrated: RuntimeError: no terms"]
    assert calibrator.status() == "failed: RuntimeError: no terms"
