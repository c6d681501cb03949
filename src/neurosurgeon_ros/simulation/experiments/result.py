# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The result of an experiment, and the files with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurosurgeon_ros.atomic_write import write_atomically, write_text_atomically

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """
    The result of an experiment.

    :param rows: rows of the CSV, each a mapping from column to value. All rows have the columns of the first row.
    :param summary: value for summary.json under the experiment's name.
    :param figure: the plot.
    """

    rows: Sequence[Row]
    summary: Any
    figure: Figure


def write(folder: Path, name: str, result: Result) -> tuple[Path, ...]:
    """
    Write ``NAME.png``, ``NAME.csv`` and the experiment's part of ``summary.json``, each completely or not at all.

    :param folder: folder for the files; created if it does not exist.
    :param name: the experiment's name.
    :param result: the result of the experiment.
    :returns: paths of the written files.
    :raises OSError: if a file cannot be written.
    """
    summary_path = folder / "summary.json"
    try:
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        summary = {}
    summary[name] = result.summary
    figure_path, table_path = folder / f"{name}.png", folder / f"{name}.csv"
    write_atomically(figure_path, lambda partial: result.figure.savefig(partial, format="png", dpi=130))
    write_atomically(table_path, lambda partial: _write_rows(partial, result.rows))
    write_text_atomically(summary_path, json.dumps(_rounded(summary), indent=1) + "\n")
    return figure_path, table_path, summary_path


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _rounded(value: Any) -> Any:
    """Round all floats to six significant digits, which is more than their accuracy."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return value
