# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables of networks for the simulator: partition points with bytes, features and measured delays."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from neurosurgeon_ros.atomic_write import write_atomically
from neurosurgeon_ros.learning.interface import FEATURES, FloatArray

#: Columns of a table's CSV: the partition point's name, FEATURES of its back-end with psi as fp32 bytes, and the
#: seconds of its front-end and back-end on the profiled machine.
COLUMNS = ("point", *FEATURES, "front_s", "back_s")
MACS = [FEATURES.index(name) for name in ("conv_macs", "fc_macs", "act_macs")]
LAYERS = [FEATURES.index(name) for name in ("conv_layers", "fc_layers", "act_layers")]
PSI = FEATURES.index("psi")
#: Ending of the file names of codec tables, see arms/codec_table.py.
CODECS_SUFFIX = ".arms.csv"


@dataclass(frozen=True, slots=True, eq=False)
class NetworkTable:
    """
    The n = P + 1 partition points of one network, with fp32 tensors.

    :param name: the network's name.
    :param points: names of the partition points, ``input`` first and ``on_device`` last.
    :param features: the back-end's contextual features, as in Context.features. Shape (n, 7).
    :param front_s: seconds of the front-end on the profiled machine, 0 at p = 0. Shape (n,).
    :param back_s: seconds of the back-end on the profiled machine, 0 at p = P. Shape (n,).
    """

    name: str
    points: tuple[str, ...]
    features: FloatArray
    front_s: FloatArray
    back_s: FloatArray

    @property
    def back_macs(self) -> FloatArray:
        """Return the multiply-accumulates of each back-end, shape (n,)."""
        macs: FloatArray = self.features[:, MACS].sum(axis=1)
        return macs

    @property
    def back_layers(self) -> FloatArray:
        """Return the number of convolutional, fully connected and activation layers of each back-end, shape (n,)."""
        layers: FloatArray = self.features[:, LAYERS].sum(axis=1)
        return layers

    @property
    def sent_bytes(self) -> FloatArray:
        """Return the bytes of each partition point's fp32 tensors, 0 at p = P; shape (n,)."""
        sent: FloatArray = self.features[:, PSI]
        return sent


def read_table(path: Path | Traversable, name: str) -> NetworkTable:
    """
    Read a table that ``neurosurgeon profile`` wrote.

    :param path: CSV file with the columns :data:`COLUMNS`.
    :param name: the network's name.
    :raises ValueError: if columns are missing, a number is negative or not finite, or there are fewer than two rows.
    """
    rows = read_rows(path, COLUMNS, "table")
    if len(rows) < 2:
        raise ValueError(f"{path} has {len(rows)} partition points, but a network has at least input and on_device")
    numbers = np.empty((len(rows), len(COLUMNS) - 1))
    for line, row in enumerate(rows, start=2):
        for column, key in enumerate(COLUMNS[1:]):
            numbers[line - 2, column] = non_negative(row[key], f"{path}, line {line}, column {key}")
    width = len(FEATURES)
    return NetworkTable(
        name=name,
        points=tuple(row["point"] for row in rows),
        features=numbers[:, :width],
        front_s=numbers[:, width],
        back_s=numbers[:, width + 1],
    )


def write_table(path: Path, table: NetworkTable) -> None:
    """
    Write a table for :func:`read_table`, completely or not at all.

    :param path: CSV file.
    """

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for p, point in enumerate(table.points):
                delays = (f"{table.front_s[p]:.6g}", f"{table.back_s[p]:.6g}")
                writer.writerow((point, *(f"{feature:.0f}" for feature in table.features[p]), *delays))

    write_atomically(path, write)


def read_rows(path: Path | Traversable, columns: Sequence[str], kind: str) -> list[dict[str, str]]:
    """
    Read the rows of a CSV file.

    :param kind: what the file is called in the error.
    :raises ValueError: if a column is missing.
    """
    with path.open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}; a {kind} has {', '.join(columns)}")
        return list(reader)


def non_negative(text: str | None, where: str) -> float:
    """
    Convert text to a finite number of at least 0.

    :param text: text from the file; None if the line is too short.
    :param where: file, line and column, for the error message.
    :raises ValueError: if the text is not such a number.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"{where} is {text!r}, but must be a finite number of at least 0")
    return value


def network_folder() -> Traversable:
    """Return the folder with the shipped tables."""
    return resources.files("neurosurgeon_ros.simulation") / "networks"


@cache
def network_names() -> tuple[str, ...]:
    """Return the names of the networks whose tables are shipped."""
    files = [file.name for file in network_folder().iterdir() if not file.name.endswith(CODECS_SUFFIX)]
    return tuple(sorted(file.removesuffix(".csv") for file in files if file.endswith(".csv")))


@cache
def network(name: str) -> NetworkTable:
    """
    Load the table of a shipped network.

    :raises ValueError: if no network has this name; the message names the choices.
    """
    if name not in network_names():
        raise ValueError(f"there is no network {name!r}; choose one of {', '.join(network_names())}")
    return read_table(network_folder() / f"{name}.csv", name)
