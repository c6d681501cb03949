# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Files with codec tables.

``neurosurgeon profile NAME --codecs`` writes NAME.arms.csv with every arm whose fidelity is known. These are the arms
of the network's calibration. Without a calibration, they are the arms with lossless codecs or fp16, as on a robot.
NAME.VIDEO.arms.csv holds the arms of a calibration on another video.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources.abc import Traversable
from itertools import groupby
from pathlib import Path

import numpy as np

from neurosurgeon_ros.atomic_write import write_atomically
from neurosurgeon_ros.calibration.arm_table import PSI
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.fidelity import StreamFidelity
from neurosurgeon_ros.learning.interface import FEATURES, FloatArray
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable, point_of
from neurosurgeon_ros.simulation.table import CODECS_SUFFIX, network_folder, non_negative, read_rows

#: Columns of the CSV: the arm's name, whether it sends the camera's image (1 or 0), FEATURES of its back-end with psi
#: as its expected bytes, the seconds of each step on the profiled machine, its fidelity, and the lower end of the
#: fidelity's 90 % interval. Pre-processing and post-processing are the same in every row.
STEPS = ("preprocess_s", "front_s", "encode_s", "decode_s", "postprocess_s")
COLUMNS = ("arm", "camera", *FEATURES, *STEPS, "fidelity", "low")
#: Further columns of a table with arms whose codec has memory, 0 for other arms: frames per second, and bytes of a key.
#: Such an arm has one row for each rate, in ascending order; psi and fidelity are those of frames that are no keys.
MEMORY = ("hz", "key_bytes")


def read_codec_table(path: Path | Traversable, name: str) -> CodecTable:
    """
    Read a table that ``neurosurgeon profile --codecs`` wrote.

    :param path: CSV file with the columns :data:`COLUMNS`.
    :param name: the network's name.
    :raises ValueError: if columns are missing, a number is negative or not finite, a fidelity is above 1, the rates of
        an arm do not increase, or there are fewer than two arms.
    """
    rows = read_rows(path, COLUMNS, "codec table")
    if len(rows) < 2:
        raise ValueError(f"{path} has {len(rows)} arms, but a network has at least one to send and on_device")
    numbers = {
        column: np.array(
            [
                non_negative(row.get(column, "0"), f"{path}, line {line}, column {column}")
                for line, row in enumerate(rows, start=2)
            ]
        )
        for column in (*COLUMNS[1:], *MEMORY)
    }
    for column in ("fidelity", "low"):
        if numbers[column].max() > 1.0:
            raise ValueError(f"{path}, column {column} has {numbers[column].max():g}, but must be in [0, 1]")
    first, streams = _grouped(path, [row["arm"] for row in rows], numbers)
    numbers = {column: values[first] for column, values in numbers.items()}
    arms = tuple(rows[line]["arm"] for line in first)
    names = list(dict.fromkeys(point_of(arm) for arm in arms))
    point = np.array([names.index(point_of(arm)) for arm in arms], dtype=np.int64)
    return CodecTable(
        name=name,
        arms=arms,
        camera=numbers["camera"] > 0.0,
        point=point,
        features=np.stack([numbers[feature] for feature in FEATURES], axis=1),
        profile=DelayProfile(
            score_s=0.0,
            preprocess_s=float(numbers["preprocess_s"][0]),
            front_s=np.array([numbers["front_s"][point == p][0] for p in range(len(names))]),
            encode_s=numbers["encode_s"],
            decode_s=numbers["decode_s"],
            postprocess_s=float(numbers["postprocess_s"][0]),
        ),
        fidelity=numbers["fidelity"],
        low=numbers["low"],
        key_bytes=numbers["key_bytes"],
        streams=streams,
    )


def _grouped(
    path: Path | Traversable, arms: Sequence[str], numbers: Mapping[str, FloatArray]
) -> tuple[list[int], dict[str, tuple[StreamFidelity, ...]]]:
    """
    Return the first row of each arm, and what the rows of each arm with memory say about its rates.

    :raises ValueError: if an arm has several rows whose rates do not increase.
    """
    first, streams = [], {}
    hz, psi = numbers["hz"], numbers["psi"]
    for name, group in groupby(range(len(arms)), key=arms.__getitem__):
        rows = list(group)
        if (np.diff(hz[rows]) <= 0.0).any():
            raise ValueError(f"{path} has {name} {len(rows)} times, but column hz must increase from row to row")
        first.append(rows[0])
        if hz[rows[0]] > 0.0:
            streams[name] = tuple(
                StreamFidelity(
                    float(numbers["fidelity"][row]),
                    float(numbers["low"][row]),
                    1.0,
                    float(psi[row]),
                    rate_hz=float(hz[row]),
                    key_bytes=float(numbers["key_bytes"][row]),
                )
                for row in rows
            )
    return first, streams


def write_codec_table(path: Path, table: CodecTable) -> None:
    """
    Write a table for :func:`read_codec_table`, completely or not at all.

    :param path: CSV file.
    """
    profile = table.profile

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*COLUMNS, *MEMORY))
            for arm, name in enumerate(table.arms):
                front_s = profile.front_s[table.point[arm]]
                steps = (profile.preprocess_s, front_s, profile.encode_s[arm], profile.decode_s[arm])
                seconds = [f"{step:.4g}" for step in (*steps, profile.postprocess_s)]
                work = [f"{feature:.0f}" for feature in table.features[arm]][:PSI]
                for one in table.streams.get(name, (_plain(table, arm),)):
                    agreement = [f"{share:.4g}" for share in (one.fidelity, one.low)]
                    memory = (f"{one.rate_hz:.4g}", f"{one.key_bytes:.0f}")
                    camera = int(table.camera[arm])
                    writer.writerow((name, camera, *work, f"{one.sent_bytes:.0f}", *seconds, *agreement, *memory))

    write_atomically(path, write)


def _plain(table: CodecTable, arm: int) -> StreamFidelity:
    """Return the bytes and the fidelity of an arm whose codec has no memory, as its only row has them."""
    fidelity, low, sent_bytes = (float(of[arm]) for of in (table.fidelity, table.low, table.features[:, PSI]))
    return StreamFidelity(fidelity, low, 1.0, sent_bytes, rate_hz=0.0, key_bytes=0.0)


@cache
def codec_table(name: str) -> CodecTable:
    """
    Load the codec table of a shipped network.

    :param name: name of the network, or `NETWORK.VIDEO` for its table of a video.
    :raises ValueError: if there is no such table; the message names the choices.
    """
    path = network_folder() / f"{name}{CODECS_SUFFIX}"
    if not path.is_file():
        ending = len(CODECS_SUFFIX)
        names = sorted(file.name[:-ending] for file in network_folder().iterdir() if file.name.endswith(CODECS_SUFFIX))
        raise ValueError(f"there is no network {name!r}; choose one of {', '.join(names)}")
    return read_codec_table(path, name)
