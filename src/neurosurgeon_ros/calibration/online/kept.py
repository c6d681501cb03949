# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The calibration that a robot starts with, and its own one beside that of its user."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.calibration.fidelity import (
    CalibrationProblem,
    FidelityTable,
    calibrations_folder,
    find_fidelity,
    find_shipped,
    read_fidelity,
    write_fidelity,
)
from neurosurgeon_ros.calibration.online.progress import Progress, read_progress, remove_progress


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """
    What is known of a network at a start.

    :param table: its calibration; None if there is none.
    :param progress: progress of its calibration by the robot; None if that is finished, or another one is there.
    :param problems: files that were refused, one sentence each.
    """

    table: FidelityTable | None
    progress: Progress | None
    problems: tuple[str, ...] = ()


def find_kept(fingerprint: str) -> Kept:
    """
    Return a network's calibration, and whether the robot has to go on with it.

    The user's calibration takes precedence, and then the one in the package. A file that cannot be read, or belongs to
    another network, counts as none.
    """
    problems = []
    try:
        table = find_fidelity(fingerprint)
    except CalibrationProblem as problem:
        problems.append(str(problem))
        table = find_shipped(fingerprint)
    try:
        progress = read_progress(fingerprint)
    except CalibrationProblem as problem:
        problems.append(str(problem))
        progress = Progress(fingerprint)
    if table is None:
        progress.published = ""
    elif table.images != progress.published:
        return Kept(table, None, tuple(problems))
    return Kept(table, progress, tuple(problems))


def publish(table: FidelityTable, *, before: str) -> FidelityTable:
    """
    Write a robot's calibration, unless somebody else has made one meanwhile.

    :param before: description in the calibration that the robot wrote before; empty if it wrote none.
    :returns: the calibration to use: this one, or the other one.
    :raises CalibrationProblem: if it cannot be written.
    """
    path = calibrations_folder() / f"{table.fingerprint}.json"
    if path.is_file():
        try:
            there = read_fidelity(path)
        except CalibrationProblem:
            there = None  # refused at the start
        if there is not None and there.fingerprint == table.fingerprint and there.images != before:
            remove_progress(table.fingerprint)
            return there
    write_fidelity(table)
    return table
