# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A calibration is kept from one start to the next while it holds, and measured anew in every other case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robots import small_engine

from neurosurgeon_ros.runtime import kept_calibration
from neurosurgeon_ros.runtime.admission import ALL_ARMS
from neurosurgeon_ros.runtime.engine import Arm, Calibration
from neurosurgeon_ros.runtime.kept_calibration import KeptCalibration
from neurosurgeon_ros.runtime.rebuilding import TableBuilder

ARMS = small_engine().arms(("fp32", "uint8"))


def equal(one: Calibration, other: Calibration) -> bool:
    names = ("score_s", "preprocess_s", "front_s", "encode_s", "decode_s", "postprocess_s")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the calibrations that are measured, of which no two are the same."""
    times: list[int] = []
    engine = small_engine()

    def calibrate(arms: Sequence[Arm], *, repeats: int = 7) -> Calibration:
        times.append(repeats)
        number = float(len(times))
        front_s = number + np.arange(engine.on_device + 1)
        return Calibration(number, number, front_s, np.full(len(arms), number), np.full(len(arms), 2 * number), number)

    monkeypatch.setattr(engine, "calibrate", calibrate)
    return times


@pytest.fixture
def as_fast_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calibration, "_still_holds", lambda *_: True)


def kept(folder: Path, arms: Sequence[Arm] = ARMS) -> Calibration:
    return KeptCalibration(folder).calibrate(small_engine(), arms)


@pytest.mark.usefixtures("as_fast_as_ever")
def test_what_was_measured_at_one_start_serves_the_next(tmp_path: Path, measured: list[int]) -> None:
    first = kept(tmp_path / "new")
    assert equal(kept(tmp_path / "new"), first)
    assert len(measured) == 1
    fewer = kept(tmp_path / "new", ARMS[1:])
    assert np.array_equal(fewer.encode_s, first.encode_s[1:])
    assert len(measured) == 1


@pytest.mark.usefixtures("as_fast_as_ever")
def test_an_arm_that_was_not_measured_is(tmp_path: Path, measured: list[int]) -> None:
    kept(tmp_path, ARMS[1:])
    kept(tmp_path)
    assert len(measured) == 2
    kept(tmp_path)
    assert len(measured) == 2


def test_a_machine_that_is_not_as_fast_any_more_is_measured_anew(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path)
    monkeypatch.setattr(kept_calibration, "_still_holds", lambda *_: False)
    assert kept(tmp_path).preprocess_s == 2.0
    monkeypatch.setattr(kept_calibration, "_still_holds", lambda *_: True)
    assert kept(tmp_path).preprocess_s == 2.0
    assert len(measured) == 2


@pytest.mark.parametrize(("factor", "holds"), [(1.1, True), (0.97, True), (1.2, False), (0.9, False)])
def test_a_machine_is_as_fast_while_the_whole_network_takes_as_long(
    monkeypatch: pytest.MonkeyPatch, factor: float, holds: bool
) -> None:
    engine, now_s = small_engine(), [0.0]

    def run_whole(_: Any) -> None:
        now_s[0] += factor

    monkeypatch.setattr(kept_calibration.time, "perf_counter", lambda: now_s[0])
    monkeypatch.setattr(engine.partitioned, "run_whole", run_whole)
    nothing = np.zeros(0)
    then = Calibration(0.0, 0.0, np.array([0.0, 1.0]), nothing, nothing, 0.0)
    assert kept_calibration._still_holds(engine, then) is holds


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


@pytest.mark.usefixtures("as_fast_as_ever")
@pytest.mark.parametrize("how", DAMAGE)
def test_a_file_that_is_not_of_this_machine_and_network_is_measured_anew(
    tmp_path: Path, measured: list[int], how: str
) -> None:
    kept(tmp_path)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    DAMAGE[how](content)
    file.write_text(json.dumps(content))
    kept(tmp_path)
    kept(tmp_path)
    assert len(measured) == 2
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.usefixtures("as_fast_as_ever")
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null", b'{"of": 1}'])
def test_a_file_that_is_no_calibration_is_measured_anew(tmp_path: Path, measured: list[int], content: bytes) -> None:
    kept(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    kept(tmp_path)
    kept(tmp_path)
    assert len(measured) == 2


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, measured: list[int]) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    assert kept(folder).preprocess_s == 1.0
    assert kept(folder).preprocess_s == 2.0


@pytest.mark.usefixtures("as_fast_as_ever")
def test_only_the_first_table_of_a_start_is_taken_from_before(tmp_path: Path, measured: list[int]) -> None:
    for number in (1, 2):
        builder = TableBuilder(small_engine(), speed=1.0, threads=0, kept=KeptCalibration(tmp_path))
        builder.build(("fp32", "uint8"), ALL_ARMS, 0.0)
        assert len(measured) == number
        builder.build(("fp32",), ALL_ARMS, 0.0)
        assert len(measured) == number + 1
