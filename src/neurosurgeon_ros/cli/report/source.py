# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading of a run's decisions from a recording or from decisions.csv."""

from __future__ import annotations

import csv
import dataclasses
import math
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurosurgeon_ros.diagnostics.records import HeaderKey, SeenDecision
from neurosurgeon_ros.protocol.presence import to_id

#: The first bytes of every MCAP file.
MCAP_MAGIC = b"\x89MCAP0\r\n"

#: Longer delays count as not measured.
MAX_DELAY_S = 1e5

_DELAYS = tuple(field.name for field in dataclasses.fields(SeenDecision) if field.name.endswith("_delay"))

_OUTCOMES = ("edge", "on_device", "fallback")


class SourceProblem(ValueError):
    """A file holds no decisions; the message is one sentence."""


def read_decisions(path: Path, robot: str = "") -> list[SeenDecision]:
    """
    Read the decisions of one robot, in order. For a truncated recording, return only the complete ones.

    :param robot: its id, or its node's fully qualified name; empty if the file has only one robot.
    :raises SourceProblem: if there are no decisions, they are from several robots, or the file is of another kind.
    :raises OSError: if the file cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(len(MCAP_MAGIC))
    decisions = [_clean(decision) for decision in (_from_mcap if start == MCAP_MAGIC else _from_csv)(path)]
    if not decisions:
        raise SourceProblem(f"{path} holds no decisions: record while a robot runs")
    robots = sorted({decision.robot_id for decision in decisions})
    named = ", ".join(robots)
    if not robot and len(robots) > 1:
        raise SourceProblem(f"{path} holds the decisions of several robots: choose one by --robot ({named})")
    wanted = robot if robot in robots else to_id(robot) if robot else robots[0]
    if wanted not in robots:
        raise SourceProblem(f"{path} holds no decisions of robot {robot}: it has those of {named}")
    return [decision for decision in decisions if decision.robot_id == wanted]


def _clean(decision: SeenDecision) -> SeenDecision:
    """Make the delays of an untrusted file fit to be drawn: infinite or absurd delays count as not measured."""
    bad: dict[str, Any] = dict.fromkeys(
        (name for name in _DELAYS if not abs(getattr(decision, name)) <= MAX_DELAY_S), math.nan
    )
    return dataclasses.replace(decision, **bad)


def _from_mcap(path: Path) -> list[SeenDecision]:
    from neurosurgeon_ros.recording.recording import read_recording

    return read_recording(path)


def _from_csv(path: Path) -> list[SeenDecision]:
    hints = typing.get_type_hints(SeenDecision)
    fields = {
        field.name: _READERS[hints[field.name]] for field in dataclasses.fields(SeenDecision) if field.name != "header"
    }
    decisions = []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or ()
            missing = [name for name in ("stamp_ns", "frame_id", *fields) if name not in (*columns, *_NEW)]
            if missing:
                raise SourceProblem(
                    f"{path} is neither an MCAP recording nor a decisions.csv: it has no column {missing[0]}"
                )
            for row in reader:
                header = HeaderKey(int(row["stamp_ns"]), row["frame_id"])
                values: dict[str, Any] = {name: read(row[name]) for name, read in fields.items() if name in columns}
                if values["outcome"] not in _OUTCOMES:
                    raise ValueError(f"outcome {values['outcome']!r}")
                decisions.append(SeenDecision(header=header, **values))
    except UnicodeDecodeError:
        raise SourceProblem(f"{path} is neither an MCAP recording nor a decisions.csv: it is not text") from None
    except csv.Error as problem:
        raise SourceProblem(f"{path} cannot be read as CSV: {problem}") from None
    except (ValueError, TypeError) as problem:
        if isinstance(problem, SourceProblem):
            raise
        raise SourceProblem(f"{path}: row {len(decisions) + 2} cannot be read ({problem})") from None
    return decisions


def _seconds(text: str) -> float:
    return math.nan if text == "" else float(text)


#: Columns that older files do not have.
_NEW = ("edge",)

_READERS: dict[type, Callable[[str], Any]] = {
    int: int,
    float: _seconds,
    str: str,
    bool: lambda text: bool(int(text)),
}
