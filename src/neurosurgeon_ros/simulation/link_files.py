# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read recorded links from CSV files and from mahimahi traces."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.table import non_negative

#: Seconds for which each rate holds; maximum length of a recording in seconds, one day.
ROW_S, _LONGEST_S = 0.1, 86_400
#: Megabits of one mahimahi packet; milliseconds of a row.
_PACKET_MBIT, _ROW_MS = 1500 * 8 / 1e6, 100
_FORMS = "a CSV with a column mbps, or a trace of mahimahi with a whole number of milliseconds on each line"


def read_link(path: Path) -> FloatArray:
    """
    Read a recorded link in one of two formats. The first line determines the format.

    A CSV file has a column ``mbps`` with the rate in Mbit/s, and one row per 100 ms. If it has a column ``seconds``,
    each rate holds from its own time until the time of the next row. The last rate holds as long as the one before it.

    Each line of a mahimahi trace is the millisecond at which one packet of 1,500 bytes may leave. A repeated number
    means several packets. The last number is also the length of the trace.

    :returns: rates in Mbit/s, one per 100 ms.
    :raises ValueError: if there are no rows, a rate or time is missing, negative or not a number, times do not
        increase, all rates are 0, or the recording is longer than one day.
    :raises OSError: if the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text; give {_FORMS}") from None
    first = next((line.strip() for line in lines if line.strip()), None)
    if first is None:
        raise ValueError(f"{path} has no rows; give {_FORMS}")
    mbps = _read_packets(path, lines) if _is_number(first) else _read_csv(path, lines)
    if not mbps.any():
        raise ValueError(f"{path} holds no rate above 0 Mbit/s, and needs at least one")
    return mbps


def read_links(folder: Path) -> dict[str, FloatArray]:
    """
    Read every file of a folder in the order of their names. Hidden files and subfolders are skipped.

    :returns: rates as returned by :func:`read_link`, by file name without extension.
    :raises ValueError: if a file is not a recorded link, two names differ only in their extension, or there is no file.
    :raises OSError: if a file or the folder cannot be read.
    """
    links: dict[str, FloatArray] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in links:
            raise ValueError(f"{folder} holds two links {path.stem!r}; give each its own name")
        links[path.stem] = read_link(path)
    if not links:
        raise ValueError(f"there is no link in {folder}; each file must be {_FORMS}")
    return links


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdecimal()


def _read_csv(path: Path, lines: Sequence[str]) -> FloatArray:
    reader = csv.DictReader(lines, skipinitialspace=True)
    rates, seconds = [], []
    try:
        columns = reader.fieldnames or ()
        if "mbps" not in columns:
            raise ValueError(f"{path} has no column mbps; give {_FORMS}")
        for row in reader:
            where = f"{path}, line {reader.line_num}, column"
            rates.append(non_negative(row["mbps"], f"{where} mbps"))
            if "seconds" in columns:
                seconds.append(non_negative(row["seconds"], f"{where} seconds"))
                if len(seconds) > 1 and seconds[-1] <= seconds[-2]:
                    raise ValueError(
                        f"{where} seconds is {row['seconds']!r}, but must be above the {seconds[-2]:g} before it"
                    )
    except csv.Error as problem:
        raise ValueError(f"{path} cannot be read as CSV ({problem}); give {_FORMS}") from None
    if not rates:
        raise ValueError(f"{path} has no rows below its header, and needs at least one rate")
    return _resampled(path, np.array(rates), np.array(seconds)) if seconds else np.array(rates)


def _resampled(path: Path, mbps: FloatArray, seconds: FloatArray) -> FloatArray:
    """Return the mean rate of each 100 ms in Mbit/s, beginning at the first time."""
    last_s = float(seconds[-1] - seconds[-2]) if len(seconds) > 1 else ROW_S
    edges_s = np.append(seconds - seconds[0], seconds[-1] - seconds[0] + last_s)
    _check_length(path, float(edges_s[-1]))
    mbit = np.concatenate([[0.0], np.cumsum(mbps * np.diff(edges_s))])
    rows = max(1, round(float(edges_s[-1]) / ROW_S))
    carried = np.interp(ROW_S * np.arange(rows + 1), edges_s, mbit)
    # Without rounding, the rates of an outage would not be exactly 0, because the sums differ in their last digit.
    resampled: FloatArray = np.abs(np.round(np.diff(carried) / ROW_S, 9))
    return resampled


def _read_packets(path: Path, lines: Sequence[str]) -> FloatArray:
    times_ms: list[int] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if not text.isdecimal():
            raise ValueError(f"{path}, line {number} is {text!r}, but must be a whole number of milliseconds")
        times_ms.append(int(text))
        if len(times_ms) > 1 and times_ms[-1] < times_ms[-2]:
            raise ValueError(f"{path}, line {number} is {text!r}, but must be at least the {times_ms[-2]} before it")
    if not times_ms[-1]:
        raise ValueError(f"{path} ends at 0 ms, and must be longer")
    _check_length(path, times_ms[-1] / 1000)
    rows = -(-times_ms[-1] // _ROW_MS)
    row = np.minimum(np.array(times_ms) // _ROW_MS, rows - 1)
    mbps: FloatArray = np.bincount(row, minlength=rows) * (_PACKET_MBIT / ROW_S)
    return mbps


def _check_length(path: Path, seconds: float) -> None:
    if seconds > _LONGEST_S:
        raise ValueError(f"{path} lasts {seconds:.0f} s, but may last at most {_LONGEST_S} s")
