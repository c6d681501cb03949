# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an experiment gives, and the files that are made of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """
    An experiment's outcome.

    :param rows: the CSV, a mapping from column to value for each row; all rows have the columns of the first.
    :param summary: what goes into summary.json under the experiment's name.
    :param figure: the plot.
    """

    rows: Sequence[Row]
    summary: Any
    figure: Figure


def write(folder: Path, name: str, result: Result) -> tuple[Path, ...]:
    """
    Write ``NAME.png``, ``NAME.csv`` and the experiment's part of ``summary.json``; each file whole or not at all.

    :param folder: made if need be.
    :param name: the experiment's name.
    :param result: its outcome.
    :return: the files.
    :raises OSError: if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary_path = folder / "summary.json"
    try:
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        summary = {}
    summary[name] = result.summary
    figure_path, table_path = folder / f"{name}.png", folder / f"{name}.csv"
    partials = {path: path.with_name(f".{path.name}.partial") for path in (figure_path, table_path, summary_path)}
    try:
        result.figure.savefig(partials[figure_path], format="png", dpi=130)
        with partials[table_path].open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(result.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _short(value) for key, value in row.items()} for row in result.rows)
        partials[summary_path].write_text(json.dumps(_rounded(summary), indent=1) + "\n", encoding="utf-8")
        for path, partial in partials.items():
            partial.replace(path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
    return tuple(partials)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _rounded(value: Any) -> Any:
    """Give floats six significant digits, which is more than any of them deserves."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return value
