# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A damaged decisions.csv is read, or rejected in one sentence, by every command that reads one."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from fuzz.cases import Case, Fuzz

from neurosurgeon_ros.cli.report.source import SourceProblem, read_decisions
from neurosurgeon_ros.diagnostics.records import SeenDecision
from neurosurgeon_ros.simulation.replay import read_replay

CELLS = (
    "",
    "0",
    "1",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-0.0",
    "1e-320",
    "9" * 5000,
    "edge",
    "on_device",
    "\0",
    '"',
)


def table() -> list[dict[str, str]]:
    """Return the decisions of eight frames, half of which were sent."""
    rows = []
    for number in range(8):
        row = {"stamp_ns": str(number), "frame_id": "camera"}
        for field in dataclasses.fields(SeenDecision):
            if field.name != "header":
                row[field.name] = {"str": "r", "bool": "1", "float": "0.01"}.get(str(field.type), "1")
        row |= {"arm": "input/uint8", "outcome": "edge"} if number % 2 else {"arm": "on_device", "outcome": "on_device"}
        row |= {"sent_bytes": str(1000 + number), "circuit": "closed"}
        rows.append(row)
    return rows


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def damage(case: Case, good: bytes, rows: list[dict[str, str]], path: Path) -> Path:
    """Damage a cell, or the bytes of the file."""
    if case.random() < 0.5:
        path.write_bytes(case.damaged(good))
        return path
    changed = [dict(row) for row in rows]
    for _ in range(case.randrange(1, 4)):
        row = case.choice(changed)
        name = case.choice(list(row))
        row[name] = case.choice(CELLS) if case.random() < 0.7 else case.text(row[name])
    write(path, changed)
    return path


@pytest.fixture
def rows(tmp_path: Path) -> tuple[list[dict[str, str]], bytes, Path]:
    path = tmp_path / "decisions.csv"
    write(path, table())
    return table(), path.read_bytes(), path


def test_a_damaged_table_makes_a_report_or_is_refused(fuzz: Fuzz, rows: Any) -> None:
    table, good, path = rows

    def attempt(case: Case) -> None:
        for decision in read_decisions(damage(case, good, table, path)):
            assert math.isnan(decision.total_delay) or math.isfinite(decision.total_delay)

    fuzz(attempt, SourceProblem)


def test_a_damaged_table_is_replayed_or_refused(fuzz: Fuzz, rows: Any) -> None:
    table, good, path = rows
    fuzz(lambda case: read_replay(damage(case, good, table, path)), ValueError)
