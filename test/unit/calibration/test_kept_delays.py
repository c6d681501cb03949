# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A delay profile is kept from one start to the next while it is valid, and measured again in every other case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robots import small_engine

from neurosurgeon_ros.calibration.admission import ALL_ARMS
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.kept_delays import KeptDelays, whole_is_as_fast
from neurosurgeon_ros.calibration.table_builder import TableBuilder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine

ARMS = small_engine().arms(("fp32", "uint8"))


def equal(one: DelayProfile, other: DelayProfile) -> bool:
    names = ("score_s", "preprocess_s", "front_s", "encode_s", "decode_s", "postprocess_s")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


class Kept:
    """Keeps unique profiles, on a machine whose speed the test sets, and counts the measured ones."""

    def __init__(self) -> None:
        self.measured = 0
        self.is_as_fast = True

    def measure(self, engine: Engine, arms: Sequence[Arm]) -> DelayProfile:
        self.measured += 1
        number = float(self.measured)
        front_s = number + np.arange(engine.on_device + 1)
        return DelayProfile(number, number, front_s, np.full(len(arms), number), np.full(len(arms), 2 * number), number)

    def delays(self, folder: Path) -> KeptDelays:
        return KeptDelays(folder, measure=self.measure, is_as_fast=lambda *_: self.is_as_fast)

    def __call__(self, folder: Path, arms: Sequence[Arm] = ARMS) -> DelayProfile:
        return self.delays(folder).calibrate(small_engine(), arms)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_what_was_measured_at_one_start_serves_the_next(tmp_path: Path, kept: Kept) -> None:
    first = kept(tmp_path / "new")
    assert equal(kept(tmp_path / "new"), first)
    assert kept.measured == 1
    fewer = kept(tmp_path / "new", ARMS[1:])
    assert np.array_equal(fewer.encode_s, first.encode_s[1:])
    assert kept.measured == 1


def test_an_arm_that_was_not_measured_is(tmp_path: Path, kept: Kept) -> None:
    kept(tmp_path, ARMS[1:])
    kept(tmp_path)
    assert kept.measured == 2
    kept(tmp_path)
    assert kept.measured == 2


def test_a_machine_that_is_not_as_fast_any_more_is_measured_anew(tmp_path: Path, kept: Kept) -> None:
    kept(tmp_path)
    kept.is_as_fast = False
    assert kept(tmp_path).preprocess_s == 2.0
    kept.is_as_fast = True
    assert kept(tmp_path).preprocess_s == 2.0
    assert kept.measured == 2


@pytest.mark.parametrize(("factor", "holds"), [(1.1, True), (0.97, True), (1.2, False), (0.9, False)])
def test_a_machine_is_as_fast_while_the_whole_network_takes_as_long(
    monkeypatch: pytest.MonkeyPatch, factor: float, holds: bool
) -> None:
    engine, now_s = small_engine(), [0.0]

    def run_whole(_: Any) -> None:
        now_s[0] += factor

    monkeypatch.setattr(engine.partitioned, "run_whole", run_whole)
    nothing = np.zeros(0)
    then = DelayProfile(0.0, 0.0, np.array([0.0, 1.0]), nothing, nothing, 0.0)
    assert whole_is_as_fast(engine, then, clock=lambda: now_s[0]) is holds


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another machine": lambda content: content["of"].update(machine=["other"]),
    "another format": lambda content: content["of"].update(format=0),
    "another network": lambda content: content["of"].update(fingerprint="0" * 64),
    "another number of threads": lambda content: content["of"].update(threads=99),
    "a field is missing": lambda content: content.pop("front_s"),
    "a point is missing": lambda content: content["front_s"].pop(),
    "points of points": lambda content: content.update(front_s=[content["front_s"]]),
    "negative": lambda content: content.update(preprocess_s=-1.0),
    "not a number": lambda content: content.update(postprocess_s=float("nan")),
    "text": lambda content: content.update(postprocess_s="soon"),
    "another kind": lambda content: content.update(encode_s=[1.0]),
    "endless": lambda content: content["decode_s"].update({ARMS[0].name: float("inf")}),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_file_that_is_not_of_this_machine_and_network_is_measured_anew(tmp_path: Path, kept: Kept, how: str) -> None:
    kept(tmp_path)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    DAMAGE[how](content)
    file.write_text(json.dumps(content))
    kept(tmp_path)
    kept(tmp_path)
    assert kept.measured == 2
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null", b'{"of": 1}'])
def test_a_file_that_is_no_calibration_is_measured_anew(tmp_path: Path, kept: Kept, content: bytes) -> None:
    kept(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    kept(tmp_path)
    kept(tmp_path)
    assert kept.measured == 2


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    assert kept(folder).preprocess_s == 1.0
    assert kept(folder).preprocess_s == 2.0


def test_only_the_first_table_of_a_start_is_taken_from_before(tmp_path: Path, kept: Kept) -> None:
    for _ in range(2):
        builder = TableBuilder(small_engine(), speed=1.0, threads=0, kept=kept.delays(tmp_path))
        builder.build(("fp32", "uint8"), ALL_ARMS, 0.0)
        assert kept.measured == 1
        builder.build(("fp32",), ALL_ARMS, 0.0)
        assert kept.measured == 1, "a later table is measured beside the frames, and not kept"
