# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a robot's own calibration: kept, refused, and subordinate to the user's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurosurgeon_ros.calibration.agreement import Matches
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, CalibrationProblem, FidelityTable, write_fidelity
from neurosurgeon_ros.calibration.online.evidence import Evidence
from neurosurgeon_ros.calibration.online.kept import find_kept, publish
from neurosurgeon_ros.calibration.online.progress import (
    Progress,
    Screened,
    progress_path,
    read_progress,
    remove_progress,
    write_progress,
)
from neurosurgeon_ros.codecs.limits import Limits

PRINT = "ab" * 32
TABLE = FidelityTable("own", PRINT, "f1", "30 of 60 frames", 6, 30, {"a/int8": ArmFidelity(0.99, 0.98, 1.0, 10.0)})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    return tmp_path


def some_progress() -> Progress:
    evidence = Evidence()
    evidence.compare(Matches(3, 4, 5), 7)
    evidence.send(12, is_key=True)
    evidence.send(3, period_s=0.1)
    return Progress(
        PRINT,
        frames=84,
        judged=20,
        empty=3,
        limit_images=6,
        pixels=1000,
        screened={"a/int8": Screened(0.1, 0.2, 30.0)},
        evidence={"a/int8": evidence},
        limits={"a/int4-cal-zstd": (None, Limits((-1.0,), (2.0,)))},
        dropped={"a/raw"},
    )


def test_progress_survives_a_restart() -> None:
    assert read_progress(PRINT) == Progress(PRINT)
    write_progress(some_progress())
    assert read_progress(PRINT) == some_progress()
    assert read_progress(PRINT).newest_block == 7
    remove_progress(PRINT)
    remove_progress(PRINT)
    assert read_progress(PRINT) == Progress(PRINT)


def damage(content: dict[str, Any], *keys: str, value: Any) -> str:
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("format",), 2, "it has format 2, 1 is known"),
        (("fingerprint",), "cd" * 32, "it belongs to another network"),
        (("frames",), -1, "frames is out of its range"),
        (("frames",), float("inf"), "infinity"),
        (("evidence", "a/int8", "blocks"), [], "blocks are missing"),
        (("evidence", "a/int8", "blocks", "7"), [5, 4, 5], "a comparison has a figure out of its range"),
        (("evidence", "a/int8", "sent_bytes"), float("nan"), "sent_bytes is out of its range"),
        (("screened", "a/int8", "robot_s"), -1.0, "an arm has a figure out of its range"),
        (("limits", "a/int4-cal-zstd"), [{"low": [1.0], "high": [2.0]}], "a lower limit of quantisation"),
        (("screened",), 3, "has no attribute"),
    ],
)
def test_damaged_progress_is_refused_in_one_sentence(keys: tuple[str, ...], value: Any, said: str) -> None:
    write_progress(some_progress())
    content = json.loads(progress_path(PRINT).read_text(encoding="utf-8"))
    progress_path(PRINT).write_text(damage(content, *keys, value=value), encoding="utf-8")
    with pytest.raises(CalibrationProblem, match="calibration begins again") as caught:
        read_progress(PRINT)
    assert said in str(caught.value)
    kept = find_kept(PRINT)
    assert kept.progress == Progress(PRINT)
    assert kept.problems == (str(caught.value),)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\udcff"])
def test_truncated_progress_is_refused(text: str) -> None:
    write_progress(some_progress())
    progress_path(PRINT).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CalibrationProblem, match="calibration begins again"):
        read_progress(PRINT)


def test_a_robot_starts_with_nothing_or_goes_on_or_uses_what_it_finished() -> None:
    assert (find_kept(PRINT).table, find_kept(PRINT).progress) == (None, Progress(PRINT))
    half = some_progress()
    write_progress(half)
    assert (find_kept(PRINT).table, find_kept(PRINT).progress) == (None, half)
    half.published = TABLE.images
    write_progress(half)
    write_fidelity(TABLE)
    kept = find_kept(PRINT)
    assert kept.table is not None
    assert kept.progress == half
    remove_progress(PRINT)
    assert find_kept(PRINT).table is not None
    assert find_kept(PRINT).progress is None


def test_the_users_calibration_takes_precedence() -> None:
    half = some_progress()
    half.published = TABLE.images
    write_progress(half)
    users = replace(TABLE, images="my pictures")
    write_fidelity(users)
    kept = find_kept(PRINT)
    assert kept.table is not None
    assert kept.table.images == "my pictures"
    assert kept.progress is None
    assert publish(TABLE, before="").images == "my pictures"
    assert not progress_path(PRINT).exists()


def test_a_robot_replaces_its_own_calibration_and_one_that_cannot_be_read() -> None:
    assert publish(TABLE, before="") is TABLE
    newer = replace(TABLE, images="48 of 200 frames")
    assert publish(newer, before=TABLE.images) is newer
    path = write_fidelity(TABLE)
    path.write_text("{", encoding="utf-8")
    kept = find_kept(PRINT)
    assert kept.table is None
    assert kept.progress == Progress(PRINT)
    assert "cannot be read" in kept.problems[0]
    assert publish(newer, before="") is newer
    path.write_text(path.read_text(encoding="utf-8").replace(PRINT, "cd" * 32), encoding="utf-8")
    assert "belongs to own, another network" in find_kept(PRINT).problems[0]


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(cache: Path) -> None:
    (cache / "calibrations").write_text("a file", encoding="utf-8")
    with pytest.raises(CalibrationProblem, match="cannot be written"):
        write_progress(some_progress())
    with pytest.raises(CalibrationProblem, match="cannot be written"):
        publish(TABLE, before="")
    with pytest.raises(CalibrationProblem, match="cannot be removed"):
        remove_progress(PRINT)
